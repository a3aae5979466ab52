from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from liteship.artifact import Preprocessing
from liteship.conversion.data.classes import class_of_names, read_labels
from liteship.conversion.data.samples import Query

CLASSES = ("cat", "dog", "owl")


def query(classes: tuple[str, ...] = (), *, classification: bool = True) -> Query:
    return Query(
        purpose="evaluation",
        specs=[],
        preprocessing=Preprocessing("tensor"),
        classes=classes,
        classification=classification,
    )


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", ">i8", "uint64"])
def test_classes_by_index(dtype: str) -> None:
    for values in (np.array([2, 0, 1]), np.array([[2], [0], [1]])):
        labels, problems = read_labels(values.astype(dtype), query(CLASSES))
        assert not problems
        assert labels is not None
        assert labels.dtype == np.int64
        assert labels.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["owl", "cat", " dog "], [2, 0, 1]),
        ([b"owl", b"cat", b"dog"], [2, 0, 1]),
        (["2", "0", "01"], [2, 0, 1]),
    ],
)
def test_classes_by_name_or_by_a_number_in_text(values: list[Any], expected: list[int]) -> None:
    labels, problems = read_labels(np.array(values), query(CLASSES))
    assert not problems
    assert labels is not None
    assert labels.tolist() == expected


def test_names_that_are_numbers_win_over_indices() -> None:
    labels, _ = read_labels(np.array(["1", "3", "2"]), query(("1", "2", "3")))
    assert labels is not None
    assert labels.tolist() == [0, 2, 1]


BAD: dict[str, tuple[Any, tuple[str, ...], str]] = {
    "one-hot": (np.eye(3, dtype=int), (), "one-hot labels: label.argmax(axis=1)"),
    "cubes": (np.zeros((2, 2, 2), int), (), "received int64 of shape (2, 2, 2)"),
    "fractions": ([0.5], (), "label: expected integers of shape (samples,), received float64"),
    "switches": ([True], (), "label: expected integers of shape (samples,), received bool"),
    "negative": ([-1, 0], (), "label: expected classes from 0, received -1"),
    "beyond the names": ([0, 3], CLASSES, "label: expected classes from 0 to 2, received 3"),
    "beyond int64": (
        np.array([2**63], np.uint64),
        (),
        f"label: expected classes from 0 to {2**63 - 1}, received {2**63}",
    ),
    "text beyond the names": (["0", "3"], CLASSES, "label 3: expected a class from 0 to 2"),
    "negative text": (["-2", "0"], (), "label -2: expected classes from 0"),
    "a stranger": (
        ["cat", "dgo"],
        CLASSES,
        "label 'dgo': expected one of output.labels, cat, dog, owl; of these there is no dog, owl",
    ),
    "bytes that are no text": ([b"\xff"], CLASSES, "label '\ufffd': expected one of output.labels"),
    "names without names": (["cat"], (), "label cat: names need output.labels in function.toml"),
    "dates": (np.zeros(2, "M8[s]"), (), "label: expected integers"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_class_is_told(name: str) -> None:
    values, classes, expected = BAD[name]
    labels, problems = read_labels(np.array(values), query(classes))
    assert labels is None
    assert expected in problems[0]


def test_every_stranger_is_told() -> None:
    _, problems = read_labels(np.array(["cow", "cat", "ewe"]), query(CLASSES))
    assert [problem.partition(":")[0] for problem in problems] == ["label 'cow'", "label 'ewe'"]


def test_class_folders_without_names_count_in_sorted_order() -> None:
    assert class_of_names(["owl", "Cat", "dog"], (), sort_alone=True) == (
        {"Cat": 0, "dog": 1, "owl": 2},
        [],
    )
    assert class_of_names(["1", "0"], (), sort_alone=True) == ({"1": 1, "0": 0}, [])


@pytest.mark.parametrize("names", [["1", "2"], [str(number) for number in range(11)]])
def test_numbers_that_sort_otherwise_as_text_need_names(names: list[str]) -> None:
    """Keras counts the folder 10 as class 2, behind 1."""
    _, (problem,) = class_of_names(names, (), sort_alone=True)
    assert "name them in output.labels" in problem


@pytest.mark.parametrize("values", [[1.5, -2.0], [1, 2], np.ones((2, 3), np.float32)])
def test_a_regression_has_numbers(values: Any) -> None:
    labels, problems = read_labels(np.array(values), query(classification=False))
    assert not problems
    assert labels is not None
    assert labels.dtype == np.float64
    np.testing.assert_array_equal(labels, values)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a"], "label: expected numbers, received <U1 of shape (1,)"),
        ([np.nan, 1.0], "label: 1 of 2 values are NaN or infinite"),
    ],
)
def test_a_regression_has_nothing_else(values: Any, expected: str) -> None:
    assert read_labels(np.array(values), query(classification=False)) == (None, [expected])
