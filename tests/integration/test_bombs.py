"""Small requests that stand for gigabytes, or for hours: refused, and memory does not grow by them."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image
from tests.conftest import ROOT

from liteship.runtime.settings import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
MOST_BYTES = MAX_BODY_BYTES
GROWTH_MIB = 250
"""Beyond what the server takes anyway. Measured: 170 for a WebP file of 12 million pixels, 135 for JSON
of lists in lists, less than 20 for what is refused unread."""

PNG, JSON, BINARY = "image/png", "application/json", "application/octet-stream"
FORM = "multipart/form-data; boundary=x"


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(width: int, height: int, *chunks: bytes, depth: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunks) + chunk(b"IEND", b"")


def zeros(packed_bytes: int, window_bits: int) -> bytes:
    """Packed zeros: 1 KiB of them stands for 1 MiB, and may be repeated."""
    packer = zlib.compressobj(9, wbits=window_bits)
    head = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    part = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + part * (packed_bytes // len(part) - 1)


def text_chunks() -> bytes:
    part = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(MIB - 1)))
    return part * (MOST_BYTES // len(part) - 10)


def saved(writer: str, width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L" if writer != "WEBP" else "RGB", (width, height)).save(buffer, writer, lossless=True)
    return buffer.getvalue()


def enlarged(writer: str) -> bytes:
    """A small picture whose header promises as much as the format can say."""
    body = bytearray(saved(writer, 16, 16))
    if writer == "GIF":
        body[6:10] = b"\xff" * 4
        at = body.index(b"\x2c\0\0\0\0")
        body[at + 5 : at + 9] = b"\xff" * 4
    elif writer == "BMP":
        body[18:26] = struct.pack("<ii", 2**31 - 1, 2**31 - 1)
    elif writer == "WEBP":
        at = body.index(b"VP8L") + 9
        body[at : at + 4] = struct.pack("<I", int.from_bytes(body[at : at + 4], "little") | 0xFFFFFFF)
    elif writer == "JPEG":
        at = body.index(b"\xff\xc0")
        body[at + 5 : at + 9] = b"\xff" * 4
    return bytes(body)


def scans() -> bytes:
    """A progressive JPEG file whose last scan is repeated: 4 MB of it decode for an hour."""
    buffer = io.BytesIO()
    Image.new("L", (4000, 3000)).save(buffer, "JPEG", progressive=True)
    body = buffer.getvalue()
    scan = body[body.rindex(b"\xff\xda") : -2]
    return body[:-2] + scan * ((MOST_BYTES - len(body)) // len(scan)) + body[-2:]


def infer(
    shape: list[int],
    datatype: str,
    size_bytes: int | None,
    tail: bytes = b"",
    name: str = "image",
) -> tuple[bytes, dict[str, str]]:
    tensor: dict[str, object] = {"name": name, "shape": shape, "datatype": datatype}
    if size_bytes is None:
        tensor["data"] = [1]
    else:
        tensor["parameters"] = {"binary_data_size": size_bytes}
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + tail, {"content-type": BINARY, "inference-header-content-length": str(len(head))}


def predict(body: bytes, content_type: str, **headers: str) -> tuple[str, bytes, dict[str, str]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return "/predict", body, {"content-type": content_type} | named


OIP = "/v2/models/digits/infer"
TF_SERVING = "/v1/models/digits:predict"
BOMBS: dict[str, Callable[[], tuple[str, bytes, dict[str, str]]]] = {
    "gzip": lambda: predict(zeros(MOST_BYTES, 31), PNG, content_encoding="gzip"),
    "deflate": lambda: predict(zeros(MOST_BYTES, 15), JSON, content_encoding="deflate"),
    "gzip for a protocol of tensors": lambda: (
        OIP,
        zeros(MOST_BYTES, 31),
        {"content-encoding": "gzip"},
    ),
    "gzip in gzip": lambda: predict(zeros(10_000, 31), PNG, content_encoding="gzip, gzip"),
    "png of one bit a pixel": lambda: predict(
        png(20_000, 20_000, chunk(b"IDAT", zeros(60_000, 15)), depth=1), PNG
    ),
    "png of any size": lambda: predict(png(2**31 - 1, 2**31 - 1, chunk(b"IDAT", zeros(MIB, 15))), PNG),
    "png of texts": lambda: predict(png(8, 8, text_chunks()), PNG),
    "png with too many pixels for its size": lambda: predict(
        png(8, 8, chunk(b"IDAT", zeros(MOST_BYTES - 1000, 15)), depth=3), PNG
    ),
    "gif of any size": lambda: predict(enlarged("GIF"), PNG),
    "webp of any size": lambda: predict(enlarged("WEBP"), PNG),
    "bmp of any size": lambda: predict(enlarged("BMP"), PNG),
    "jpeg of any size": lambda: predict(enlarged("JPEG"), PNG),
    "jpeg of scans": lambda: predict(scans(), PNG),
    "deep json": lambda: predict(b"[" * 100_000 + b"]" * 100_000, JSON),
    "deep json in an image": lambda: predict(b'{"image":' * 100_000 + b"0" + b"}" * 100_000, JSON),
    "deep json for a protocol of tensors": lambda: (OIP, b"[" * 100_000, {"content-type": JSON}),
    "a million digits": lambda: predict(b'{"inputs": ' + b"9" * 10**6 + b"}", JSON),
    "a million decimals": lambda: predict(b'{"inputs": 0.' + b"9" * 10**6 + b"}", JSON),
    "a million digits of an exponent": lambda: predict(b'{"inputs": 1e' + b"9" * 10**6 + b"}", JSON),
    "empty lists": lambda: predict(b'{"inputs": [' + b"[]," * (MOST_BYTES // 3 - 9) + b"0]}", JSON),
    "lists in lists": lambda: predict(b"[" + b"[[]]," * (MOST_BYTES // 5 - 9) + b"0]", JSON),
    "many names": lambda: predict(
        b"{" + b",".join(b'"%x":[]' % number for number in range(MOST_BYTES // 12)) + b"}", JSON
    ),
    "one line of a table": lambda: predict(b"1," * (MOST_BYTES // 2), "text/csv"),
    "parts of a form": lambda: predict(b"--x\r\n\r\n\r\n" * (MOST_BYTES // 9), FORM),
    "a shape of many": lambda: (OIP, *infer([10**9, 8, 8, 1], "FP32", None)),
    "a shape of huge numbers": lambda: (OIP, *infer([10**300, 10**300], "FP32", None)),
    "a shape of many dimensions": lambda: (OIP, *infer([1] * 500_000, "FP32", None)),
    "more bytes than there are": lambda: (OIP, *infer([1, 8, 8, 1], "FP32", 10**15)),
    "bytes of a negative size": lambda: (OIP, *infer([1, 8, 8, 1], "FP32", -1, bytes(256))),
    "a string of 4 GB": lambda: (OIP, *infer([1], "BYTES", 8, b"\xff\xff\xff\xff1234")),
    "a million strings": lambda: (OIP, *infer([10**6], "BYTES", 4 * 10**6, bytes(4 * 10**6))),
    "a header of JSON longer than the body": lambda: (
        OIP,
        b"{}",
        {"content-type": BINARY, "inference-header-content-length": "9" * 30},
    ),
    "rows without end": lambda: (
        TF_SERVING,
        b'{"instances": [' + b"[]," * (MOST_BYTES // 3 - 9) + b"0]}",
        {},
    ),
    "deep rows": lambda: (TF_SERVING, b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}),
}


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any], digit_png: bytes) -> Any:
    server = start_server(LITESHIP_WORKERS="1")
    for path in ("/predict", "/nowhere"):  # everything is imported that will be
        httpx.post(server.url + path, content=digit_png, headers={"content-type": PNG})
    return server


def peak_growth_mib(server: Any, ask: Callable[[], None]) -> float:
    """What the server took at most while it was asked, beyond what it took before."""
    folder = Path(f"/proc/{server.process.pid}")

    def status(name: str) -> int:
        lines = (folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    # https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html
    (folder / "clear_refs").write_text("5")
    before_kib = status("VmRSS")
    ask()
    return (status("VmHWM") - before_kib) / 1024


@pytest.mark.parametrize("name", BOMBS)
def test_refused_within_bounds(name: str, server: Any, digit_png: bytes) -> None:
    path, body, headers = BOMBS[name]()
    assert len(body) <= MOST_BYTES

    def ask() -> None:
        answer = httpx.post(server.url + path, content=body, headers=headers, timeout=60)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["reference"]

    assert peak_growth_mib(server, ask) < GROWTH_MIB
    answer = httpx.post(f"{server.url}/predict", content=digit_png, headers={"content-type": PNG})
    assert answer.json()["predictions"][0]["label"] == "7"
    assert "Traceback" not in server.log.read_text()


def many_pictures(name: str) -> dict[str, tuple[str, bytes, dict[str, str]]]:
    """As many of 8 × 8 pixels as a body may hold, in every form, for the input of this name."""
    picture = saved("PNG", 8, 8)
    b64 = base64.b64encode(picture).decode()
    count = MOST_BYTES // 200
    part = b'--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n'
    part += b"content-type: image/png\r\n\r\n" + picture + b"\r\n"
    element = struct.pack("<I", len(picture)) + picture
    return {
        "form": predict(part * (MOST_BYTES // len(part) - 1) + b"--x--\r\n", FORM),
        "json": predict(json.dumps({"images": [{"b64": b64}] * count}).encode(), JSON),
        "other json": predict(json.dumps({"image": [{"b64": b64}] * count}).encode(), JSON),
        "rows": (
            "/v1/models/shapes:predict",
            json.dumps({"instances": [{"b64": b64}] * count}).encode(),
            {"content-type": JSON},
        ),
        "named rows": (
            "/v1/models/shapes:predict",
            json.dumps({"instances": [{name: {"b64": b64}}] * count}).encode(),
            {"content-type": JSON},
        ),
        "tensor": (
            "/v2/models/shapes/infer",
            *infer([count], "BYTES", len(element) * count, element * count, name),
        ),
    }


def test_many_pictures_for_a_model_of_larger_ones(start_server: Callable[..., Any]) -> None:
    """Each takes 150 KB as a tensor: all of them are not decoded before they are counted."""
    folder = ROOT / "functions" / "shapes"
    manifest = json.loads((folder / "model" / "model.json").read_text())
    server = start_server(folder, LITESHIP_WORKERS="1")
    for form, (path, body, headers) in many_pictures(manifest["inputs"][0]["name"]).items():
        assert len(body) <= MOST_BYTES

        def ask(path: str = path, body: bytes = body, headers: dict[str, str] = headers) -> None:
            answer = httpx.post(server.url + path, content=body, headers=headers, timeout=60)
            assert 400 <= answer.status_code < 500, answer.text

        assert peak_growth_mib(server, ask) < GROWTH_MIB, form
    assert httpx.get(f"{server.url}/health/ready").status_code == 200


@pytest.mark.parametrize("writer", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_the_largest_picture_is_answered_within_bounds(writer: str, server: Any) -> None:
    """As many pixels as `settings.MAX_PIXELS` allows, where a file of so few bytes can hold them."""
    width, height = (4000, 3000) if writer != "BMP" else (2000, 2000)
    body = saved(writer, width, height)

    def ask() -> None:
        answer = httpx.post(
            f"{server.url}/predict", content=body, headers={"content-type": PNG}, timeout=60
        )
        assert answer.status_code == 200, answer.text

    assert peak_growth_mib(server, ask) < GROWTH_MIB
