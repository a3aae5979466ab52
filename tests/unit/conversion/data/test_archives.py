from __future__ import annotations

import io
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from liteship.artifact import Preprocessing, TensorSpec
from liteship.conversion.data import (
    check_reference,
    load_calibration,
    load_evaluation,
    read_arrays,
    samples,
)
from liteship.errors import CalibrationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TENSORS = Preprocessing("tensor")
ROWS = TensorSpec("x", "float32", [-1, 2])
VALUES = np.arange(20, dtype=np.float32).reshape(10, 2)


def refusal(call: Callable[..., Any], *arguments: Any, **options: Any) -> CalibrationError:
    with pytest.raises(CalibrationError) as raised:
        call(*arguments, **options)
    return raised.value


def test_an_archive_is_read_as_it_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", a=VALUES, b=np.arange(3))
    arrays = read_arrays(tmp_path / "data.npz", "calibration")
    assert arrays.keys() == {"a", "b"}
    np.testing.assert_array_equal(arrays["a"], VALUES)


def test_a_single_array_is_the_only_inputs(tmp_path: Path) -> None:
    path = str(tmp_path / "data.npy")
    np.save(path, VALUES)
    check_reference(path, "calibration")
    np.testing.assert_array_equal(load_calibration(path, [ROWS], TENSORS)["x"], VALUES)
    assert refusal(load_calibration, path, [ROWS, ROWS], TENSORS).problems == (
        "one array, but the model has the inputs ['x', 'x']: save them with numpy.savez",
    )


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_a_part_is_chosen_by_the_seed_and_in_order(suffix: str, tmp_path: Path) -> None:
    path = str(tmp_path / f"data.{suffix}")
    if suffix == "npy":
        np.save(path, VALUES)
    else:
        np.savez(path, x=VALUES)

    def chosen(seed: int) -> list[float]:
        arrays = load_calibration(path, [ROWS], TENSORS, samples=4, seed=seed)
        return [float(row[0]) for row in arrays["x"]]

    assert chosen(7) == chosen(7) == sorted(set(chosen(7)))
    assert len({tuple(chosen(seed)) for seed in range(10)}) > 5
    assert {value for seed in range(50) for value in chosen(seed)} == set(VALUES[:, 0].tolist())


def test_labels_stay_beside_their_samples(tmp_path: Path) -> None:
    path = str(tmp_path / "data.npz")
    np.savez(path, x=VALUES, label=np.arange(10))
    evaluation = load_evaluation(path, [ROWS], TENSORS, samples=4)
    assert [float(row[0]) / 2 for row in evaluation.inputs["x"]] == evaluation.labels.tolist()
    assert len(load_calibration(path, [ROWS], TENSORS)["x"]) == 10


def test_an_input_may_be_named_label(tmp_path: Path) -> None:
    path = str(tmp_path / "data.npz")
    np.savez(path, label=VALUES)
    spec = TensorSpec("label", "float32", [-1, 2])
    assert load_calibration(path, [spec], TENSORS).keys() == {"label"}
    error = refusal(load_evaluation, path, [spec], TENSORS)
    assert "an input named label cannot be told from the labels" in error.problems[0]


@pytest.mark.parametrize("purpose", ["evaluation", "fine-tune"])
def test_a_single_array_has_no_labels(purpose: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "data.npy")
    np.save(path, VALUES)
    assert refusal(check_reference, path, purpose).reference == f"{purpose}-format"
    assert refusal(load_evaluation, path, [ROWS], TENSORS).reference == "evaluation-format"


def not_arrays() -> dict[str, bytes]:
    single, archive, objects = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(single, VALUES)
    np.savez(archive, x=VALUES)
    np.save(objects, np.array([{}], dtype=object), allow_pickle=True)
    whole = single.getvalue()
    return {
        "nothing": b"",
        "an archive": archive.getvalue(),
        "a pickle": pickle.dumps(VALUES),
        "pickled objects": objects.getvalue(),
        "half an array": whole[: len(whole) - 8],
        "half a header": whole[:40],
        "more than a header can mean": whole.replace(b"(10, 2)", b"(1e, 2)"),
        "an array that nobody has written": whole.replace(b"(10, 2), }   ", b"(99999999,)}"),
    }


@pytest.mark.parametrize("name", not_arrays())
def test_what_is_no_array_cannot_be_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    path.write_bytes(not_arrays()[name])
    for call in (check_reference, lambda *_: load_calibration(str(path), [ROWS], TENSORS)):
        assert refusal(call, str(path), "calibration").reference == "calibration-unreadable"


@pytest.mark.parametrize("shape", [(), (0, 2), (2,)])
def test_an_array_without_samples_is_told(shape: tuple[int, ...], tmp_path: Path) -> None:
    path = str(tmp_path / "data.npy")
    np.save(path, np.ones(shape, np.float32))
    assert refusal(load_calibration, path, [ROWS], TENSORS).reference in {
        "calibration-invalid",
        "calibration-unreadable",  # nothing can be mapped into memory
    }


def test_more_than_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compressed zeros: a few bytes on disk."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2**20))
    monkeypatch.setattr(samples, "MAX_BYTES", 2**20 - 1)
    for call in (check_reference, lambda *_: load_calibration(str(path), [ROWS], TENSORS)):
        error = refusal(call, str(path), "calibration")
        assert error.reference == "calibration-too-large"
        assert error.received == "at least 1,048,576 bytes"


def test_of_a_great_array_a_part_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "data.npy")
    np.save(path, VALUES)
    monkeypatch.setattr(samples, "MAX_BYTES", 24)
    assert len(load_calibration(path, [ROWS], TENSORS, samples=3)["x"]) == 3
    error = refusal(load_calibration, path, [ROWS], TENSORS, samples=4)
    assert error.reference == "calibration-too-large"
