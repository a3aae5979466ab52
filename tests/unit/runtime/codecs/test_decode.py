from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from liteship.artifact import Preprocessing, TensorSpec
from liteship.errors import InputError, UnsupportedMediaError
from liteship.runtime.codecs import decode, sniff_media_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest

    ManifestOf = Callable[..., Manifest]


@pytest.fixture
def tensor_model(manifest_of: ManifestOf) -> Manifest:
    return manifest_of(TensorSpec("x", "uint8", [1, 2]))


@pytest.fixture
def picture_model(manifest_of: ManifestOf) -> Manifest:
    spec = TensorSpec("x", "uint8", [1, 1, 1, 1], 1.0, 0)
    return manifest_of(spec, preprocessing=Preprocessing("image", "L", mean=[0.0], std=[1.0]))


def picture(image_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (1, 1), 9).save(buffer, image_format)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\x05\x07", "application/octet-stream"),
        (b"\x05\x07", " Application/Octet-Stream ; x=y"),
        (b'{"inputs": [5, 7]}', "application/json"),
        (b'{"inputs": [5, 7]}', "application/json; charset=utf-8"),
    ],
)
def test_the_content_type_chooses_the_codec(
    body: bytes, content_type: str, tensor_model: Manifest
) -> None:
    assert decode(body, content_type, tensor_model, 10, 9) == [{"x": b"\x05\x07"}]


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "IMAGE/*", "image/x-anything"])
def test_any_picture_type_is_a_picture(content_type: str, picture_model: Manifest) -> None:
    assert decode(picture(), content_type, picture_model, 10, 9) == [{"x": b"\x09"}]


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "multipart/mixed; boundary=x", "png", "video/mp4"]
)
def test_another_content_type_is_refused(content_type: str, picture_model: Manifest) -> None:
    with pytest.raises(UnsupportedMediaError) as raised:
        decode(b"x", content_type, picture_model, 10, 9)
    assert raised.value.reference == "media-type-unsupported"
    assert raised.value.received == (content_type or "no content type")
    assert "image/png" in str(raised.value.expected)


def test_a_model_of_tensors_reads_no_pictures(tensor_model: Manifest) -> None:
    with pytest.raises(UnsupportedMediaError) as raised:
        decode(picture(), "image/png", tensor_model, 10, 9)
    assert "image" not in str(raised.value.expected)


@pytest.mark.parametrize("content_type", ["image/png", "application/json", "text/plain", ""])
def test_an_empty_body_is_told_first(content_type: str, picture_model: Manifest) -> None:
    with pytest.raises(InputError) as raised:
        decode(b"", content_type, picture_model, 10, 9)
    assert raised.value.reference == "body-empty"


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (picture("PNG"), "image/png"),
        (picture("JPEG"), "image/jpeg"),
        (picture("WEBP"), "image/webp"),
        (picture("GIF"), "image/gif"),
        (picture("BMP"), "image/bmp"),
        (b' \n\t{"inputs": 1}', "application/json"),
        (b"[1]", "application/json"),
        (b"13.9,1.71,2.43", "text/csv"),
        (b"alcohol,ash\r\n13.9,2.43\r\n", "text/csv"),
        ("\ufeffgröße,ash\n13.9,2.43\n".encode(), "text/csv"),
        (b"a;b\n1;2", "text/csv"),
        (b"1,2" + "é".encode() * 4096, "text/csv"),
        (b"1.0", "application/octet-stream"),
        (b"a,b", "application/octet-stream"),
        (b"1,2,\0", "application/octet-stream"),
        (b"1,2,\xff", "application/octet-stream"),
        (struct.pack("13f", *range(13)), "application/octet-stream"),
        (b"\0\1\2", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_a_body_tells_what_it_is(body: bytes, media_type: str) -> None:
    assert sniff_media_type(body) == media_type
