"""Archives as engines save them, made here file by file: rewritten, they differ by contents alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from liteship.errors import PackagingError
from liteship.packaging.oci import RewrittenImage, describe, rewrite_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EPOCH_S = 315_532_800
Files = Mapping[str, bytes | None]

BASE: Files = {"etc/os": b"base"}
MODEL: Files = {"var/task/model/": None, "var/task/model/model.tflite": b"\x01" * 600}
CODE: Files = {"var/task/app.py": b"handler = 1\n", "var/task/__pycache__/app.pyc": b"\x02"}
OWN: tuple[tuple[Files, str], ...] = (
    (MODEL, 'COPY dir:12ab in /var/task/model "'),
    ({}, "WORKDIR /var/task"),
    (CODE, "COPY x y"),
)


def layer_tar(files: Files, *, time_s: float = 1.5, owner: int = 0, backwards: bool = False) -> bytes:
    """A layer's tar file; None is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in sorted(files, reverse=backwards):
            content = files[name]
            entry = tarfile.TarInfo(name)
            entry.mtime, entry.uid, entry.uname = time_s, owner, "someone"
            entry.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
            entry.size = len(content or b"")
            archive.addfile(entry, io.BytesIO(content or b""))
    return buffer.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes an archive of a base layer and three of our own, as builders and engines vary it."""

    def write(
        name: str,
        *,
        compress: bool = False,
        marked: bool = True,
        noise: Mapping[str, Any] | None = None,
        base_history: int = 1,
        **variation: Any,
    ) -> Path:
        plain = [layer_tar(BASE), *(layer_tar(files, **variation) for files, _ in OWN)]
        marker = "/bin/sh -c #(nop)  LABEL liteship.dockerfile=1"
        history: list[dict[str, Any]] = [
            {"created_by": f"base {index}"} for index in range(base_history)
        ]
        history += [{"created_by": marker, "empty_layer": True}] if marked else []
        history += [{"created_by": text, "created": str(variation)} for _, text in OWN]
        history += [{"created_by": "CMD", "empty_layer": True}]
        config = {
            "architecture": "arm64",
            "variant": "v8",
            "os": "linux",
            "config": {"Cmd": ["app.handler"], "Labels": {"kept": "1"}, "Hostname": "", "Image": "x"},
            "rootfs": {"type": "layers", "diff_ids": [digest(each) for each in plain]},
            "history": history,
            **(noise or {}),
        }
        members = {f"{index}/layer.tar": content for index, content in enumerate(plain)}
        if compress:
            members = {f"blobs/{key}": gzip.compress(value) for key, value in members.items()}
        layers = list(members)
        members["config.json"] = json.dumps(config).encode()
        manifest = [{"Config": "config.json", "RepoTags": None, "Layers": layers}]
        members["manifest.json"] = json.dumps(manifest).encode()
        path = tmp_path / f"{name}.tar"
        with tarfile.open(path, "w") as archive:
            for member, content in members.items():
                entry = tarfile.TarInfo(member)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return path

    return write


def rewrite(source: Path, **options: Any) -> tuple[RewrittenImage, bytes]:
    output = io.BytesIO()
    settings = {"reference": "digits:v1", "labels": {"liteship.function": "digits"}} | options
    settings.setdefault("created_s", EPOCH_S)
    return rewrite_image(source, output, io.BytesIO(), **settings), output.getvalue()


def read(archive: bytes) -> tuple[dict[str, Any], dict[str, Any], list[bytes]]:
    """Manifest entry, configuration and layers, every digest checked, as an engine does."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened:
            content = opened.extractfile(member)
            assert content is not None
            files[member.name] = content.read()
    (entry,) = json.loads(files["manifest.json"])
    config = json.loads(files[entry["Config"]])
    layers = [files[name] for name in entry["Layers"]]
    assert [digest(each) for each in layers] == config["rootfs"]["diff_ids"]
    filled = [each for each in config["history"] if not each.get("empty_layer")]
    assert len(filled) == len(layers)
    return entry, config, layers


def test_builds_that_differ_by_chance_become_one(save: Callable[..., Path]) -> None:
    image, archive = rewrite(save("one"))
    chance = {"container": "1f", "docker_version": "20.10", "created": "2026-01-01T00:00:00Z"}
    variations: dict[str, dict[str, Any]] = {
        "time": {"time_s": 9.25},
        "owner": {"owner": 1000},
        "order": {"backwards": True},
        "engine": {"compress": True},
        "noise": {"noise": chance},
    }
    for name, variation in variations.items():
        other, other_archive = rewrite(save(name, **variation))
        assert (other, other_archive) == (image, archive), name


def test_what_was_rewritten_is_an_image(save: Callable[..., Path]) -> None:
    image, archive = rewrite(save("one"))
    entry, config, layers = read(archive)
    assert entry["RepoTags"] == ["digits:v1"]
    assert entry["Config"] == f"{image.digest.removeprefix('sha256:')}.json"
    assert config["config"] == {
        "Cmd": ["app.handler"],
        "Labels": {"kept": "1", "liteship.function": "digits"},
    }
    assert config.keys() == {
        *("architecture", "variant", "os", "created", "config"),
        "rootfs",
        "history",
    }
    assert config["created"] == "1980-01-01T00:00:00Z"
    assert image.architecture == config["architecture"] == "arm64"
    assert layers[0] == layer_tar(BASE)
    assert [layer.holds for layer in image.layers] == ["base image", "artifact", "the function's code"]
    assert [layer.is_base for layer in image.layers] == [True, False, False]
    assert [layer.size_bytes for layer in image.layers] == [len(layer) for layer in layers]


def test_a_layer_keeps_its_contents_and_loses_its_chance(save: Callable[..., Path]) -> None:
    _, _, (_, model, code) = read(rewrite(save("one", owner=7, backwards=True))[1])
    for content, files in ((model, MODEL), (code, CODE)):
        with tarfile.open(fileobj=io.BytesIO(content)) as layer:
            members = layer.getmembers()
            assert [each.name for each in members] == sorted(name.rstrip("/") for name in files)
            assert {(each.uid, each.uname, each.mtime, *each.pax_headers) for each in members} == {
                (0, "", EPOCH_S)
            }
            for name, expected in files.items():
                found = layer.extractfile(name.rstrip("/"))
                assert (found.read() if found else None) == expected


def test_a_hard_link_comes_after_its_target(save: Callable[..., Path], tmp_path: Path) -> None:
    from liteship.packaging.oci import rewrite_layer

    source, target = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=source, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("z"))
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.LNKTYPE, "z"
        archive.addfile(link)
    source.seek(0)
    assert rewrite_layer(source, target, 0) == ["z", "a"]


def test_rewriting_again_changes_nothing(save: Callable[..., Path], tmp_path: Path) -> None:
    first, archive = rewrite(save("one"))
    again = tmp_path / "again.tar"
    again.write_bytes(archive)
    second, same = rewrite(again)
    assert (second, same) == (first, archive)


@pytest.mark.parametrize("base_history", [0, 1, 3])
def test_a_base_image_with_another_history_is_still_told_apart(
    save: Callable[..., Path], base_history: int
) -> None:
    image, _ = rewrite(save("one", base_history=base_history))
    assert [layer.is_base for layer in image.layers] == [True, False, False]


def test_time_and_labels_are_part_of_the_image(save: Callable[..., Path]) -> None:
    source = save("one")
    images = [rewrite(source)[0], rewrite(source, created_s=0)[0], rewrite(source, labels={})[0]]
    assert len({image.digest for image in images}) == 3


def test_an_image_without_the_marker_is_refused(save: Callable[..., Path]) -> None:
    with pytest.raises(PackagingError) as raised:
        rewrite(save("one", marked=False))
    assert raised.value.reference == "image-foreign"


def test_a_damaged_archive_is_refused(save: Callable[..., Path], tmp_path: Path) -> None:
    whole = save("one").read_bytes()
    for damaged in (b"", b"not a tar file", whole[: len(whole) // 2]):
        path = tmp_path / "damaged.tar"
        path.write_bytes(damaged)
        with pytest.raises(PackagingError) as raised:
            rewrite(path)
        assert raised.value.reference == "image-unreadable"


def test_a_full_disk_is_no_surprise(save: Callable[..., Path]) -> None:
    source = save("one")
    with open("/dev/full", "w+b", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        rewrite_image(source, full, io.BytesIO(), reference="a:b", labels={}, created_s=0)


def test_a_layer_that_nobody_knows_is_described_by_its_folder() -> None:
    assert describe(["srv", "srv/data", "srv/data/table.csv"]) == "files in /srv/data"
    assert describe(["opt/python/PIL/a.py", "opt/python/numpy/a.py"]) == "Pillow, NumPy"
