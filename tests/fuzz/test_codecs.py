"""Whatever bytes arrive: a codec gives the tensors that the model takes, or says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fuzz.budget import fuzz
from tests.fuzz.damage import damaged, damaged_json
from tests.fuzz.models import MANIFESTS, MODES, WRITERS, contents, decode_items, form, picture, table
from tests.fuzz.pictures import png_files

from liteship.errors import InputError
from liteship.runtime.codecs.compressed import decompress

if TYPE_CHECKING:
    from liteship.artifact import Manifest

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of much that is odd

MANIFEST = st.sampled_from(sorted(MANIFESTS)).map(MANIFESTS.__getitem__)
PICTURES = st.sampled_from(("grey pictures", "coloured pictures")).map(MANIFESTS.__getitem__)
CONTENT_TYPES = st.one_of(
    st.sampled_from(
        (
            "application/json",
            "application/json; charset=utf-16",
            "text/csv",
            "application/octet-stream",
            "image/png",
            "IMAGE/*;;;",
            "multipart/form-data; boundary=x",
            'multipart/form-data; boundary="x',
            "multipart/form-data",
            "multipart/form-data; boundary=" + "x" * 5000,
            "application/x-www-form-urlencoded",
            "",
            ";",
            "\ud800/\0",
        )
    ),
    st.text(max_size=30),
)


def check(body: bytes, content_type: str, manifest: Manifest) -> None:
    try:
        items = decode_items(body, content_type, manifest)
    except InputError:
        return
    assert items
    sizes = {spec.name: spec.size_bytes for spec in manifest.inputs}
    for item in items:
        assert {name: len(each) for name, each in item.items()} == sizes


@fuzz(0.04)
@given(MANIFEST, CONTENT_TYPES, st.binary(max_size=200))
def test_any_bytes_of_any_type(manifest: Manifest, content_type: str, body: bytes) -> None:
    check(body, content_type, manifest)


@fuzz(0.24)
@given(st.data(), MANIFEST)
def test_json(data: st.DataObject, manifest: Manifest) -> None:
    content = data.draw(st.sampled_from(contents(manifest)))
    check(data.draw(damaged_json(content)), "application/json", manifest)


@fuzz(0.12)
@given(st.data(), PICTURES, st.sampled_from(WRITERS), st.sampled_from(MODES))
def test_damaged_pictures(data: st.DataObject, manifest: Manifest, writer: str, mode: str) -> None:
    check(data.draw(damaged(picture(writer, mode))), "image/png", manifest)


@fuzz(0.10)
@given(PICTURES, png_files())
def test_png_files_with_right_checksums(manifest: Manifest, body: bytes) -> None:
    check(body, "image/png", manifest)


@fuzz(0.08)
@given(st.data(), MANIFEST, st.integers(0, 4))
def test_tables(data: st.DataObject, manifest: Manifest, rows: int) -> None:
    check(data.draw(damaged(table(manifest, rows))), "text/csv", manifest)


@fuzz(0.02)
@given(st.data(), MANIFEST, st.integers(0, 3))
def test_raw_tensors(data: st.DataObject, manifest: Manifest, items: int) -> None:
    size_bytes = sum(spec.size_bytes for spec in manifest.inputs)
    body = bytes(size_bytes * items)
    check(data.draw(damaged(body)), "application/octet-stream", manifest)


@fuzz(0.06)
@given(st.data(), MANIFEST)
def test_forms(data: st.DataObject, manifest: Manifest) -> None:
    part = st.tuples(
        st.sampled_from(
            ("image", "image", "inputs", manifest.inputs[0].name, "top", "", 'a"b', "\u00e9")
        ),
        st.sampled_from(("", "a.png", "../../a.png", "x" * 3000)),
        st.sampled_from(
            ("image/png", "application/json", "text/csv", "multipart/mixed; boundary=x", "")
        ),
        st.sampled_from(
            (picture(), picture("JPEG"), table(manifest), b"", b"5", b"--x--\r\n", bytes(64))
        ),
    )
    parts = data.draw(st.lists(part, max_size=4))
    boundary = data.draw(st.sampled_from(("x", "x", "-" * 60, "'", "y" * 300)))
    body = data.draw(damaged(form(parts, boundary)))
    asked = data.draw(st.sampled_from((boundary, boundary, boundary, "x", f'"{boundary}"', "")))
    check(body, f"multipart/form-data; boundary={asked}", manifest)


@fuzz(0.04)
@given(
    st.data(),
    st.sampled_from(("gzip", "x-gzip", "deflate", " GZIP ", "br", "gzip, gzip", "identity", "\0")),
    st.binary(max_size=200),
    st.integers(0, 300),
)
def test_compressed_bodies(
    data: st.DataObject, encoding: str, content: bytes, limit_bytes: int
) -> None:
    import gzip
    import zlib

    packed = data.draw(
        st.sampled_from((gzip.compress(content), zlib.compress(content), gzip.compress(bytes(10**6))))
    )
    body = data.draw(damaged(packed))
    try:
        unpacked = decompress(body, encoding, limit_bytes)
    except InputError:
        pass
    else:
        assert len(unpacked) <= limit_bytes or unpacked == body  # not compressed: the caller has looked
