from __future__ import annotations

import decimal
import importlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.conversion.data import check_reference, load_calibration, load_evaluation
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pa: Any = importlib.import_module("pyarrow")
parquet: Any = importlib.import_module("pyarrow.parquet")

TENSORS = Preprocessing("tensor")
ROWS = (TensorSpec("x", "float32", [-1, 3]),)
PAIR = (TensorSpec("a", "float32", [-1, 2]), TensorSpec("b", "int32", [-1]))
CLASSES = ("cat", "dog")


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    def save(columns: dict[str, Any]) -> str:
        path = str(tmp_path / "data.parquet")
        parquet.write_table(pa.table(columns), path, row_group_size=2)
        return path

    return save


def refusal(call: Callable[..., Any], *arguments: Any, **options: Any) -> CalibrationError:
    with pytest.raises(CalibrationError) as raised:
        call(*arguments, **options)
    return raised.value


def test_columns_of_any_number_are_rows(save: Callable[..., str]) -> None:
    path = save(
        {
            "a": [1.5, 2, 3],
            "b": [True, False, True],
            "c": [decimal.Decimal(text) for text in ("0.5", "1.0", "2.0")],
        }
    )
    check_reference(path, "calibration")
    arrays = load_calibration(path, ROWS, TENSORS)
    assert arrays["x"].dtype == np.float32
    assert arrays["x"].tolist() == [[1.5, 1, 0.5], [2, 0, 1], [3, 1, 2]]


def test_several_inputs_are_named(save: Callable[..., str]) -> None:
    arrays = load_calibration(save({"b": [7, 8], "a.1": [2, 4], "a.0": [1, 3]}), PAIR, TENSORS)
    assert arrays["a"].tolist() == [[1, 2], [3, 4]]
    assert arrays["b"].dtype == np.int32


@pytest.mark.parametrize(
    "labels",
    [
        ["dog", "cat", "dog"],
        [1, 0, 1],
        ["1", "0", "1"],
        pa.array(["dog", "cat", "dog"]).dictionary_encode(),
        pa.array(["dog", "cat", "dog"], pa.large_string()),
    ],
)
def test_labels_are_classes_by_name_or_index(labels: Any, save: Callable[..., str]) -> None:
    path = save({"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3], "label": labels})
    evaluation = load_evaluation(path, ROWS, TENSORS, labels=CLASSES)
    assert evaluation.labels.tolist() == [1, 0, 1]


def test_every_column_that_does_not_fit_is_named(save: Callable[..., str]) -> None:
    path = save({"a": [1, None], "b": ["x", "y"], "c": [[1], [2]], "label": [0.5, 1]})
    assert refusal(load_evaluation, path, ROWS, TENSORS).problems == (
        "column a: 1 of 2 cells are empty",
        "column b: expected numbers, received string",
        "column c: expected numbers, received list<element: int64>",
        "label: expected integers of shape (samples,), received float64 of shape (2,)",
    )


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"a": [1], "b": [2]}, "x: expected 3 columns besides label, received 2: a, b"),
        ({}, "x: expected 3 columns besides label, received 0: "),
        (
            {"a": pa.array([], "float32"), "b": pa.array([], "float32"), "c": pa.array([], "float32")},
            "x: holds no samples",
        ),
        (
            {"a": [1, 2], "b": [1, 2], "c": [1, 2], "__index_level_0__": [0, 1]},
            "x: expected 3 columns besides label, received 4: a, b, c, __index_level_0__",
        ),
        (
            {"a": [1.0, 2], "b": [1, 2], "c": [float("nan"), 1]},
            "x: 1 of 6 values are NaN or infinite",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_told(
    columns: dict[str, Any], expected: str, save: Callable[..., str]
) -> None:
    assert refusal(load_calibration, save(columns), ROWS, TENSORS).problems == (expected,)


def test_a_name_twice_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "data.parquet")
    columns = [pa.array([1.0])] * 3
    parquet.write_table(pa.Table.from_arrays(columns, names=["a", "a", "c"]), path)
    error = refusal(load_calibration, path, ROWS, TENSORS)
    assert error.problems == ("the columns a are named twice",)


def test_class_names_without_end_are_told(save: Callable[..., str]) -> None:
    path = save({"a": [1], "b": [2], "c": [3], "label": ["x" * 300]})
    (problem,) = refusal(load_evaluation, path, ROWS, TENSORS).problems
    assert problem == "column label: names of at most 256 characters were expected"


def test_a_file_cut_or_damaged_anywhere_is_refused_or_read(
    save: Callable[..., str], tmp_path: Path
) -> None:
    values = np.random.default_rng(31).random((20, 3))
    path = tmp_path / "data.parquet"
    whole = b""
    for compression in ("snappy", "zstd"):
        table = pa.table({f"c{place}": values[:, place] for place in range(3)})
        parquet.write_table(table, path, compression=compression)
        whole = path.read_bytes()
        for place in range(0, len(whole), 7):
            for content in (
                whole[:place],
                whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :],
            ):
                path.write_bytes(content)
                try:
                    arrays = load_calibration(str(path), ROWS, TENSORS)
                except CalibrationError:
                    continue
                assert np.isfinite(np.asarray(arrays["x"], np.float32)).all()
    path.write_bytes(whole[:-10])
    for call in (check_reference, lambda *_: load_calibration(str(path), ROWS, TENSORS)):
        error = refusal(call, str(path), "calibration")
        assert error.reference == "calibration-unreadable"


def test_without_pyarrow_the_command_that_installs_it_is_told(
    save: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save({"a": [1], "b": [2], "c": [3]})
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    error = refusal(check_reference, path, "calibration")
    assert error.reference == "extra-missing"
    assert "pip install 'liteship[parquet]'" in error.hint
