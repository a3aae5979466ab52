"""What a hostile body costs: a small multiple of its own size, so that `max_body_bytes` bounds it.

Python's allocations only: tests/integration/test_bombs.py measures those of Pillow.
"""

from __future__ import annotations

import contextlib
import gc
import tracemalloc

import pytest
from tests.fuzz.models import MANIFESTS, decode_items, form, picture

from liteship.errors import InputError

PEAK_BYTES_A_BYTE = 36
"""Of a body. Measured: 31 for `[{}],` and 30 for `[[]],`, of which JSON's objects are made at once."""

PEAK_BYTES_BESIDES = 2_000_000
"""Lists that grow, and what errors are made of."""

BODY_BYTES = 200_000
ELEMENTS = (
    "[],",
    "{},",
    "[[]],",
    "[{}],",
    "[0],",
    '{"a":0},',
    "0,",
    "0.5,",
    "1000,",
    '"",',
    '"ab",',
    '"\\u1234",',
    "null,",
    "[0.5,0.5],",
)
AROUND = {
    "list": "[%s0]",
    "inputs": '{"inputs": [%s0]}',
    "named": '{"inputs": {"image": [%s0]}}',
    "nested": '{"inputs": [[%s0]]}',
    "image": '{"image": [%s0]}',
    "form of TF Serving": '{"instances": [%s0]}',
}
OTHERS = {
    "many keys": b"{" + b",".join(b'"%x":0' % index for index in range(BODY_BYTES // 10)) + b"}",
    "many inputs": b'{"inputs":{' + b",".join(b'"%x":[]' % i for i in range(BODY_BYTES // 11)) + b"}}",
    "one key often": b"{" + b'"a":[],' * (BODY_BYTES // 7) + b'"a":0}',
    "long base64": b'{"image":{"b64":"' + b"A" * BODY_BYTES + b'"}}',
    "escapes": b'{"image":{"b64":"' + b"\\u1234" * (BODY_BYTES // 6) + b'"}}',
    "wide characters": '{"x":"\U0001f600'.encode() + b"a" * BODY_BYTES + b'"}',
    "spaces": b" " * BODY_BYTES,
    "digits": b"1" * BODY_BYTES,
    "brackets": b"[" * BODY_BYTES,
}
TABLES = {
    "one line": b"1," * (BODY_BYTES // 2),
    "many lines": b"1\n" * (BODY_BYTES // 2),
    "quotes": b'"' * BODY_BYTES,
    "rows": b"1,2,3\n" * (BODY_BYTES // 6),
}
FORMS = {
    "boundaries": b"--x\r\n" * (BODY_BYTES // 5),
    "empty parts": b"--x\r\n\r\n\r\n" * (BODY_BYTES // 9) + b"--x--\r\n",
    "small parts": form([("a", "", "", b"")] * (BODY_BYTES // 60)),
    "small pictures": form([("image", "a.png", "image/png", picture())] * (BODY_BYTES // 200)),
    "headers": b"--x\r\n" + b"a: b\r\n" * (BODY_BYTES // 6) + b"\r\n\r\n--x--\r\n",
    "no end": b"--x\r\n\r\n" + bytes(BODY_BYTES),
}


def check(body: bytes, content_type: str, model: str) -> None:
    manifest = MANIFESTS[model]
    with contextlib.suppress(InputError):
        decode_items(body[:1000], content_type, manifest)  # what is imported stays
    gc.collect()
    tracemalloc.start()
    try:
        with contextlib.suppress(InputError):
            decode_items(body, content_type, manifest)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes <= PEAK_BYTES_A_BYTE * len(body) + PEAK_BYTES_BESIDES


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("element", ELEMENTS)
def test_json_of_many_small_values(around: str, element: str) -> None:
    body = (AROUND[around] % (element * (BODY_BYTES // len(element)))).encode()
    check(body, "application/json", "grey pictures")


@pytest.mark.parametrize("name", OTHERS)
def test_odd_json(name: str) -> None:
    check(OTHERS[name], "application/json", "grey pictures")


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    check(TABLES[name], "text/csv", "rows")


@pytest.mark.parametrize("model", ["grey pictures", "rows", "several inputs"])
@pytest.mark.parametrize("name", FORMS)
def test_forms(name: str, model: str) -> None:
    check(FORMS[name], "multipart/form-data; boundary=x", model)


@pytest.mark.parametrize("model", MANIFESTS)
def test_raw_tensors_of_another_size(model: str) -> None:
    check(bytes(BODY_BYTES), "application/octet-stream", model)
