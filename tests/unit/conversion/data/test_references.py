from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.conversion.data import Purpose, check_reference, load_calibration
from liteship.conversion.data.references import is_callable
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from pathlib import Path

PURPOSES = get_args(Purpose)


def refusal(reference: str, purpose: Any = "calibration") -> CalibrationError:
    with pytest.raises(CalibrationError) as checked:
        check_reference(reference, purpose)
    with pytest.raises(CalibrationError) as loaded:
        load_calibration(reference, [TensorSpec("x", "float32", [-1, 2])], Preprocessing("tensor"))
    assert loaded.value.reference.partition("-")[2] == checked.value.reference.removeprefix(
        f"{purpose}-"
    )
    return checked.value


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize(
    "name", ["data.npz", "data", "", "a:b:c", "C:data.npz", "1:2", "x" * 300, "a\0b"]
)
def test_what_is_not_there_is_told(name: str, purpose: Any) -> None:
    error = refusal(name, purpose)
    assert error.reference == f"{purpose}-missing"
    assert str(error)


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize("name", ["data.json", "data", "data.npz.bak", "data.xlsx"])
def test_what_has_no_known_form_is_told(name: str, purpose: Any, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    error = refusal(str(tmp_path / name), purpose)
    assert error.reference == f"{purpose}-format"
    assert error.expected is not None
    assert ".npz, .npy, .csv, .parquet" in error.expected


def test_a_suffix_may_be_written_in_capitals(tmp_path: Path) -> None:
    path = tmp_path / "data.CSV"
    path.write_text("a,b\n1,2\n3,4\n")
    check_reference(str(path), "calibration")
    arrays = load_calibration(str(path), [TensorSpec("x", "float32", [-1, 2])], Preprocessing("tensor"))
    assert arrays["x"].shape == (2, 2)


@pytest.mark.parametrize("reference", ["train:batches", "my.data:Loader.batches", "größe:_x"])
def test_a_callable_has_a_colon(
    reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_callable(reference)
    (tmp_path / reference).touch()
    assert not is_callable(reference)


@pytest.mark.parametrize(
    "reference", ["train", "train:", ":batches", "a/b:c", "train:1", "a:b:c", "a-b:c"]
)
def test_a_path_has_none(reference: str) -> None:
    assert not is_callable(reference)


@pytest.mark.parametrize("samples", [0, -1])
def test_no_samples_are_no_data(samples: int, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.eye(2))
    spec = TensorSpec("x", "float32", [-1, 2])
    with pytest.raises(CalibrationError) as raised:
        load_calibration(str(tmp_path / "data.npy"), [spec], Preprocessing("tensor"), samples=samples)
    assert raised.value.reference == "calibration-samples"
