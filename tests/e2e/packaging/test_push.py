"""`liteship package --push`: to a real registry, and what registries refuse."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from liteship.deploy.kubernetes.images import image_of
from liteship.deploy.kubernetes.manifests import revision_name
from liteship.errors import PackagingError
from liteship.packaging.pushing import push_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liteship.project import FunctionFolder

    Run = Callable[..., str]

pytestmark = pytest.mark.e2e


@pytest.fixture
def named(base_image: str, run_command: Run) -> Iterator[Callable[[str], str]]:
    """Gives the base image another name, which it loses in the end."""
    with contextlib.ExitStack() as stack:

        def name(reference: str) -> str:
            run_command("docker", "tag", base_image, reference)
            remove = ["docker", "image", "rm", "--no-prune", reference]
            stack.callback(subprocess.run, remove, capture_output=True, check=False)
            return reference

        yield name


def package(function: FunctionFolder, base_image: str, tag: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "liteship", "package", "digits", "--as=image", "--json"]
    done = subprocess.run(
        [*command, f"--base-image={base_image}", f"--tag={tag}", "--push"],
        cwd=function.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    fields: dict[str, Any] = json.loads(done.stdout)
    return fields


def test_a_pushed_image_is_named_by_its_digest_in_every_manifest(
    function: FunctionFolder, registry: str, base_image: str, run_command: Run
) -> None:
    tag = f"{registry}/pushed/digits:v1"
    try:
        first = package(function, base_image, tag)
        again = package(function, base_image, tag)
    finally:
        run_command("docker", "image", "rm", tag)
    place, _, digest = first["image"].partition("@")
    assert place == f"{registry}/pushed/digits"
    answer = httpx.get(
        f"http://{registry}/v2/pushed/digits/manifests/{digest}",
        headers={"Accept": "application/vnd.docker.distribution.manifest.v2+json"},
    )
    assert answer.json()["config"]["digest"] == first["digest"], "the image's id"
    assert image_of(function.root, "digits") == first["image"]
    assert first["revision"] == revision_name(function.config, first["image"])
    assert "knative/images/kustomization.yaml" in first["written"]
    service = yaml.safe_load(
        (function.root / "knative" / "base" / "digits" / "service.yaml").read_text()
    )
    assert service["spec"]["template"]["metadata"]["name"] == first["revision"]
    assert again["written"] == []
    assert again["image"] == first["image"]


def test_progress_counts_layers_up_to_all_of_them(registry: str, named: Callable[[str], str]) -> None:
    told: list[tuple[str, int, int]] = []
    push_image(named(f"{registry}/progress/any:v1"), lambda *step: told.append(step))
    assert told[0][:2] == ("push", 0)
    assert told[-1][1] == told[-1][2] > 0


def test_a_registry_that_wants_a_login(
    start_registry: Callable[..., str], named: Callable[[str], str], tmp_path_factory: Any
) -> None:
    passwords = tmp_path_factory.mktemp("auth") / "htpasswd"  # the registry makes it, and an account
    registry = start_registry(auth={"htpasswd": {"realm": "any", "path": str(passwords)}})
    refused = refusal(named(f"{registry}/x/any:v1"))
    assert refused.reference == "push-denied"
    assert f"docker login {registry}" in refused.hint


def test_a_registry_that_does_not_answer(closed_port: int, named: Callable[[str], str]) -> None:
    refused = refusal(named(f"127.0.0.1:{closed_port}/x/any:v1"))
    assert refused.reference == "registry-unreachable"
    assert "refused" in str(refused.received)


def test_a_registry_without_tls(
    start_registry: Callable[..., str], named: Callable[[str], str]
) -> None:
    """Engines speak HTTP to loopback only, so it stands on this machine's own address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # chooses an address; a datagram socket sends nothing
        address = probe.getsockname()[0]
    registry = start_registry(address)
    refused = refusal(named(f"{registry}/x/any:v1"))
    assert refused.reference == "registry-insecure"
    assert f'"{registry}" to insecure-registries' in refused.hint


def test_an_image_that_is_not_here(registry: str) -> None:
    refused = refusal(f"{registry}/x/nothing:v1")
    assert refused.reference == "push-failed"
    assert "does not exist" in str(refused.received)


def refusal(reference: str) -> PackagingError:
    with pytest.raises(PackagingError) as raised:
        push_image(reference, lambda *_: None)
    return raised.value


def test_an_interrupted_push_ends_the_engines_command(
    function: FunctionFolder, named: Callable[[str], str]
) -> None:
    """A registry that takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = named(f"127.0.0.1:{silent.getsockname()[1]}/x/any:v1")
        script = (
            "import sys; from liteship.cli.exits import end_on_sigterm; end_on_sigterm();"
            "from liteship.packaging.pushing import push_image; push_image(sys.argv[1], print)"
        )
        command = [sys.executable, "-c", script, reference]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            connection, _ = silent.accept()
            process.terminate()
            assert process.wait() == 130
            connection.close()
