from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.conversion.data import (
    check_reference,
    load_calibration,
    load_evaluation,
    load_training,
    samples,
)
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TENSORS = Preprocessing("tensor")
ROWS = (TensorSpec("x", "float32", [-1, 3]),)
PAIR = (TensorSpec("a", "float32", [-1, 2]), TensorSpec("b", "int32", [-1]))
CLASSES = ("cat", "dog")


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str | bytes], str]:
    def save(content: str | bytes) -> str:
        path = tmp_path / "data.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return save


def refusal(call: Callable[..., Any], *arguments: Any, **options: Any) -> CalibrationError:
    with pytest.raises(CalibrationError) as raised:
        call(*arguments, **options)
    return raised.value


GOOD = {
    "commas": "a,b,c\n1,2,3\n4,5,6\n",
    "semicolons": "a;b;c\n1;2;3\n4;5;6\n",
    "tabs": "a\tb\tc\n1\t2\t3\n4\t5\t6",
    "a byte order mark, as spreadsheets write it": "\ufeffa,b,c\r\n1,2,3\r\n4,5,6\r\n",
    "old line ends": "a,b,c\r1,2,3\r4,5,6\r",
    "empty lines": "\n\na,b,c\n\n1,2,3\n  \n,,\n4,5,6\n\n",
    "quotes": '"a","b,b","c\nc"\n"1",2,3\n4,5,"6"\n',
    "spaces": " a , b , c \n 1 , 2 , 3 \n 4 , 5 , 6 \n",
    "numbers in every form": "a,b,c\n+1,2.0,.3e1\n4.,500E-2,6\n",
    "labels that nobody asked for": "a,label,b,c\n1,cat,2,3\n4,,5,6\n",
    "pandas' own names": "0,1,2\n1,2,3\n4,5,6\n",
    "names of the input": "x.2,x.0,x.1\n3,1,2\n6,4,5\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_table_gives_rows(name: str, save: Callable[[str], str]) -> None:
    path = save(GOOD[name])
    check_reference(path, "calibration")
    arrays = load_calibration(path, ROWS, TENSORS)
    assert arrays["x"].dtype == np.float32
    assert arrays["x"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_several_inputs_are_named(save: Callable[[str], str]) -> None:
    path = save("b,a.1,a.0\n7,2,1\n8,4,3.5\n")
    arrays = load_calibration(path, PAIR, TENSORS)
    assert arrays["a"].tolist() == [[1, 2], [3.5, 4]]
    assert arrays["b"].tolist() == [7, 8]
    assert arrays["b"].dtype == np.int32


@pytest.mark.parametrize("shape", [[-1], [-1, 1]])
@pytest.mark.parametrize("column", ["x", "price"])
def test_an_input_of_one_feature_is_one_column(
    column: str, shape: list[int], save: Callable[[str], str]
) -> None:
    arrays = load_calibration(save(f"{column}\n1\n2\n"), [TensorSpec("x", "float32", shape)], TENSORS)
    assert arrays["x"].shape == (2, *shape[1:])


def test_ids_are_exact(save: Callable[[str], str]) -> None:
    spec = TensorSpec("x", "int64", [-1])
    great = 2**62 + 1
    arrays = load_calibration(save(f"x\n{great}\n-{great}\n"), [spec], TENSORS)
    assert arrays["x"].tolist() == [great, -great]


def test_labels_are_classes_by_name_or_index(save: Callable[[str], str]) -> None:
    for first, second in (("dog", "cat"), ("1", "0")):
        path = save(f"a,b,c,label\n1,2,3,{first}\n4,5,6, {second}\n")
        evaluation = load_evaluation(path, ROWS, TENSORS, labels=CLASSES)
        assert evaluation.labels.tolist() == [1, 0]
        training = load_training(path, ROWS, TENSORS, labels=CLASSES)
        np.testing.assert_array_equal(training.inputs["x"], [[1, 2, 3], [4, 5, 6]])
        assert training.labels.tolist() == [1, 0]


def test_labels_of_a_regression_are_numbers(save: Callable[[str], str]) -> None:
    path = save("a,b,c,label\n1,2,3,0.5\n4,5,6,-1\n")
    assert load_evaluation(path, ROWS, TENSORS, classification=False).labels.tolist() == [0.5, -1]
    path = save("label.0,a,b,c,label.1\n1,1,2,3,0.5\n2,4,5,6,-1\n")
    labels = load_evaluation(path, ROWS, TENSORS, classification=False).labels
    assert labels.tolist() == [[1, 0.5], [2, -1]]


def test_a_part_is_chosen_by_the_seed(save: Callable[[str], str]) -> None:
    path = save("a,b,c,label\n" + "".join(f"{row},0,0,{row % 2}\n" for row in range(50)))

    def chosen(seed: int) -> list[float]:
        evaluation = load_evaluation(path, ROWS, TENSORS, samples=5, seed=seed)
        rows = [float(row[0]) for row in evaluation.inputs["x"]]
        assert evaluation.labels.tolist() == [row % 2 for row in rows]
        return rows

    assert chosen(7) == chosen(7) == sorted(set(chosen(7)))
    assert chosen(7) != chosen(8)
    assert len(load_calibration(path, ROWS, TENSORS, samples=50)["x"]) == 50
    assert len(load_calibration(path, ROWS, TENSORS, samples=None)["x"]) == 50


BAD: dict[str, tuple[str, list[str]]] = {
    "ragged rows": (
        "a,b,c\n1,2\n4,5,6\n\n1,2,3,4\n",
        ["line 2: 2 cells, the first line names 3", "line 5: 4 cells, the first line names 3"],
    ),
    "decimal commas": (
        "a;b;c\n1,5;2;3\n",
        ["column a: cells that cannot be read: 1, the first '1,5' in line 2"],
    ),
    "missing values and words": (
        "a,b,c\n1,,x\n1,,\n1,2,3\n",
        [
            "column b: cells that cannot be read: 2, the first '' in line 2",
            "column c: cells that cannot be read: 2, the first 'x' in line 2",
        ],
    ),
    "Python's thousands": (
        "a,b,c\n1_000,2,3\n",
        ["column a: cells that cannot be read: 1, the first '1_000' in line 2"],
    ),
    "no numbers, and numbers beyond any": (
        "a,b,c\n1,2,1e400\n4,1e39,nan\n",
        ["x: 2 of 6 values are NaN or infinite", "x: 1 of 6 values are too great for float32"],
    ),
    "no rows": ("a,b,c\n", ["x: holds no samples"]),
    "constant": ("a,b,c\n1,1,1\n1,1,1\n", ["x: every value is 1.0; a constant calibrates nothing"]),
    "no names": (
        "1,2,3\n4,5,6\n",
        ["the first row, 1, 2, 3, holds numbers instead of the columns' names"],
    ),
    "pandas' index": (
        ",a,b,c\n0,1,2,3\n",
        ["column 0 has no name; if it is pandas' index: to_csv(…, index=False)"],
    ),
    "a name twice": ("a,b,a\n1,2,3\n", ["the columns a are named twice"]),
    "fewer columns": ("a,b\n1,2\n", ["x: expected 3 columns besides label, received 2: a, b"]),
    "more columns": (
        "a,b,c,d\n1,2,3,4\n",
        ["x: expected 3 columns besides label, received 4: a, b, c, d"],
    ),
    "a stranger among the input's": (
        "x.0,x.1,x.2,d\n1,2,3,4\n",
        ["the columns d belong to no input"],
    ),
    "a feature that is missing": ("x.0,x.1,x.5\n1,2,3\n", ["x: the columns x.2 are missing"]),
    "a zero byte": (
        "a,b,c\n1,2,\x003\n",
        ["column c: cells that cannot be read: 1, the first '\\x003' in line 2"],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_every_problem_of_a_table_is_told(name: str, save: Callable[[str], str]) -> None:
    content, expected = BAD[name]
    error = refusal(load_calibration, save(content), ROWS, TENSORS)
    assert error.reference == "calibration-invalid"
    assert list(error.problems) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a.0,b\n1,2\n", ["a: the columns a.1 are missing"]),
        ("z\n1\n", ["a: the columns a.0, a.1 are missing", "b: the columns b are missing"]),
        (
            "a.0,a.1,b\n1,2,3.5\n1,2,nan\n",
            ["b: expected int32, received float64: 2 of 2 values are no whole numbers"],
        ),
        (
            "a.0,a.1,b\n1,2,99999999999\n2,1,0\n",
            ["b: expected int32, from -2147483648 to 2147483647, received int64 from 0 to 99999999999"],
        ),
        (
            f"a.0,a.1,b\n1,2,{'9' * 30}\n2,1,{'9' * 5000}\n",
            [f"column b: cells that cannot be read: 2, the first '{'9' * 30}' in line 2"],
        ),
    ],
)
def test_every_problem_of_several_inputs_is_told(
    content: str, expected: list[str], save: Callable[[str], str]
) -> None:
    assert list(refusal(load_calibration, save(content), PAIR, TENSORS).problems) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b,c\n1,2,3\n", "there is no column label"),
        ("a,b,c,label\n1,2,3,owl\n", "label 'owl': expected one of output.labels, cat, dog"),
        ("a,b,c,label\n1,2,3,2\n", "label 2: expected a class from 0 to 1, or one of cat, dog"),
        ("a,b,c,label\n1,2,3,\n", "column label: cells that cannot be read: 1, the first ''"),
        ("a,b,c,label.0,label.1\n1,2,3,1,0\n", "expected one column label, received 2"),
        (f"a,b,c,label\n1,2,3,{'x' * 300}\n", "column label: cells that cannot be read: 1"),
    ],
)
def test_labels_that_cannot_measure_are_told(
    content: str, expected: str, save: Callable[[str], str]
) -> None:
    error = refusal(load_evaluation, save(content), ROWS, TENSORS, labels=CLASSES)
    assert error.reference == "evaluation-invalid"
    assert any(line.startswith(expected) for line in error.problems), error.problems


def test_inputs_that_are_no_rows_are_told(save: Callable[[str], str]) -> None:
    path = save("a\n1\n")
    image = TensorSpec("image", "float32", [-1, 2, 2, 1])
    (problem,) = refusal(load_calibration, path, [image], TENSORS).problems
    assert problem.startswith("image float32 [?×2×2×1]: rows of a table are inputs of shape (batch,)")
    label = TensorSpec("label", "float32", [-1])
    (problem,) = refusal(load_evaluation, path, [label], TENSORS).problems
    assert problem.startswith("an input named label cannot be told from the labels")


UNREADABLE = {
    "nothing": b"",
    "empty lines": b"\n\r\n \n",
    "UTF-16": "a,b,c\n1,2,3\n".encode("utf-16"),
    "Latin-1": "größe,b,c\n1,2,3\n".encode("latin-1"),
    "Latin-1 further on": b"a,b,c\n" + b"1,2,3\n" * 5000 + b"\xe4,2,3\n",
    "an open quote": b'a,b,c\n1,2,"3\n',
    "an open quote in the first line": b'a,b,"c\n1,2,3\n',
    "a cell without end": b"a,b,c\n1,2," + b"9" * 200_000,
    "a line without end": b"a," * 600_000,
    "a picture": b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_table_cannot_be_read(name: str, save: Callable[[bytes], str]) -> None:
    error = refusal(load_calibration, save(UNREADABLE[name]), ROWS, TENSORS)
    assert error.reference == "calibration-unreadable"
    assert "UTF-8" in error.hint


def test_a_table_fills_no_memory(save: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_BYTES", 200_000)
    path = save("a,b,c\n" + "1,2,3\n" * 12_000)
    check_reference(path, "calibration")
    assert refusal(load_calibration, path, ROWS, TENSORS).reference == "calibration-too-large"
    error = refusal(check_reference, save("a,b,c\n" + "1,2,3\n" * 40_000), "calibration")
    assert error.reference == "calibration-too-large"


def test_a_table_cut_or_damaged_anywhere_is_refused_or_read(save: Callable[[bytes], str]) -> None:
    whole = b'a,b,"c"\n' + b"1.5,2e3,-3\n4,5,6\n" * 3
    for place in range(len(whole)):
        for content in (
            whole[:place],
            whole[:place] + bytes([whole[place] ^ 0xA5]) + whole[place + 1 :],
        ):
            try:
                arrays = load_calibration(save(content), ROWS, TENSORS)
            except CalibrationError:
                continue
            assert np.isfinite(np.asarray(arrays["x"], np.float32)).all()
