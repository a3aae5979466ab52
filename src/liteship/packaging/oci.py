"""Rewrites an image's archive so that the same inputs give the same image, whoever built it and when.

A build leaves to chance: times, owners, the order of files, host names and container ids. The archive's
form is what `docker save` writes and `docker load` reads, manifest.json with one tar file a layer:
https://github.com/moby/docker-image-spec/blob/main/spec.md#combined-image-json--filesystem-changeset-format.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from liteship.errors import PackagingError
from liteship.packaging.image_config import count_base_layers, rewrite_config

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOLDS = (
    ("opt/python/ai_edge_litert/", "LiteRT"),
    ("opt/python/PIL/", "Pillow"),
    ("opt/python/fastapi/", "web framework"),
    ("opt/python/boto3/", "AWS SDK"),
    ("opt/python/numpy/", "NumPy"),
    ("var/task/model/", "artifact"),
    ("var/task/liteship/", "liteship's run half"),
    ("var/task/app.py", "the function's code"),
)
"""What a layer holds, by the path of a file in it."""

_BLOCK_BYTES = 1 << 20

_UNREADABLE = (
    *(tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError),
    *(KeyError, ValueError, TypeError),
)
"""What a damaged or unknown archive can make its readers raise."""


@dataclass(frozen=True, kw_only=True)
class RewrittenLayer:
    """One layer of the image as it was written.

    Attributes:
        digest: `sha256:…` of the layer's uncompressed tar file.
        size_bytes: Of that file.
        holds: In words.
        is_base: Whether the base image brought it; such a layer is copied as it is.
    """

    digest: str
    size_bytes: int
    holds: str
    is_base: bool


@dataclass(frozen=True, kw_only=True)
class RewrittenImage:
    """What was written.

    Attributes:
        digest: `sha256:…` of the image's configuration.
        architecture: In Docker's words: `amd64`, `arm64`.
        layers: From the bottom up.
    """

    digest: str
    architecture: str
    layers: tuple[RewrittenLayer, ...]


def rewrite_image(
    source: Path,
    output: IO[bytes],
    spare: IO[bytes],
    *,
    reference: str,
    labels: Mapping[str, str],
    created_s: int,
) -> RewrittenImage:
    """Reads one image's archive and writes it as a function of its contents alone.

    Args:
        source: What `docker save` wrote.
        output: Takes what `docker load` reads, front to back. Without the end it is no image.
        spare: An empty file, for one layer at a time.
        reference: `repository:tag` that the new image gets.
        labels: Set in the new image, over what is there.
        created_s: The time of everything above the base image, in seconds since 1970.

    Raises:
        PackagingError: `image-unreadable`; `image-foreign` for an image that functions/Dockerfile did
            not build.
        OSError: The disk is full, or nobody reads `output`.
    """
    try:
        with tarfile.open(source) as archive, tarfile.open(fileobj=output, mode="w|") as rewritten:
            (entry,) = json.loads(_member(archive, "manifest.json").read())
            config = json.loads(_member(archive, entry["Config"]).read())
            layers = _rewrite_layers(archive, entry["Layers"], config, rewritten, spare, created_s)
            own = [layer.holds for layer in layers if not layer.is_base]
            text = rewrite_config(config, [each.digest for each in layers], own, labels, created_s)
            digest = hashlib.sha256(text).hexdigest()
            _add(rewritten, f"{digest}.json", io.BytesIO(text), len(text))
            files = [_layer_file(layer.digest) for layer in layers]
            manifest = [{"Config": f"{digest}.json", "RepoTags": [reference], "Layers": files}]
            text = json.dumps(manifest).encode()
            _add(rewritten, "manifest.json", io.BytesIO(text), len(text))
            architecture = str(config["architecture"])
    except _UNREADABLE as error:
        raise PackagingError(
            "image-unreadable",
            f"the engine saved the image in a form that cannot be read: {error}",
            expected="one image: a tar file with manifest.json, a configuration and layers",
            hint="check the free disk space, then package again",
        ) from error
    return RewrittenImage(digest=f"sha256:{digest}", architecture=architecture, layers=tuple(layers))


def _rewrite_layers(
    archive: tarfile.TarFile,
    files: list[str],
    config: Mapping[str, Any],
    rewritten: tarfile.TarFile,
    spare: IO[bytes],
    created_s: int,
) -> list[RewrittenLayer]:
    base_layers = count_base_layers(config)
    layers: list[RewrittenLayer] = []
    for position, file in enumerate(files):
        is_base = position < base_layers
        with _member(archive, file) as layer:
            spare.seek(0)
            spare.truncate()
            if is_base:
                holds, plain = "base image", _uncompressed(layer, spare)
            else:
                names, plain = rewrite_layer(layer, spare, created_s), spare
                if not names:
                    continue  # some builders write a layer for an instruction that adds nothing
                holds = describe(names)
            digest, size_bytes = _measure(plain)
            if digest not in {each.digest for each in layers}:
                _add(rewritten, _layer_file(digest), plain, size_bytes)
        layers.append(
            RewrittenLayer(digest=digest, size_bytes=size_bytes, holds=holds, is_base=is_base)
        )
    return layers


def rewrite_layer(source: IO[bytes], target: IO[bytes], created_s: int) -> list[str]:
    """Writes a layer's files sorted, with one owner and one time; gives their names.

    Permissions stay. Extended attributes go: no file of ours has any.
    """
    with (
        tarfile.open(fileobj=source) as layer,
        tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as rewritten,
    ):
        # A hard link has to come after what it links to
        members = sorted(layer.getmembers(), key=lambda each: (each.islnk(), each.name))
        for member in members:
            entry = tarfile.TarInfo(member.name)
            entry.type = tarfile.REGTYPE if member.isreg() else member.type
            entry.linkname = member.linkname
            entry.devmajor, entry.devminor = member.devmajor, member.devminor
            entry.mode, entry.mtime = member.mode & 0o7777, created_s
            entry.size = member.size if member.isreg() else 0
            rewritten.addfile(entry, layer.extractfile(member) if member.isreg() else None)
    return [member.name for member in members]


def describe(names: list[str]) -> str:
    """What a layer holds, in words, from the names of its files."""
    known = [words for path, words in HOLDS if any(name.startswith(path) for name in names)]
    return ", ".join(known) or f"files in /{names[-1].rpartition('/')[0]}"


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    if content is None:
        msg = f"{name} is not a file"
        raise KeyError(msg)
    return content


def _uncompressed(layer: IO[bytes], spare: IO[bytes]) -> IO[bytes]:
    """The layer; unpacked into `spare` where its engine keeps it compressed, as its digest is not."""
    compressed = layer.read(2) == b"\x1f\x8b"
    layer.seek(0)
    if not compressed:
        return layer
    with gzip.GzipFile(fileobj=layer) as content:
        shutil.copyfileobj(content, spare, _BLOCK_BYTES)
    return spare


def _measure(layer: IO[bytes]) -> tuple[str, int]:
    """Digest and size in bytes of a whole file."""
    state = hashlib.sha256()
    layer.seek(0)
    while block := layer.read(_BLOCK_BYTES):
        state.update(block)
    return f"sha256:{state.hexdigest()}", layer.tell()


def _layer_file(digest: str) -> str:
    return f"{digest.removeprefix('sha256:')}.tar"


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size_bytes: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size_bytes
    content.seek(0)
    archive.addfile(entry, content)
