"""`liteship package NAME --as image`: the same inputs, the same image; a change costs its own layer."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from liteship.artifact.folder import MANIFEST_FILE, MODEL_FILE, Artifact
from liteship.errors import PackagingError
from liteship.packaging.elf import read_binary
from liteship.packaging.image import ImagePackage, normalise_image, package_image, require_fresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.project import FunctionFolder

    Run = Callable[..., str]

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]
KILOBYTES = 64 * 1024
"""What changed code may come to: far below the smallest dependency layer."""


def inspect(reference: str, run: Run) -> dict[str, Any]:
    (image,) = json.loads(run("docker", "image", "inspect", reference))
    return dict(image)


def test_built_again_elsewhere_it_is_the_same(
    packaged: dict[str, Any],
    function: FunctionFolder,
    base_image: str,
    tag: str,
    leftovers: Callable[[], list[str]],
) -> None:
    again = package_image(function, base_image=base_image, tag=tag, no_cache=True)
    assert again.digest == packaged["digest"]
    assert [layer.digest for layer in again.layers] == [layer["digest"] for layer in packaged["layers"]]
    assert not leftovers()


def test_the_package_tells_what_the_image_is(packaged: dict[str, Any], run_command: Run) -> None:
    assert (packaged["form"], packaged["python"]) == ("image", "3.13")
    assert packaged["architecture"] == "x86_64"
    assert [layer["holds"] for layer in packaged["layers"]] == [
        *("base image", "LiteRT", "Pillow", "web framework", "AWS SDK"),
        *("artifact", "liteship's run half", "the function's code"),
    ]
    assert [layer["is_base"] for layer in packaged["layers"]] == [True] + [False] * 7
    assert packaged["size_bytes"] == sum(layer["size_bytes"] for layer in packaged["layers"])
    added = [layer["size_bytes"] for layer in packaged["layers"] if not layer["is_base"]]
    assert sum(added) <= 45_000_000
    assert {limit["name"] for limit in packaged["limits"]} >= {"image", "architecture"}
    components = json.loads(Path(packaged["sbom"]).read_bytes())["components"]
    assert {"liteship-base", "pillow", "boto3", "digits"} <= {
        each["name"].lower() for each in components
    }
    image = inspect(packaged["reference"], run_command)
    assert image["Id"] == packaged["digest"]
    assert image["RootFS"]["Layers"] == [layer["digest"] for layer in packaged["layers"]]


def test_nothing_of_the_build_is_in_the_image(packaged: dict[str, Any], run_command: Run) -> None:
    image = inspect(packaged["reference"], run_command)
    assert image["Created"] == "1980-01-01T00:00:00Z"
    assert (image["Container"], image["DockerVersion"], image["Parent"]) == ("", "", "")
    assert (image["Config"]["Hostname"], image["Config"]["Image"]) == ("", "")
    manifest = Artifact.load(ROOT / "functions" / "digits" / "model").manifest
    text = (ROOT / "functions" / "digits" / "model" / MANIFEST_FILE).read_bytes()
    assert image["Config"]["Labels"] == {
        "com.amazonaws.lambda.feature.snapstart": "Allow",
        "liteship.dockerfile": "1",
        "liteship.function": "digits",
        "liteship.version": manifest.version,
        "liteship.model.sha256": manifest.sha256,
        "liteship.manifest.sha256": hashlib.sha256(text).hexdigest(),
    }


def test_an_image_of_another_builder_becomes_the_same(
    packaged: dict[str, Any],
    function: FunctionFolder,
    base_image: str,
    tag: str,
    leftovers: Callable[[], list[str]],
    run_command: Run,
) -> None:
    """As `sam build` leaves it; and what is normalised stays what it is."""
    run_command(
        *("docker", "build", f"--file={function.root}/functions/Dockerfile", f"--tag={tag}"),
        *("--build-arg=FUNCTION=digits", f"--build-arg=BASE_IMAGE={base_image}", function.root),
    )
    assert inspect(tag, run_command)["Id"] != packaged["digest"]
    for _ in range(2):
        assert normalise_image(tag, function) == packaged["digest"]
        assert inspect(tag, run_command)["Id"] == packaged["digest"]
        assert not leftovers()


def test_a_change_of_the_code_costs_kilobytes(
    function: FunctionFolder, base_image: str, tag: str
) -> None:
    first = package_image(function, base_image=base_image, tag=tag)
    assert all(layer.changed for layer in first.layers)
    with (function.folder / "app.py").open("a") as file:
        file.write("# changed\n")
    (function.folder / "extra.py").write_text("ANSWER = 42\n")
    second = package_image(function, base_image=base_image, tag=tag)
    changed = [layer for layer in second.layers if layer.changed]
    assert [layer.holds for layer in changed] == ["the function's code"]
    assert changed[0].size_bytes < KILOBYTES
    assert second.digest != first.digest


def test_a_change_of_the_model_costs_the_artifact(
    packaged: dict[str, Any], function: FunctionFolder, base_image: str, tag: str
) -> None:
    model = function.model_folder
    content = (model / MODEL_FILE).read_bytes() + bytes(16)
    fields = json.loads((model / MANIFEST_FILE).read_text())
    fields |= {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    image = package_image(function, base_image=base_image, tag=tag)
    require_fresh(function, tag)
    (model / MODEL_FILE).write_bytes(content)
    (model / MANIFEST_FILE).write_text(json.dumps(fields))
    with pytest.raises(PackagingError) as raised:
        require_fresh(function, tag)
    assert raised.value.reference == "image-stale"
    assert fields["sha256"] in str(raised.value.expected)
    assert packaged["digest"] == image.digest
    second = package_image(function, base_image=base_image, tag=tag)
    require_fresh(function, tag)
    assert [layer.holds for layer in second.layers if layer.changed] == ["artifact"]


def test_another_manifest_alone_makes_an_image_stale(function: FunctionFolder, image: str) -> None:
    require_fresh(function, image)
    manifest = function.model_folder / MANIFEST_FILE
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(PackagingError) as raised:
        require_fresh(function, image)
    assert raised.value.reference == "image-stale"
    assert "liteship package digits --as image" in raised.value.hint


def test_an_arm64_image_is_built_without_emulation(
    configure: Callable[[str, str], FunctionFolder],
    base_image: str,
    arm64_base: str,
    tag: str,
    tmp_path: Path,
    run_command: Run,
) -> None:
    function = configure("[runtime]", '[runtime]\narchitecture = "arm64"')
    image = package_image(function, base_image=arm64_base, build_image=base_image, tag=tag)
    assert image.architecture == "arm64"
    assert inspect(tag, run_command)["Architecture"] == "arm64"
    machines = {each.machine for each in own_binaries(image, tmp_path, run_command)}
    assert machines == {"arm64"}


def own_binaries(image: ImagePackage, tmp_path: Path, run_command: Run) -> list[Any]:
    """Every ELF file in the layers above the base image's."""
    saved, root = tmp_path / "saved.tar", tmp_path / "root"
    run_command("docker", "save", f"--output={saved}", image.reference)
    with tarfile.open(saved) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        (entry,) = json.load(manifest)
        for file, layer in zip(entry["Layers"], image.layers, strict=True):
            if not layer.is_base:
                with tarfile.open(fileobj=archive.extractfile(file)) as opened:
                    opened.extractall(root, filter="data")
    binaries = [read_binary(path) for path in root.rglob("*") if path.is_file()]
    found = [binary for binary in binaries if binary is not None]
    assert len(found) > 5
    return found


def test_two_builds_are_one_manifest_in_a_registry(
    registry: str, function: FunctionFolder, base_image: str, run_command: Run
) -> None:
    digests = []
    for name in ("first", "second"):
        reference = f"{registry}/{name}/digits:v1"
        package_image(function, base_image=base_image, tag=reference)
        run_command("docker", "push", "--quiet", reference)
        run_command("docker", "image", "rm", reference)
        manifest = httpx.get(
            f"http://{registry}/v2/{name}/digits/manifests/v1",
            headers={"accept": "application/vnd.docker.distribution.manifest.v2+json"},
        ).raise_for_status()
        # one platform, no attestations: what Lambda takes
        assert manifest.json()["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
        digests.append(manifest.headers["docker-content-digest"])
    assert digests[0] == digests[1]
