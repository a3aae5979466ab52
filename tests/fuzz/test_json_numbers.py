"""Long lists of numbers in JSON: however they are parsed, the same tensors, or the same refusal."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st
from tests.corpus import manifest_of
from tests.fuzz.budget import fuzz
from tests.fuzz.damage import BLOWS, damaged

from liteship.artifact import Manifest, TensorSpec
from liteship.errors import InputError
from liteship.runtime.codecs import json_form, json_numbers
from liteship.runtime.codecs.json_request import decode_json
from liteship.runtime.http import Request
from liteship.runtime.protocols import tf_serving_tensors
from liteship.runtime.protocols.oip_request import read_request
from liteship.runtime.protocols.oip_tensors import DATATYPES, decode_items

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (20, 11, 3)
COUNT = math.prod(SHAPE)
MAX_PIXELS, MAX_BATCH = 1000, 8
DTYPES = ("float32", "float64", "int8", "uint8", "int16", "int32", "int64", "uint64", "bool")
MANIFESTS = [
    *(manifest_of(TensorSpec("data", dtype, [-1, *SHAPE])) for dtype in DTYPES),
    *(manifest_of(TensorSpec("data", dtype, [-1, *SHAPE], 0.25, 3)) for dtype in ("int8", "int16")),
    manifest_of(TensorSpec("data", "uint8", [1, COUNT], 0.5, 128)),
    manifest_of(TensorSpec("data", "float32", list(SHAPE))),
    manifest_of(TensorSpec("images", "int8", [-1, COUNT], 0.5, 0)),
    manifest_of(TensorSpec("data", "int8", [-1, COUNT], 0.5, 0), TensorSpec("b", "float64", [-1, 1])),
]
HOSTILE = (
    *(
        "01",
        "-01",
        "1.",
        "+1",
        ".5",
        "-.5",
        "-",
        "1e",
        "1e+",
        "- 1",
        "1 2",
        "1..2",
        "1e5.5",
        "--1",
        "e",
        "1-1",
    ),
    *(
        "1e999",
        "-1e999",
        "1e0400",
        "1e-999",
        "1E+05",
        "-0",
        "-0.0",
        "0e9",
        "0.1e1",
        "1e400000000000000",
    ),
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "nan",
        "true",
        "null",
        '"1"',
        '"',
        "{}",
        "}",
        ":",
        "\\",
        "é",
        "\xa01",
    ),
    *("9" * 20, "9" * 310, "9" * 400, "9" * 400 + ".5", "1" * 5000, "0." + "1" * 5000, "1" * 60 + ".5"),
    *(
        "3.4028235e38",
        "3.40282357e38",
        "3.5e38",
        "-3.5e38",
        "1e39",
        "340282356779733661637539395458142568448",
    ),
    *("127", "128", "-128", "-129", "255", "256", "65536", "-1", "1.0", "2", "2147483648", "16777217"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"),
    *(
        "9007199254740993",
        "9007199254740993.0",
        "0.1000000000000000055511151231257827",
        "7.4505806e-09",
    ),
    *(
        "",
        ",",
        "1,",
        ",1",
        "1,,2",
        "[",
        "]",
        "[1",
        "1]",
        "[1]",
        "[]",
        "1[",
        "]1",
        "1[]",
        "[]1",
        "1\f",
        "1\0",
    ),
)
KINDS = (
    st.integers(-300, 300).map(str),
    st.integers(0, 1).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.floats(-300, 300, width=32).map(repr),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-9, 9, places=4, allow_nan=False).map(str),
)
SEPARATORS = (",", ", ", " , ", ",\n  ", "\t,\r\n")


@st.composite
def lists(draw: st.DrawFn, shape: tuple[int, ...], blows: st.SearchStrategy[int]) -> str:
    """Lists of a shape as text, with some blows."""
    some = draw(st.lists(draw(st.sampled_from(KINDS)), min_size=1, max_size=12))
    count = math.prod(shape)
    leaves = (some * count)[:count]
    for _ in range(draw(blows)):
        leaves[draw(st.integers(0, count - 1))] = draw(st.sampled_from(HOSTILE))
    separator = draw(st.sampled_from(SEPARATORS))
    for size in reversed(shape):
        starts = range(0, len(leaves), size)
        leaves = [f"[{separator.join(leaves[start : start + size])}]" for start in starts]
    return leaves[0]


SHAPES = (
    *((COUNT,), (COUNT + 1,), (COUNT - 1,), (2 * COUNT,), (COUNT, 1), (1, COUNT), (20, 33)),
    *(SHAPE, (1, *SHAPE), (2, *SHAPE), (1, 1, *SHAPE), (1,) * 9 + SHAPE),
)


FORMS = (
    '{"inputs": %s}',
    '{"inputs": {"data": %s}}',
    '{"inputs": {"data" :\n %s, "b": [[0.5]]}}',
    '\ufeff{"inputs": [%s]}',
    '{"inputs": %s, "inputs": 1}',
    '{"inputs": {"data": %s, "data": %s}}',
    '{"images": %s}',
    '{"image": %s}',
    '{"inputs": %s, "odd": -Infinity}',
    '{"inputs": "\\"inputs\\": %s"}',
    '{"inputs": {"x\\"data": %s}}',
    '{"inputs": {"d\\u0061ta": %s}}',
    '{"instances": %s}',
    '{"instances": [%s, %s]}',
    '{"instances": [{"data": %s}]}',
    '{"inputs": [{"name": "data", "shape": SHAPE, "datatype": "KIND", "data": %s}]}',
    '{"inputs": [{"name": "data", "shape": SHAPE, "datatype": "KIND", "data": %s}]} ]',
    '{"id": "", "inputs": [{"data": %s, "datatype": "KIND", "shape": SHAPE, "name": "data"}], "": NaN}',
    '{"inputs": [{"name": "data", "shape": %s, "datatype": "KIND", "data": %s}]}',
    '{"inputs": [{"name": "data", "shape": SHAPE, "datatype": "KIND", "parameters": {"data": %s}}]}',
    '{"inputs": [{"name": "data", "shape": SHAPE, "datatype": "BYTES", "data": %s}]}',
    '{"data": %s}',
    "%s",
)
KINDS_OF_V2 = ("FP32", "FP64", "FP16", "INT8", "UINT8", "INT16", "INT32", "INT64", "UINT64", "BOOL")


GOOD_FORMS = (
    '{"inputs": %s}',
    '{"inputs": {"NAME": %s}}',
    '{"instances": %s}',
    '{"instances": [%s, %s]}',
    '{"instances": [{"NAME": %s}]}',
    '{"inputs": [{"name": "NAME", "shape": SHAPE, "datatype": "KIND", "data": %s}]}',
    '{"inputs": [{"name": "NAME", "data": %s, "shape": SHAPE, "datatype": "KIND"}], "id": "[]"}',
)
SELDOM = st.sampled_from((0,) * 6 + (1,))


@st.composite
def good_requests(draw: st.DrawFn) -> tuple[Manifest, bytes]:
    """A model of one input, and a request that fits it but for a number or two."""
    manifest = draw(st.sampled_from([each for each in MANIFESTS if len(each.inputs) == 1]))
    spec = manifest.inputs[0]
    whole = manifest.outer_shape(spec, 1)
    shape = draw(st.sampled_from((tuple(whole), spec.item_shape, spec.item_shape[1:], (COUNT,))))
    own = DATATYPES[spec.dtype]
    form = draw(st.sampled_from(GOOD_FORMS)).replace("%s", draw(lists(shape, SELDOM)))
    form = form.replace("KIND", draw(st.sampled_from(("FP32", own, own)))).replace("NAME", spec.name)
    return manifest, form.replace("SHAPE", str(list(whole))).encode()


@st.composite
def odd_requests(draw: st.DrawFn) -> tuple[Manifest, bytes]:
    """A model, and anything that has a long list of numbers somewhere."""
    text = draw(lists(draw(st.sampled_from(SHAPES)), BLOWS))
    if draw(BLOWS) == 4:
        place, odd = (
            draw(st.integers(0, len(text))),
            draw(st.sampled_from((" ", ",", "[", "]", "[]", '"', "}", "0"))),
        )
        text = text[:place] + odd + text[place:]
    text = draw(st.sampled_from(FORMS)).replace("%s", text)
    shape = draw(st.sampled_from(([1, *SHAPE], [1, COUNT], list(SHAPE))))
    text = text.replace("SHAPE", str(shape)).replace("KIND", draw(st.sampled_from(KINDS_OF_V2)))
    body = text.encode()
    return draw(st.sampled_from(MANIFESTS)), draw(damaged(body)) if draw(BLOWS) == 4 else body


def native(body: bytes, manifest: Manifest) -> Any:
    return decode_json(body, manifest, MAX_PIXELS, MAX_BATCH)


def open_inference(body: bytes, manifest: Manifest) -> Any:
    asked = read_request(Request("POST", "/", {}, body, "r"), manifest, MAX_BATCH)
    return decode_items(asked.inputs, manifest, MAX_BATCH, MAX_PIXELS)


def tf_serving(body: bytes, manifest: Manifest) -> Any:
    from liteship.runtime.protocols.tf_serving import read_content

    return tf_serving_tensors.decode(
        read_content(body, manifest, MAX_BATCH), manifest, MAX_PIXELS, MAX_BATCH
    )


def outcome(decode: Callable[[bytes, Manifest], Any], body: bytes, manifest: Manifest) -> object:
    try:
        return decode(body, manifest)
    except InputError as error:
        return type(error), error.reference


@fuzz(0.15)
@given(good_requests() | odd_requests())
@example((MANIFESTS[0], b'{"inputs": [' + b"[1]," * COUNT + b"2[]]}"))
@example((MANIFESTS[0], b'{"inputs": [' + b"1," * (2 * COUNT) + b"]}"))
@example((MANIFESTS[2], b'{"inputs": [3.4028235e38' + b",-1" * (COUNT - 1) + b"]}"))
@example(
    (
        MANIFESTS[0],
        b'{"inputs": [[' + b"1.5," * (COUNT // 2) + b"],1.5,[" + b"1.5," * (COUNT // 2) + b"]]}",
    )
)
def test_all_ways_agree(request: tuple[Manifest, bytes]) -> None:
    manifest, body = request
    for decode in (native, open_inference, tf_serving):
        with patch.object(json_form, "LONG_BYTES", len(body) + 1):
            expected = outcome(decode, body, manifest)
        assert outcome(decode, body, manifest) == expected
        with patch.object(json_numbers, "_loads", json.loads):
            assert outcome(decode, body, manifest) == expected
        with patch.object(json_numbers, "_PIECE_BYTES", 100):
            assert outcome(decode, body, manifest) == expected


OF_FLOAT64 = manifest_of(TensorSpec("data", "float64", [-1, 1]))
TOKENS = re.compile(r"[-\d.]+|.")
"""Of dense lists: numbers, brackets, commas."""


@st.composite
def moved_numbers(draw: st.DrawFn) -> str:
    """Small nested lists, of which a few tokens stand elsewhere, or are gone."""
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    text = "1"
    for size in shape:
        text = f"[{','.join([text] * size)}]"
    tokens = TOKENS.findall(text)
    for _ in range(draw(st.integers(0, 3))):
        wanted = draw(st.sampled_from(("1", "1", "1", "[", "]", ",")))
        places = [place for place, token in enumerate(tokens) if token == wanted]
        is_gone = draw(st.booleans())
        if is_gone and places:
            del tokens[draw(st.sampled_from(places))]
        tokens.insert(
            draw(st.integers(0, len(tokens))), draw(st.sampled_from(("2.5", "2", wanted, " ")))
        )
    return "".join(tokens)


@fuzz(0.25)
@given(moved_numbers())
@example("[[1,]2]")
@example("[2[],[1]]")
def test_no_number_passes_outside_of_its_list(text: str) -> None:
    body = f'{{"data": {text}}}'.encode()
    with patch.object(json_numbers, "LEAST_BYTES", 1):
        packed: Any = json_numbers.parse_long(body, {"data"}, OF_FLOAT64)
    if packed is None or isinstance(packed["data"], list):
        return
    numbers: Any = json.loads(text)
    for size in packed["data"].shape[:-1]:
        assert len(numbers) % size == 0
        numbers = [number for each in numbers for number in each]
    assert numbers == [*packed["data"].numbers]
    assert len(numbers) == math.prod(packed["data"].shape)
