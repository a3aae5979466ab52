from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship.artifact import TensorSpec
from liteship.runtime.codecs import PackedNumbers, json_numbers
from liteship.runtime.codecs.json_form import parse_tensors
from liteship.runtime.codecs.json_numbers import parse_long
from liteship.runtime.codecs.json_request import decode_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest

    ManifestOf = Callable[..., Manifest]

REALS = [round(each, 4) for each in np.random.default_rng(3).normal(0, 1, 1200).tolist()]


@pytest.fixture(params=["orjson", "json"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "json":
        monkeypatch.setattr(json_numbers, "_loads", json.loads)
    return str(request.param)


def packed(content: Any) -> PackedNumbers:
    assert isinstance(content, PackedNumbers)
    return content


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("indent", [None, 2])
def test_lists_of_every_rank_become_arrays(manifest_of: ManifestOf, indent: int | None) -> None:
    manifest = manifest_of(TensorSpec("x", "float32", [-1, 1200]))
    for shape in ((1200,), (1, 1200), (1200, 1), (4, 5, 60), (1, 4, 5, 6, 10)):
        content = {"a": {"x": np.reshape(REALS, shape).tolist()}, "b": ["x", [1, 2]], "c": "[1]"}
        found: Any = parse_long(json.dumps(content, indent=indent).encode(), {"x"}, manifest)
        numbers = packed(found["a"].pop("x"))
        assert numbers.shape == shape
        assert numbers.numbers.tobytes() == np.array(REALS, np.float32).tobytes()
        assert found == {"a": {}, "b": ["x", [1, 2]], "c": "[1]"}


@pytest.mark.usefixtures("parser")
def test_an_array_is_as_wide_as_the_numbers_need(manifest_of: ManifestOf) -> None:
    def typecode(dtype: str, values: list[Any]) -> str:
        body = json.dumps({"x": values * 1000}).encode()
        content: Any = parse_long(body, {"x"}, manifest_of(TensorSpec("x", dtype, [-1, 1])))
        return packed(content["x"]).numbers.typecode

    assert typecode("int8", [-128, 127]) == "b"
    assert typecode("int8", [-128, 128]) == "q"
    assert typecode("uint8", [0, 255]) == "B"
    assert typecode("int64", [2**62, 1]) == "q"
    assert typecode("float32", [1, 2]) == "q"
    assert typecode("float32", [1, 0.5]) == "f"
    assert typecode("float64", [1e300, 0.5]) == "d"


def test_rows_are_the_outermost_lists(manifest_of: ManifestOf) -> None:
    manifest = manifest_of(TensorSpec("x", "int8", [-1, 3]))
    body = json.dumps({"x": [[1, 2, 3]] * 500}).encode()
    content: Any = parse_long(body, {"x"}, manifest)
    rows = packed(content["x"]).rows()
    assert len(rows) == 500
    assert packed(rows[7]).rows() == [1, 2, 3]


@pytest.mark.parametrize(
    "text",
    [
        '{"y": [LONG]}',
        '{"x": [1, 2]}',
        '{"x": [LONG], "y": -Infinity}',
        '{"x": [LONG], "y": 1e999}',
        '{"x": [LONG,]}',
        '{"x": [LONG, 01]}',
        '{"x": [LONG, 1e39]}',
        '{"x": [[LONG], [1]]}',
        '{"x": [LONG, [1]]}',
        '{"x": [LONG], "x": 1}',
        '{"x": [LONG]',
        "[LONG]",
    ],
)
def test_whatever_is_odd_is_left_to_others(manifest_of: ManifestOf, text: str) -> None:
    manifest = manifest_of(TensorSpec("x", "float32", [-1, 1200]))
    body = text.replace("LONG", ", ".join(map(str, REALS))).encode()
    assert parse_long(body, {"x"}, manifest) is None


def test_a_list_in_a_string_stays_text(manifest_of: ManifestOf) -> None:
    manifest = manifest_of(TensorSpec("x", "float32", [-1, 1200]))
    content = {"id": f'"x": {REALS}', "x": REALS}
    found: Any = parse_tensors(json.dumps(content).encode(), {"x"}, manifest, 8)
    assert found["id"] == content["id"]


@pytest.mark.usefixtures("parser")
def test_no_object_stays_for_each_number(manifest_of: ManifestOf) -> None:
    count = 200_000
    manifest = manifest_of(TensorSpec("x", "float32", [-1, count]))
    body = json.dumps({"inputs": [0.125] * count}).encode()
    decode_json(body, manifest, 1, 8)
    tracemalloc.start()
    (item,) = decode_json(body, manifest, 1, 8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(item["x"]) == 4 * count
    # The list's text, its numbers, the bytes of these, twice, and a piece: as floats, 32 bytes each
    assert peak < len(body) * 2 + 12 * count + 2_000_000
