from __future__ import annotations

import io
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.conversion.data import load_calibration, load_evaluation
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGE = TensorSpec("image", "float32", [-1, 8, 8, 1])
PAIR = (TensorSpec("a", "float32", [-1, 2]), TensorSpec("b", "int32", [-1]))
PICTURES = Preprocessing("image", "L", mean=[0.0], std=[255.0])
TENSORS = Preprocessing("tensor")


def good(samples: int = 5) -> np.ndarray[Any, Any]:
    return np.random.default_rng(41).random((samples, 8, 8, 1), np.float32)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., str]:
    def save(**arrays: Any) -> str:
        path = str(tmp_path / "data.npz")
        np.savez(path, **arrays)
        return path

    return save


def refusal(path: str | Path, *specs: TensorSpec) -> CalibrationError:
    with pytest.raises(CalibrationError) as raised:
        load_calibration(str(path), specs or [IMAGE], TENSORS if specs else PICTURES)
    return raised.value


def test_good_data_arrives_as_it_was(save: Callable[..., str]) -> None:
    arrays = load_calibration(save(image=good()), [IMAGE], PICTURES)
    assert arrays.keys() == {"image"}
    np.testing.assert_array_equal(arrays["image"], good())


def test_every_input_has_its_own_dtype(save: Callable[..., str]) -> None:
    arrays = {"a": np.eye(2, dtype=np.float32), "b": np.arange(2, dtype=np.int32)}
    assert load_calibration(save(**arrays), PAIR, TENSORS).keys() == {"a", "b"}


INVALID: dict[str, tuple[Any, str]] = {
    "no samples": (good(0), "image: holds no samples"),
    "a scalar": (np.float32(1), "image: holds no samples"),
    "uint8": (np.zeros((5, 8, 8, 1), np.uint8), "image: expected float32, received uint8, which looks"),
    "text": (np.array(["a", "b"]), "image: expected float32, received <U1"),
    "no channel": (
        good()[..., 0],
        "image: expected shape (samples, 8, 8, 1), received (5, 8, 8)",
    ),
    "larger": (
        np.ones((2, 9, 9, 1), np.float32),
        "image: expected shape (samples, 8, 8, 1), received (2, 9, 9, 1)",
    ),
    "all NaN": (good() * np.nan, "image: 320 of 320 values are NaN or infinite"),
    "one NaN": (
        np.where(np.arange(320).reshape(5, 8, 8, 1) == 7, np.nan, good()).astype(np.float32),
        "image: 1 of 320 values are NaN or infinite",
    ),
    "one Inf": (
        np.where(np.arange(320).reshape(5, 8, 8, 1) == 7, -np.inf, good()).astype(np.float32),
        "image: 1 of 320 values are NaN or infinite",
    ),
    "constant": (np.full((5, 8, 8, 1), 0.5, np.float32), "image: every value is 0.5"),
}


@pytest.mark.parametrize("name", INVALID)
def test_data_that_cannot_calibrate_is_named(name: str, save: Callable[..., str]) -> None:
    array, expected = INVALID[name]
    error = refusal(save(image=array))
    assert error.reference == "calibration-invalid"
    assert any(problem.startswith(expected) for problem in error.problems), error.problems


@pytest.mark.parametrize("names", [["picture"], ["image", "stray"], []])
def test_every_input_is_named_and_no_other(names: list[str], save: Callable[..., str]) -> None:
    error = refusal(save(**{name: good() for name in names}))
    assert f"expected the arrays ['image'], received {sorted(names)}" in error.problems


def test_every_problem_is_told_at_once(save: Callable[..., str]) -> None:
    arrays = {"a": np.full((3, 3), np.nan), "b": np.full(2, 0.5), "c": np.zeros(1)}
    assert refusal(save(**arrays), *PAIR).problems == (
        "expected the arrays ['a', 'b'], received ['a', 'b', 'c']",
        "the arrays differ in length: {'a': 3, 'b': 2, 'c': 1}",
        "a: expected shape (samples, 2), received (3, 3)",
        "a: 9 of 9 values are NaN or infinite",
        "b: expected int32, received float64: 2 of 2 values are no whole numbers",
    )


def test_arrays_of_one_dimension_are_described_as_such(save: Callable[..., str]) -> None:
    error = refusal(save(a=np.eye(2, dtype=np.float32), b=np.ones((2, 1), np.int32)), *PAIR)
    assert error.problems[0].startswith("b: expected shape (samples,), received (2, 1)")


def not_archives() -> dict[str, bytes]:
    single, compressed = io.BytesIO(), io.BytesIO()
    np.save(single, good())
    np.savez_compressed(compressed, image=good())
    whole = compressed.getvalue()
    middle = len(whole) // 2
    return {
        "nothing": b"",
        "text": b"image,label\n1,2\n",
        "a single array": single.getvalue(),
        "a pickle": pickle.dumps({"image": good()}),
        "half an archive": whole[:middle],
        "a damaged archive": whole[:middle] + b"damaged!" + whole[middle + 8 :],
        "an archive's first bytes": b"PK\x03\x04",
    }


@pytest.mark.parametrize("name", not_archives())
def test_what_is_no_archive_of_arrays_cannot_be_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "data.npz").write_bytes(not_archives()[name])
    error = refusal(tmp_path / "data.npz")
    assert error.reference == "calibration-unreadable"
    assert "numpy.savez" in error.hint


def test_an_archive_of_something_else_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", b"no array")
        archive.writestr("readme.txt", b"hello")
    assert refusal(path).reference == "calibration-unreadable"


def test_an_archive_damaged_anywhere_is_refused_or_unharmed(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    for writer in (np.savez, np.savez_compressed):
        writer(path, image=good())
        whole = path.read_bytes()
        for place in range(0, len(whole), max(1, len(whole) // 300)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
            try:
                arrays = load_calibration(str(path), [IMAGE], PICTURES)
            except CalibrationError:
                continue
            np.testing.assert_array_equal(arrays["image"], good())


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return open, ("trapped", "w")


def test_a_pickled_object_is_never_unpickled(
    save: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = refusal(save(image=np.array([Trap()], dtype=object)))
    assert error.reference == "calibration-unreadable"
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("name", ["nothing.npz", "folder.npz"])
def test_a_missing_file_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    assert refusal(tmp_path / name).reference == "calibration-missing"
    with pytest.raises(CalibrationError) as raised:
        load_evaluation(str(tmp_path / name), [IMAGE], PICTURES)
    assert raised.value.reference == "evaluation-missing"


def pictures(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(42).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 8, 1), (4, 20, 30, 3)])
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_held_out_pictures_arrive_as_callers_send_them(
    shape: tuple[int, ...], dtype: type, save: Callable[..., str]
) -> None:
    path = save(image=pictures(*shape), label=np.arange(4, dtype=dtype))
    evaluation = load_evaluation(path, [IMAGE], PICTURES)
    np.testing.assert_array_equal(evaluation.inputs["image"], pictures(*shape))
    assert evaluation.labels.dtype == np.int64
    assert evaluation.labels.tolist() == [0, 1, 2, 3]


def test_held_out_tensors_arrive_as_the_model_takes_them(save: Callable[..., str]) -> None:
    arrays = {"a": np.eye(2, dtype=np.float32), "b": np.arange(2, dtype=np.int32)}
    evaluation = load_evaluation(save(**arrays, label=np.array([0, 1])), PAIR, TENSORS)
    assert evaluation.inputs.keys() == {"a", "b"}


LABELS = np.arange(4)
BAD_EVALUATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"image": pictures(4, 8, 8)}, "expected the arrays ['image', 'label']"),
    "no pictures": ({"label": LABELS}, "expected the arrays ['image', 'label']"),
    "a stray array": (
        {"image": pictures(4, 8, 8), "label": LABELS, "x": LABELS},
        "expected the arrays",
    ),
    "no samples": ({"image": pictures(0, 8, 8), "label": LABELS[:0]}, "image: holds no samples"),
    "fewer labels": ({"image": pictures(4, 8, 8), "label": LABELS[:3]}, "differ in length"),
    "one-hot labels": (
        {"image": pictures(4, 8, 8), "label": np.eye(4, dtype=int)},
        "label: expected integers of shape (samples,)",
    ),
    "labels in words": (
        {"image": pictures(4, 8, 8), "label": np.array(list("abcd"))},
        "names need output.labels in function.toml",
    ),
    "real labels": (
        {"image": pictures(4, 8, 8), "label": LABELS.astype(float)},
        "label: expected integers",
    ),
    "negative labels": (
        {"image": pictures(4, 8, 8), "label": LABELS - 1},
        "label: expected classes from 0",
    ),
    "normalised pictures": (
        {"image": good(4), "label": LABELS},
        "image: expected uint8 pictures",
    ),
    "pictures of two channels": (
        {"image": pictures(4, 8, 8, 2), "label": LABELS},
        "image: expected uint8 pictures",
    ),
    "rows": ({"image": pictures(4, 8), "label": LABELS}, "image: expected uint8 pictures"),
    "a scalar": ({"image": np.uint8(1), "label": LABELS}, "image: holds no samples"),
    "pictures of no size": (
        {"image": pictures(4, 0, 8), "label": LABELS},
        "image: expected uint8 pictures",
    ),
}


@pytest.mark.parametrize("name", BAD_EVALUATIONS)
def test_data_that_cannot_measure_is_named(name: str, save: Callable[..., str]) -> None:
    arrays, expected = BAD_EVALUATIONS[name]
    with pytest.raises(CalibrationError) as raised:
        load_evaluation(save(**arrays), [IMAGE], PICTURES)
    assert raised.value.reference == "evaluation-invalid"
    assert any(expected in problem for problem in raised.value.problems), raised.value.problems


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        (
            {"a": np.eye(2, dtype=complex), "b": np.zeros(2, np.int32)},
            "a: expected float32, received complex128",
        ),
        (
            {"a": np.ones((2, 3), np.float32), "b": np.zeros(2, np.int32)},
            "a: expected shape (samples, 2), received (2, 3)",
        ),
        (
            {"a": np.full((2, 2), np.nan, np.float32), "b": np.zeros(2, np.int32)},
            "a: 4 of 4 values are NaN or infinite",
        ),
    ],
)
def test_tensors_that_cannot_measure_are_named(
    arrays: dict[str, Any], expected: str, save: Callable[..., str]
) -> None:
    with pytest.raises(CalibrationError) as raised:
        load_evaluation(save(**arrays, label=np.array([0, 1])), PAIR, TENSORS)
    assert expected in raised.value.problems


def test_constant_tensors_measure_as_well_as_any(save: Callable[..., str]) -> None:
    """A constant calibrates nothing, but one held-out sample may well be constant."""
    arrays = {"a": np.zeros((1, 2), np.float32), "b": np.zeros(1, np.int32)}
    load_evaluation(save(**arrays, label=np.array([0])), PAIR, TENSORS)
