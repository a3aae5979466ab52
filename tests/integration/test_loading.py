"""`liteship package --load`: images onto the nodes of a cluster on this machine.

kind and minikube are not installable here: a program of the same name stands in, which writes down
what it was told. That both take these words, their own documentation says.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from liteship.cli.delivery import deliver, require_deliverable
from liteship.cli.main import run
from liteship.deploy.kubernetes.images import image_of
from liteship.deploy.kubernetes.manifests import revision_name
from liteship.errors import LiteshipError, PackagingError
from liteship.packaging.loading import COMMANDS, Loader, load_onto_nodes
from liteship.project import FunctionFolder, load_function

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def function(tmp_path: Path) -> FunctionFolder:
    """digits and wine, as far as manifests are made of them."""
    for name in ("digits", "wine"):
        folder = tmp_path / "project" / "functions" / name
        folder.mkdir(parents=True)
        shutil.copy(ROOT / "functions" / name / "function.toml", folder)
    return load_function("digits", tmp_path / "project")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a program on PATH, alone there; gives the file in which it writes its arguments."""

    def install(name: str, script: str = "") -> Path:
        programs, record = tmp_path / "bin", tmp_path / "record"
        programs.mkdir(exist_ok=True)
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "$0 $@" >> {record}\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(programs))
        return record

    return install


@pytest.mark.parametrize("loader", ["kind", "minikube"])
def test_an_image_is_loaded_and_named(
    loader: Loader, function: FunctionFolder, install: Callable[..., Path]
) -> None:
    record = install(loader)
    image = "dev.local/digits:v7"
    done = deliver(function, image, load=loader, quiet=True)
    (told,) = record.read_text().splitlines()
    assert told.split()[1:] == [*COMMANDS[loader][1:], image]
    assert image_of(function.root, "digits") == image
    assert done["revision"] == revision_name(function.config, image)
    service = function.root / "knative" / "base" / "digits" / "service.yaml"
    assert f"name: {done['revision']}" in service.read_text()
    assert str(service.relative_to(function.root)) in done["written"]
    assert deliver(function, image, load=loader, quiet=True)["written"] == []


def test_people_are_told_what_changed(
    function: FunctionFolder, install: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    install("kind")
    deliver(function, "dev.local/digits:v7", load="kind", quiet=False)
    first = capsys.readouterr().out
    assert "written: knative/images/kustomization.yaml" in first
    assert "liteship deploy digits --to knative" in first
    deliver(function, "dev.local/digits:v7", load="kind", quiet=False)
    again = capsys.readouterr().out
    assert "written" not in again
    assert "another --tag" in again


def test_what_the_program_refuses_is_told_in_its_words(install: Callable[..., Path]) -> None:
    install("kind", "echo 'ERROR: no nodes found for cluster \"kind\"' >&2; exit 1")
    with pytest.raises(PackagingError) as refused:
        load_onto_nodes("dev.local/digits:v1", "kind")
    assert refused.value.reference == "load-failed"
    assert refused.value.problems == ('ERROR: no nodes found for cluster "kind"',)
    assert "kind create cluster" in refused.value.hint


@pytest.mark.parametrize(
    ("tag", "options", "error"),
    [
        ("registry.example.com/digits:v1", {"load": "kind"}, "load-name"),
        ("dev.local/digits", {"load": "kind"}, "load-latest"),
        ("kind.local/digits:v1", {"load": "minikube"}, "loader-missing"),
        ("dev.local/digits:v1", {"push": True}, "registry-local"),
        ("digits:v1", {"push": True}, "registry-missing"),
        (None, {"push": True}, "delivery-tag"),
        (None, {"load": "kind"}, "delivery-tag"),
        ("dev.local/digits:v1", {"push": True, "load": "kind"}, "delivery-choice"),
        ("Digits:v1", {"push": True}, "image-tag"),
    ],
)
def test_what_would_fail_later_is_refused_before_anything_is_built(
    tag: str | None,
    options: dict[str, object],
    error: str,
    function: FunctionFolder,
    install: Callable[..., Path],
) -> None:
    install("kind")
    push, load = bool(options.get("push")), options.get("load")
    with pytest.raises(LiteshipError) as refused:
        require_deliverable(function, tag, push=push, load=load)  # type: ignore[arg-type]
    assert refused.value.reference == error


def test_the_command_refuses_before_it_looks_for_docker(
    function: FunctionFolder,
    install: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install("kind")
    monkeypatch.chdir(function.root)
    assert run(["package", "digits", "--as=image", "--load=kind", "--tag=x/digits:v1", "--json"]) == 9
    assert '"load-name"' in capsys.readouterr().out
    assert run(["package", "digits", "--as=zip", "--push"]) == 2
