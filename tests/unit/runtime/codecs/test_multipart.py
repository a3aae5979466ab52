from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

from liteship.artifact import Preprocessing, TensorSpec
from liteship.errors import InputError, LiteshipError, PayloadTooLargeError, UnsupportedMediaError
from liteship.runtime.codecs import Listed, decode
from liteship.runtime.codecs.multipart import (
    MOST_FIELDS,
    MOST_HEADER_BYTES,
    MOST_HEADERS,
    decode_form,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest

    ManifestOf = Callable[..., Manifest]

PIXELS = 10_000
BATCH = 4
TYPE = "multipart/form-data; boundary=b"


@pytest.fixture
def picture_model(manifest_of: ManifestOf) -> Manifest:
    """Takes one grey pixel."""
    spec = TensorSpec("x", "uint8", [1, 1, 1, 1], 1.0, 0)
    return manifest_of(spec, preprocessing=Preprocessing("image", "L", mean=[0.0], std=[1.0]))


@pytest.fixture
def row_model(manifest_of: ManifestOf) -> Manifest:
    return manifest_of(TensorSpec("x", "float32", [-1, 2]))


def picture(value: int, image_format: str = "PNG", size: int = 5) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (size, size), value).save(buffer, image_format)
    return buffer.getvalue()


def form(*files: tuple[str, bytes, str], fields: dict[str, str] | None = None) -> tuple[bytes, str]:
    """A form as httpx writes it: its body and content type."""
    parts = [("file", file) for file in files]
    request = httpx.Request("POST", "http://test", files=parts, data=fields or {})
    return request.read(), request.headers["content-type"]


def part(headers: str, content: bytes = b"1,2") -> bytes:
    return b"--b\r\n" + headers.encode() + b"\r\n\r\n" + content + b"\r\n"


FILE = part('Content-Disposition: form-data; name="f"; filename="a.csv"\r\nContent-Type: text/csv')
END = b"--b--\r\n"


def refusal(manifest: Manifest, body: bytes, content_type: str = TYPE) -> LiteshipError:
    with pytest.raises(InputError) as raised:
        decode_form(body, content_type, manifest, PIXELS, BATCH)
    return raised.value


@pytest.mark.parametrize("count", [1, 4])
def test_each_picture_is_an_item(count: int, picture_model: Manifest) -> None:
    files = [(f"{value}.png", picture(value), "image/png") for value in range(count)]
    body, content_type = form(*files, fields={"name": "ignored", "top": "5"})
    received = decode(body, content_type, picture_model, PIXELS, BATCH)
    assert received == [{"x": bytes([value])} for value in range(count)]
    assert not isinstance(received, Listed)


def test_each_file_is_read_by_its_own_type(picture_model: Manifest) -> None:
    body, content_type = form(
        ("a.jpg", picture(7, "JPEG"), "image/jpeg"),
        ("b", b"\x05", "application/octet-stream"),
        ("c.json", b'{"inputs": [[[9]]]}', "application/json; charset=utf-8"),
        ("d", picture(8, "BMP"), "application/octet-stream"),
    )
    received = decode(body, content_type, picture_model, PIXELS, BATCH)
    assert received == [{"x": bytes([value])} for value in (7, 5, 9, 8)]


def test_a_file_without_a_type_is_read_by_its_first_bytes(picture_model: Manifest) -> None:
    body = part('Content-Disposition: form-data; name="f"; filename="a"', picture(6)) + END
    assert decode_form(body, TYPE, picture_model, PIXELS, BATCH) == [{"x": b"\x06"}]


def test_a_table_is_an_item_a_row(row_model: Manifest) -> None:
    table = ("t.csv", b"a,b\n1,2\n3,4\n", "text/csv")
    body, content_type = form(table, ("u", b"5,6", "application/octet-stream"))
    received = decode(body, content_type, row_model, PIXELS, BATCH)
    assert received == [{"x": struct.pack("2f", *row)} for row in ((1, 2), (3, 4), (5, 6))]


def test_files_of_many_rows_are_one_batch(row_model: Manifest) -> None:
    body, content_type = form(*[("t.csv", b"1,2\n3,4\n5,6\n", "text/csv")] * 2)
    assert refusal(row_model, body, content_type).reference == "batch-too-large"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (FILE + END, "multipart/form-data"),
        (FILE + END, "multipart/form-data; boundary="),
        (FILE + END, "multipart/form-data; boundary=other"),
        (FILE + END, "multipart/form-data; boundary=" + "b" * 300),
        (b"1,2", TYPE),
        (FILE, TYPE),
        (FILE + b"--b", TYPE),
        (FILE[:-9], TYPE),
        (FILE[:20], TYPE),
        (part("no colon") + END, TYPE),
        (part("X: y\r\n" * MOST_HEADERS + "Z: y") + END, TYPE),
        (part("X: " + "y" * MOST_HEADER_BYTES) + END, TYPE),
    ],
)
def test_a_form_that_is_not_whole_is_refused(
    body: bytes, content_type: str, row_model: Manifest
) -> None:
    assert refusal(row_model, body, content_type).reference == "form-invalid"


@pytest.mark.parametrize(
    "body",
    [
        END,
        part('Content-Disposition: form-data; name="f"') + END,
        part('Content-Disposition: form-data; name="f"; filename=""', b"") + END,
        part("Content-Type: text/csv") + END,
    ],
)
def test_a_form_without_a_file_is_refused(body: bytes, row_model: Manifest) -> None:
    assert refusal(row_model, body).reference == "form-empty"


def test_a_form_in_a_form_is_refused(row_model: Manifest) -> None:
    nested = FILE.replace(b"text/csv", b"Multipart/Form-Data; boundary=c")
    error = refusal(row_model, nested + END)
    assert isinstance(error, UnsupportedMediaError)
    assert error.reference == "form-nested"


@pytest.mark.parametrize(
    ("content", "media_type", "expected"),
    [
        (b"", "image/png", "body-empty"),
        (b"GIF8 and no more", "image/png", "image-broken"),
        (b"hello", "text/plain", "media-type-unsupported"),
    ],
)
def test_a_file_that_is_wrong_is_named(
    content: bytes, media_type: str, expected: str, picture_model: Manifest
) -> None:
    good = ("a.png", picture(1), "image/png")
    body, content_type = form(good, ("b", content, media_type))
    error = refusal(picture_model, body, content_type)
    assert error.reference == expected
    assert error.message.startswith("item 1: ")


def test_files_and_fields_are_counted(row_model: Manifest) -> None:
    field = part('Content-Disposition: form-data; name="f"', b"")
    assert (
        len(decode_form(field * MOST_FIELDS + FILE * BATCH + END, TYPE, row_model, 1, BATCH)) == BATCH
    )
    for body, expected in (
        (field * (MOST_FIELDS + 1) + FILE, "form-too-long"),
        (FILE * (BATCH + 1), "batch-too-large"),
        (FILE * 40_000, "batch-too-large"),
    ):
        error = refusal(row_model, body + END)
        assert isinstance(error, PayloadTooLargeError)
        assert error.reference == expected


def test_the_pictures_of_a_form_share_its_pixels(picture_model: Manifest) -> None:
    body, content_type = form(*[("a.png", picture(1, size=10), "image/png")] * 4)
    assert len(decode_form(body, content_type, picture_model, 400, BATCH)) == 4
    with pytest.raises(PayloadTooLargeError):
        decode_form(body, content_type, picture_model, 399, BATCH)


def test_without_the_parser_other_bodies_are_answered_still() -> None:
    script = """
import sys
sys.modules["python_multipart"] = None
from liteship.errors import UnsupportedMediaError
from liteship.runtime.codecs.multipart import decode_form
try:
    decode_form(b"--b--", "multipart/form-data; boundary=b", None, 1, 1)
except UnsupportedMediaError as error:
    print(error.reference)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "form-unsupported\n"


def test_random_damage_is_answered_or_refused(picture_model: Manifest) -> None:
    rng = np.random.default_rng(43)
    good, content_type = form(
        ("a.png", picture(1), "image/png"), ("b", b"\x05", "application/octet-stream")
    )
    alphabet = np.frombuffer(b'\r\n-:;="\\ \0abx\xff', np.uint8)
    answered = 0
    for _ in range(3_000):
        body = bytearray(good)
        for position in rng.integers(0, len(body), int(rng.integers(0, 4))):
            body[position] = rng.choice(alphabet)
        if rng.integers(4) == 0:
            del body[int(rng.integers(len(body))) :]
        with contextlib.suppress(InputError):  # anything else fails the test
            answered += bool(decode(bytes(body), content_type, picture_model, PIXELS, BATCH))
    assert answered > 300
