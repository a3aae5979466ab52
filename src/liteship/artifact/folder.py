"""The artifact's folder on disk: read, verified, written whole or not at all; standard library only."""

from __future__ import annotations

import importlib
import os
import sys
import zlib

from liteship.artifact.manifest import Manifest
from liteship.errors import ArtifactError

MODEL_FILE = "model.tflite"
MANIFEST_FILE = "model.json"
GOLDEN_FILE = "golden.bin.zlib"

_LARGE_BYTES = 1_000_000
"""Of a content worth loading OpenSSL for: it digests five times as fast, and takes 3 ms to load."""

_OWN_SHA256 = "_sha2" if sys.version_info >= (3, 12) else "_sha256"


class Artifact:
    """A verified model in memory.

    Args:
        manifest: What `model.json` says.
        model: The content of `model.tflite`.
        golden_inputs: The golden input tensors' bytes, in the model's order.
    """

    __slots__ = ("golden_inputs", "manifest", "model")

    def __init__(self, manifest: Manifest, model: bytes, golden_inputs: list[bytes]) -> None:
        self.manifest = manifest
        self.model = model
        self.golden_inputs = golden_inputs

    @property
    def golden_tensors(self) -> dict[str, bytes]:
        """The golden input tensors' bytes by name."""
        names = [spec.name for spec in self.manifest.inputs]
        return dict(zip(names, self.golden_inputs, strict=True))

    @classmethod
    def load(cls, folder: str | os.PathLike[str], manifest_sha256: str = "") -> Artifact:
        """Reads an artifact and verifies its digest and its golden input.

        Args:
            folder: Where its files are.
            manifest_sha256: Digest that `model.json` must have, and so the model; empty for any.

        Raises:
            ArtifactError: `artifact-missing`, `artifact-unreadable`, `artifact-other` and
                `artifact-digest` (naming both digests), `artifact-golden`, or what
                `Manifest.from_json` raises.
        """
        folder = os.fspath(folder)
        manifest_path = os.path.join(folder, MANIFEST_FILE)
        manifest = read_manifest(_read(manifest_path), manifest_path, manifest_sha256)
        model_path = os.path.join(folder, MODEL_FILE)
        model = _read(model_path)
        digest = sha256_hex(model)
        if (digest, len(model)) != (manifest.sha256, manifest.size_bytes):
            raise ArtifactError(
                "artifact-digest",
                f"{model_path} is not the model that {MANIFEST_FILE} describes",
                expected=f"sha256 {manifest.sha256}, {manifest.size_bytes} bytes",
                received=f"sha256 {digest}, {len(model)} bytes",
                hint="convert the model again, or restore both files from the same artifact",
            )
        golden_path = os.path.join(folder, manifest.golden.file)
        sizes = [spec.size_bytes for spec in manifest.inputs]
        return cls(manifest, model, _split(_decompress(golden_path, sum(sizes)), sizes))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes each file whole or not at all, the manifest last.

        Whoever is interrupted in between leaves a model whose digest does not match the older
        manifest, which `load` refuses: never a wrong pair. Two writers take turns.

        Raises:
            ArtifactError: `artifact-unwritable`.
        """
        from liteship.files import locked_folder, replace_file  # only who converts writes

        folder = os.fspath(folder)
        contents = {
            MODEL_FILE: self.model,
            self.manifest.golden.file: zlib.compress(b"".join(self.golden_inputs), 9),
            MANIFEST_FILE: self.manifest.to_json().encode(),
        }
        try:
            with locked_folder(folder):
                for name, content in contents.items():
                    replace_file(os.path.join(folder, name), content)
        except OSError as error:
            raise ArtifactError(
                "artifact-unwritable",
                f"the artifact cannot be written to {folder}: {error.strerror}",
                hint="check the folder's permissions and the free disk space",
            ) from error


def most_golden_bytes(manifest: Manifest) -> int:
    """How long the file of the golden inputs may be: zlib makes nothing longer by more than a little.

    https://zlib.net/zlib_tech.html
    """
    size_bytes = sum(spec.size_bytes for spec in manifest.inputs)
    return size_bytes + size_bytes // 1000 + 1024


def read_manifest(content: bytes, place: str, sha256: str = "") -> Manifest:
    """Reads a `model.json` whose digest is known beforehand.

    That pins the whole artifact: `model.json` holds the digest of `model.tflite`, and the outputs that
    the golden input must give.

    Args:
        content: The file's.
        place: Its path or address, for messages.
        sha256: Digest that it must have; empty for any.

    Raises:
        ArtifactError: `artifact-other`, or what `Manifest.from_json` raises.
    """
    found = sha256_hex(content) if sha256 else ""
    if found != sha256:
        raise ArtifactError(
            "artifact-other",
            f"{place} belongs to another artifact than the one that was deployed",
            expected=f"sha256 {sha256}",
            received=f"sha256 {found}",
            hint="put the artifact that was deployed there again, or deploy the one that is there",
        )
    return Manifest.from_json(content, place)


def sha256_hex(content: bytes) -> str:
    """SHA-256 in hexadecimal; of little content without OpenSSL, as the standard library's `random`."""
    try:
        module = "hashlib" if len(content) >= _LARGE_BYTES else _OWN_SHA256
        algorithms = importlib.import_module(module)
    except ImportError:
        algorithms = importlib.import_module("hashlib")
    digest: str = algorithms.sha256(content).hexdigest()
    return digest


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise ArtifactError(
            "artifact-missing",
            f"there is no {path}",
            hint="convert the model first: liteship convert NAME",
        ) from error
    except OSError as error:
        raise ArtifactError(
            "artifact-unreadable",
            f"{path} cannot be read: {error.strerror}",
            hint="check the file's permissions",
        ) from error


def _decompress(path: str, size: int) -> bytes:
    """The golden inputs' bytes; never more than `size` + 1 of them, however the file may lie."""
    stream = zlib.decompressobj()
    content = b""
    try:
        content = stream.decompress(_read(path), size + 1)
    except (zlib.error, OverflowError) as error:  # OverflowError: more bytes than there are addresses
        received = str(error)
    else:
        received = f"{len(content)} bytes" + ("" if stream.eof else ", and the file does not end there")
        if stream.unused_data:
            received += f", then {len(stream.unused_data)} bytes of something else"
    if len(content) != size or not stream.eof or stream.unused_data:
        raise ArtifactError(
            "artifact-golden",
            f"{path} does not hold the model's input tensors",
            expected=f"{size} bytes, zlib-compressed",
            received=received,
            hint="convert the model again, or restore the file from the same artifact",
        )
    return content


def _split(content: bytes, sizes: list[int]) -> list[bytes]:
    parts, offset = [], 0
    for size in sizes:
        parts.append(content[offset : offset + size])
        offset += size
    return parts
