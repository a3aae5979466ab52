from __future__ import annotations

import contextlib
import csv
import io
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.errors import InputError, PayloadTooLargeError, UnsupportedMediaError
from liteship.quantization import quantize
from liteship.runtime.codecs import decode
from liteship.runtime.codecs.csv_form import CHARACTERS_PER_CELL, decode_csv

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.artifact import Manifest

    ManifestOf = Callable[..., Manifest]

THREE = struct.pack("3f", 13.9, 1.75, -2e-3)

BATCH = 4


@pytest.fixture
def three(manifest_of: ManifestOf) -> Manifest:
    """Takes rows of three real numbers."""
    return manifest_of(TensorSpec("x", "float32", [-1, 3]))


def refusal(manifest: Manifest, body: bytes | str) -> InputError:
    with pytest.raises(InputError) as raised:
        decode_csv(body.encode() if isinstance(body, str) else body, manifest, BATCH)
    return raised.value


@pytest.mark.parametrize(
    "body",
    [
        "13.9,1.75,-2e-3",
        "13.9,1.75,-2e-3\n",
        "13.9,1.75,-2E-3\r\n\r\n",
        "a,b,c\n13.9,1.75,-0.002\n",
        "a,b,c\r\n13.9,1.75,-0.002\r\n",
        "a,b,c\r13.9,1.75,-0.002\r",
        "\n\na,b,c\n\n13.9,1.75,-0.002\n\n",
        "\ufeffa,b,c\n13.9,1.75,-0.002\n",
        "\ufeff13.9,1.75,-0.002\n",
        '"13.9","1.75","-0.002"',
        '"a, or ""A""","b\nof two lines",größe\n13.9, 1.75 ,+-0.002'.replace("+-", "-"),
        "a;b,c\td,e\n13.9,+1.75,-0.002",
        ",,\n13.9,1.75,-0.002",
    ],
)
def test_one_row_with_or_without_a_header(body: str, three: Manifest) -> None:
    assert decode_csv(body.encode(), three, BATCH) == [{"x": THREE}]


def test_a_quantized_input_is_quantized(manifest_of: ManifestOf) -> None:
    model = manifest_of(TensorSpec("x", "int8", [1, 3], 0.5, 3))
    expected = quantize([1.3, -70, 1e30], "int8", 0.5, 3).tobytes()
    assert decode_csv(b"1.3,-70,1e30", model, BATCH) == [{"x": expected}]


def test_a_whole_number_keeps_all_its_digits(manifest_of: ManifestOf) -> None:
    model = manifest_of(TensorSpec("x", "int64", [-1, 2]))
    assert decode_csv(b"9007199254740993,-5", model, BATCH) == [{"x": struct.pack("2q", 2**53 + 1, -5)}]
    assert refusal(model, "1,2.0").reference == "csv-values"
    assert refusal(model, f"1,{2**63}").reference == "tensor-value"


def test_a_single_column_needs_no_comma(manifest_of: ManifestOf) -> None:
    model = manifest_of(TensorSpec("x", "float32", [1, 1]))
    assert (
        decode_csv(b"x\n2\n", model, BATCH)
        == decode_csv(b"2", model, BATCH)
        == [{"x": struct.pack("f", 2)}]
    )
    assert refusal(model, "2,3").reference == "csv-columns"


@pytest.mark.parametrize(
    ("body", "received"),
    [
        ("\n\r\n", "no row"),
        ("a,b,c\n", "no row but a header"),
    ],
)
def test_a_table_without_rows_is_refused(body: str, received: str, three: Manifest) -> None:
    error = refusal(three, body)
    assert (error.reference, error.received) == ("csv-rows", received)


@pytest.mark.parametrize("header", ["", "a,b,c\n"])
def test_every_row_is_an_item(header: str, three: Manifest) -> None:
    body = f"{header}1,2,3\n\n4,5,6\r\n7,8,9"
    rows = [struct.pack("3f", *row) for row in ((1, 2, 3), (4, 5, 6), (7, 8, 9))]
    assert decode_csv(body.encode(), three, BATCH) == [{"x": row} for row in rows]


@pytest.mark.parametrize("header", ["", "a,b,c\n"])
def test_no_more_rows_than_a_batch_has(header: str, three: Manifest) -> None:
    assert len(decode_csv((header + "1,2,3\n" * BATCH).encode(), three, BATCH)) == BATCH
    for count in (BATCH + 1, 100_000):
        assert refusal(three, header + "1,2,3\n" * count).reference == "batch-too-large"


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        ("a,b,c\n1,2,3\n4,,6", "csv-values"),
        ("1,2,3\na,b,c\n4,5,6", "csv-values"),
        ("1,2,3\n4,5", "csv-columns"),
        ("1,2,3\n1,2,1e39", "csv-values"),
    ],
)
def test_a_row_that_is_wrong_is_named(body: str, reference: str, three: Manifest) -> None:
    error = refusal(three, body)
    assert error.reference == reference
    assert error.message.startswith("item 1: ")


@pytest.mark.parametrize(
    ("body", "received"),
    [
        ("1,2", "2: 1, 2"),
        ("1,2,3,4", "4: 1, 2, 3, 4"),
        ("a,b\n1,2,3", "2: a, b"),
        ("a,b,c\n1,2,3,4", "4: 1, 2, 3, 4"),
        ("1,2,3,", "4: 1, 2, 3, "),
        ("1 2 3", None),
    ],
)
def test_columns_are_counted(body: str, received: str | None, three: Manifest) -> None:
    error = refusal(three, body)
    if received is None:  # no number, so a header
        assert error.reference == "csv-rows"
        return
    assert error.reference == "csv-columns"
    assert (error.expected, error.received) == ("3 columns", received)


@pytest.mark.parametrize("body", ["1;2;3", "a;b;c\n1;2;3", "1,5;2,5;3,5", "1\t2\t3", "1,5\t2,5\t3,5"])
def test_other_separators_are_named(body: str, three: Manifest) -> None:
    error = refusal(three, body)
    assert error.reference == "csv-separator"
    assert ("semicolons" if ";" in body else "tabs") in error.message


def test_every_cell_that_is_wrong_is_told(three: Manifest) -> None:
    error = refusal(three, "malic acid,ash,hue\n,nan,much")
    assert error.reference == "csv-values"
    assert error.problems == (
        "column 1 (malic acid) is empty",
        "column 2 (ash) is not finite in float32: nan",
        "column 3 (hue) is not a number: 'much'",
    )
    assert refusal(three, "1,, ").problems == ("column 2 is empty", "column 3 is empty")


@pytest.mark.parametrize(
    "cell",
    ["inf", "-Infinity", "NaN", "1e39", "1e999", "0x10", "1_000", "١٢", "1e", "--1", "1\0", "true"],
)
def test_what_is_no_finite_number_is_refused(cell: str, three: Manifest) -> None:
    error = refusal(three, f"1,{cell},3")
    assert error.reference == "csv-values"
    assert len(error.problems) == 1


def test_a_quantized_tensor_takes_what_float32_can_hold(manifest_of: ManifestOf) -> None:
    model = manifest_of(TensorSpec("x", "int8", [1, 3], 0.5, 0))
    assert refusal(model, "1,1e39,3").problems == ("column 2 is not finite in int8: 1e39",)


def test_many_wrong_cells_are_not_all_told(manifest_of: ManifestOf) -> None:
    model = manifest_of(TensorSpec("x", "float32", [1, 100]))
    error = refusal(model, "1," + "," * 98)
    assert len(error.problems) == 11
    assert error.problems[-1] == "and 89 more"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe1\0,\0", "é,1,2\n1,2,3".encode("latin-1"), b'1,"2,3', b'1,"2"x,3', b'"' * 7]
)
def test_what_is_not_csv_is_refused(body: bytes, three: Manifest) -> None:
    assert refusal(three, body).reference == "csv-invalid"


@pytest.mark.parametrize(
    "body",
    [
        b"1," * 10_000_000,
        b"1" * 5_000_000,
        b'"\n",' * 1_000_000,
        b"1\r" + b"\r" * 5_000_000 + b"2",
        b"1,2," + b"0" * 3 * 3 * CHARACTERS_PER_CELL,
    ],
)
def test_no_more_is_read_than_a_row_can_hold(body: bytes, three: Manifest) -> None:
    error = refusal(three, body)
    assert isinstance(error, PayloadTooLargeError)
    assert error.reference == "csv-too-long"


def test_long_names_and_all_digits_are_not_too_long(three: Manifest) -> None:
    names = ",".join(letter * CHARACTERS_PER_CELL for letter in "abc")
    digits = ",".join(f"{value:.200f}" for value in (13.9, 1.75, -0.002))
    assert decode_csv(f"{names}\n{digits}\n".encode(), three, BATCH) == [{"x": THREE}]


def test_only_a_model_of_rows_takes_csv(manifest_of: ManifestOf) -> None:
    row = TensorSpec("x", "float32", [-1, 3])
    assert decode(b"13.9,1.75,-2e-3", "Text/CSV; header=absent", manifest_of(row), 10, BATCH) == [
        {"x": THREE}
    ]
    others = [
        manifest_of(row, TensorSpec("y", "float32", [-1, 3])),
        manifest_of(TensorSpec("x", "float32", [3])),
        manifest_of(TensorSpec("x", "float32", [2, 3])),
        manifest_of(TensorSpec("x", "float32", [-1, 2, 3])),
        manifest_of(
            TensorSpec("x", "uint8", [-1, 1, 3, 1], 1.0),
            preprocessing=Preprocessing("image", "L", mean=[0.0], std=[1.0]),
        ),
    ]
    for model in others:
        with pytest.raises(UnsupportedMediaError) as raised:
            decode(b"1,2,3", "text/csv", model, 10, BATCH)
        assert "csv" not in str(raised.value.expected)
    with pytest.raises(UnsupportedMediaError) as raised:
        decode(b"1,2,3", "text/plain", manifest_of(row), 10, BATCH)
    assert "text/csv" in str(raised.value.expected)


def test_random_rows_arrive_as_numpy_would_write_them(manifest_of: ManifestOf) -> None:
    rng = np.random.default_rng(41)
    for _ in range(200):
        columns = int(rng.integers(1, 40))
        row = (rng.normal(size=columns) * 10.0 ** rng.integers(-30, 30, columns)).astype(np.float32)
        buffer = io.StringIO()
        writer = csv.writer(
            buffer,
            quoting=csv.QUOTE_ALL if rng.integers(2) else csv.QUOTE_MINIMAL,
            lineterminator="\r\n" if rng.integers(2) else "\n",
        )
        if rng.integers(2):
            writer.writerow(f'name "{index}"' for index in range(columns))
        writer.writerow(row.tolist())
        body = buffer.getvalue().encode("utf-8-sig" if rng.integers(2) else "utf-8")
        model = manifest_of(TensorSpec("x", "float32", [-1, columns]))
        assert decode_csv(body, model, BATCH) == [{"x": row.tobytes()}]


def test_random_damage_is_answered_or_refused(manifest_of: ManifestOf) -> None:
    rng = np.random.default_rng(42)
    row = TensorSpec("x", "float32", [-1, 3])
    models = [manifest_of(row), manifest_of(TensorSpec("x", "int8", [1, 3], 0.1, 2))]
    models.append(manifest_of(TensorSpec("x", "uint16", [-1, 3])))
    alphabet = np.frombuffer(b'0123456789.,,,;\t"" +-eEnaif_\n\n\r\0\xff\xc3\xa9\xef\xbb\xbf', np.uint8)
    answered = 0
    for index in range(20_000):
        body = bytearray(b"a,b,c\n1,2,3\n"[6 * int(rng.integers(2)) :])
        for position in rng.integers(0, len(body), int(rng.integers(0, 4))):
            body[position] = rng.choice(alphabet)
        if index % 4 == 0:
            body = bytearray(rng.choice(alphabet, int(rng.integers(1, 20))).tobytes())
        model = models[index % 3]
        with contextlib.suppress(InputError):  # anything else fails the test
            answered += len(decode_csv(bytes(body), model, BATCH)[0]["x"]) == model.inputs[0].size_bytes
    assert answered > 1000
