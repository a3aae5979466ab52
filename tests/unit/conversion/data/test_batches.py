from __future__ import annotations

import sys
import textwrap
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

    Write = Callable[[str], None]

TENSORS = Preprocessing("tensor")
PICTURES = Preprocessing("image", "RGB", mean=[0.0] * 3, std=[255.0] * 3)
ROWS = (TensorSpec("x", "float32", [-1, 2]),)
PAIR = (TensorSpec("a", "float32", [-1, 2]), TensorSpec("b", "int32", [-1]))
IMAGE = (TensorSpec("image", "float32", [-1, 6, 4, 3]),)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a module `batches_of_mine` with the function `load` into the current folder."""
    monkeypatch.chdir(tmp_path)

    def write(body: str) -> None:
        source = (
            f"import numpy as np\n\ndef load():\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
        )
        (tmp_path / "batches_of_mine.py").write_text(source)

    return write


REFERENCE = "batches_of_mine:load"


def refusal(call: Callable[..., Any], *arguments: Any, **options: Any) -> CalibrationError:
    with pytest.raises(CalibrationError) as raised:
        call(*arguments, **options)
    return raised.value


CALIBRATIONS = {
    "arrays": "yield np.eye(2); yield np.ones((1, 2))",
    "dictionaries": "yield {'x': np.eye(2)}; yield {'x': np.ones((1, 2))}",
    "nested lists": "yield [[1, 0], [0, 1]]; yield [[1, 1]]",
    "pairs as PyTorch's DataLoader gives them": "yield [np.eye(2), np.zeros(2)]; yield [[1, 1]]",
    "with labels that nobody asked for": "yield np.eye(2), [0, 1]; yield {'x': [[1, 1]], 'label': [1]}",
    "a list of batches": "return [np.eye(2), np.ones((1, 2))]",
    "an iterator": "return iter([np.eye(2), np.ones((1, 2))])",
    "the same array, filled again": """
        array = np.zeros((1, 2))
        for row in [[1, 0], [0, 1], [1, 1]]:
            array[0] = row
            yield array
        """,
}


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_batches_follow_one_another(name: str, write: Write) -> None:
    write(CALIBRATIONS[name])
    check_reference(REFERENCE, "calibration")
    arrays = load_calibration(REFERENCE, ROWS, TENSORS)
    assert arrays["x"].dtype == np.float32
    assert arrays["x"].tolist() == [[1, 0], [0, 1], [1, 1]]


def test_several_inputs_are_named(write: Write) -> None:
    write("yield {'b': [7, 8], 'a': np.eye(2)}; yield {'a': [[3, 4]], 'b': np.array([9])}")
    arrays = load_calibration(REFERENCE, PAIR, TENSORS)
    assert arrays["a"].tolist() == [[1, 0], [0, 1], [3, 4]]
    assert arrays["b"].tolist() == [7, 8, 9]


def test_one_without_an_end_is_asked_until_there_are_enough(write: Write, tmp_path: Path) -> None:
    write(
        """
        number = 0
        try:
            while True:
                yield np.full((4, 2), number)
                number += 1
        finally:
            with open("closed", "w") as file:
                file.write(str(number))
        """
    )
    arrays = load_calibration(REFERENCE, ROWS, TENSORS, samples=10)
    assert arrays["x"][:, 0].tolist() == [0] * 4 + [1] * 4 + [2] * 2
    assert (tmp_path / "closed").read_text() == "2"


def test_one_without_an_end_fills_no_memory(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_BYTES", 1000)
    write("while True: yield np.eye(2), [0, 1]")
    error = refusal(load_evaluation, REFERENCE, ROWS, TENSORS)
    assert error.reference == "evaluation-too-large"


@pytest.mark.parametrize(
    "body",
    [
        "yield np.eye(2), [1, 0]",
        "yield {'x': np.eye(2)}, np.array(['dog', 'cat'])",
        "yield {'x': np.eye(2), 'label': [1, 0]}",
        "yield [{'x': np.eye(2)}, np.array([1, 0])]",
        "yield np.eye(2)[:1], [1]; yield np.eye(2)[1:], [0]",
    ],
)
def test_labels_come_with_their_inputs(body: str, write: Write) -> None:
    write(body)
    for load in (load_evaluation, load_training):
        loaded = load(REFERENCE, ROWS, TENSORS, labels=("cat", "dog"))
        assert loaded.labels.tolist() == [1, 0]
        np.testing.assert_array_equal(loaded.inputs["x"], np.eye(2))


def test_an_input_may_be_named_label(write: Write) -> None:
    write("yield {'label': np.eye(2)}, [1, 0]")
    spec = TensorSpec("label", "float32", [-1, 2])
    assert load_evaluation(REFERENCE, [spec], TENSORS).labels.tolist() == [1, 0]


def test_a_regression_has_numbers(write: Write) -> None:
    write("yield np.eye(2), [[0.5, 1], [2, 3]]")
    labels = load_evaluation(REFERENCE, ROWS, TENSORS, classification=False).labels
    assert labels.tolist() == [[0.5, 1], [2, 3]]


def test_pictures_may_differ_in_size(write: Write) -> None:
    write(
        """
        yield [np.zeros((9, 7, 3), np.uint8), np.full((5, 8), 255, np.uint8)], [0, 1]
        yield np.ones((2, 6, 4, 3), np.uint8), [1, 1]
        """
    )
    evaluation = load_evaluation(REFERENCE, IMAGE, PICTURES)
    assert [each.shape for each in evaluation.inputs["image"]] == [
        (9, 7, 3),
        (5, 8),
        (6, 4, 3),
        (6, 4, 3),
    ]
    training = load_training(REFERENCE, IMAGE, PICTURES)
    assert training.inputs["image"].shape == (4, 6, 4, 3)
    assert training.inputs["image"][:, 0, 0, 0].tolist() == pytest.approx([0, 1, 1 / 255, 1 / 255])
    assert training.labels.tolist() == [0, 1, 1, 1]


def test_pictures_of_one_size_are_one_array(write: Write) -> None:
    write("yield list(np.zeros((3, 6, 4, 3), np.uint8)), [0, 1, 0]")
    pictures = load_evaluation(REFERENCE, IMAGE, PICTURES).inputs["image"]
    assert isinstance(pictures, np.ndarray)
    assert pictures.shape == (3, 6, 4, 3)


USELESS: dict[str, tuple[str, str]] = {
    "nothing": ("return", "calling it: expected batches, received NoneType; use yield"),
    "a number": ("return 5", "calling it: expected batches, received int; use yield"),
    "one array": ("return np.eye(2)", "calling it: expected batches, received ndarray; use yield"),
    "one dictionary": ("return {'x': np.eye(2)}", "calling it: expected batches, received dict"),
    "text": ("return 'data.npz'", "calling it: expected batches, received str; use yield"),
    "no batches": ("return iter([])", "it yields nothing"),
    "an error": ("raise KeyError('url')", "calling it: KeyError: 'url'"),
    "an error further on": (
        "yield np.eye(2)\n1 / 0",
        "batch 1: ZeroDivisionError: division by zero",
    ),
    "an exit": ("raise SystemExit('bye')", "calling it: SystemExit: bye"),
    "an empty batch": ("while True: yield np.zeros((0, 2))", "batch 0: expected one length above 0"),
    "text batches": (
        "yield 'abc'",
        "batch 0: x: expected a batch of shape (samples, …), received 'abc'",
    ),
    "None": ("yield None", "batch 0: x: expected an array of numbers, received NoneType (object)"),
    "objects": ("yield [object()]", "batch 0: x: expected an array of numbers, received list (object)"),
    "ragged lists": ("yield [[1, 2], [3]]", "batch 0: ValueError: setting an array element"),
    "another name": ("yield {'y': np.eye(2)}", "batch 0: expected the inputs ['x'], received ['y']"),
    "numbers as names": ("yield {0: np.eye(2), 'z': 1}", "received ['0', 'z']"),
    "too long a tuple": ("yield 1, 2, 3", "batch 0: expected (inputs, labels), received a tuple of 3"),
    "other shapes": (
        "yield np.eye(2)\nyield np.ones((2, 3))",
        "batch 1: x: the shapes differ from batch to batch:",
    ),
    "an end that fails": (
        "try:\n    while True: yield np.eye(2)\nfinally:\n    1 / 0",
        "closing it: ZeroDivisionError",
    ),
}


@pytest.mark.parametrize("name", USELESS)
def test_what_yields_no_data_is_told(name: str, write: Write) -> None:
    body, expected = USELESS[name]
    write(body)
    error = refusal(load_calibration, REFERENCE, ROWS, TENSORS)
    assert error.reference == "calibration-callable"
    assert expected in error.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("yield np.eye(2)", "batch 0: expected (inputs, labels), received no labels"),
        ("yield np.eye(2), [1]", "batch 0: expected one length above 0, received {'x': 2, 'label': 1}"),
        ("yield np.eye(2), 1", "batch 0: label: expected a batch of shape (samples, …), received 1"),
        ("yield np.eye(2), [None, 1]", "batch 0: label: expected an array of numbers"),
        ("yield np.eye(2), [[1], [1]]; yield np.eye(2), [1, 1]", "batch 1: label: the shapes differ"),
    ],
)
def test_labels_that_cannot_measure_are_told(body: str, expected: str, write: Write) -> None:
    write(body)
    error = refusal(load_evaluation, REFERENCE, ROWS, TENSORS)
    assert error.reference == "evaluation-callable"
    assert expected in error.message


@pytest.mark.parametrize(
    "picture", ["np.zeros((4, 4))", "np.zeros((4, 4, 2), np.uint8)", "np.zeros((0, 4), np.uint8)", "5"]
)
def test_a_list_holds_pictures_alone(picture: str, write: Write) -> None:
    write(f"yield [{picture}], [0]")
    error = refusal(load_evaluation, REFERENCE, IMAGE, PICTURES)
    assert "batch 0: image: expected uint8 pictures of shape (height, width[, 1 or 3])" in error.message


def test_pictures_that_differ_must_be_pictures(write: Write) -> None:
    write("yield np.zeros((1, 4, 4, 3)), [0]; yield np.zeros((1, 5, 5, 3)), [0]")
    error = refusal(load_evaluation, REFERENCE, IMAGE, PICTURES)
    assert "batch 1: image: expected uint8 pictures" in error.message


def test_what_batches_hold_is_checked_like_a_file(write: Write) -> None:
    write("yield np.full((3, 2), np.nan)")
    assert refusal(load_calibration, REFERENCE, ROWS, TENSORS).problems == (
        "x: 6 of 6 values are NaN or infinite",
    )
    write("yield np.zeros((3, 6, 4, 3), np.uint8)")
    (problem,) = refusal(load_calibration, REFERENCE, IMAGE, PICTURES).problems
    assert "looks like raw pixels" in problem


def test_several_inputs_need_names(write: Write) -> None:
    write("yield np.eye(2)")
    error = refusal(load_calibration, REFERENCE, PAIR, TENSORS)
    assert "expected a dictionary with the inputs ['a', 'b'], received ndarray" in error.message


@pytest.mark.parametrize("reference", ["no_such_module:load", "no_such.module:load"])
def test_a_module_that_is_not_there_is_told(
    reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for error in (
        refusal(check_reference, reference, "calibration"),
        refusal(load_calibration, reference, ROWS, TENSORS),
    ):
        assert error.reference == "calibration-callable"
        assert "no_such" in error.message


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("def other(): ...", "load", "importing it: mine has no load"),
        ("load = 5", "load", "importing it: mine:load is int, not a function"),
        ("class load: batch = 1", "load.batch", "importing it: mine:load.batch is int, not a function"),
        ("def load(path): ...", "load", "calling it: TypeError"),
        ("import no_such_thing", "load", "importing it: ModuleNotFoundError"),
        ("def load(:", "load", "importing it: SyntaxError"),
        ("raise SystemExit(3)", "load", "importing it: SystemExit: 3"),
    ],
)
def test_a_module_that_has_no_such_function_is_told(
    source: str, name: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(source)
    check_reference(f"mine:{name}", "calibration", folder=tmp_path)  # which runs nothing
    error = refusal(load_calibration, f"mine:{name}", ROWS, TENSORS, folder=tmp_path)
    assert error.reference == "calibration-callable"
    assert expected in error.message


def test_two_functions_may_each_have_a_module_of_that_name(tmp_path: Path) -> None:
    path, modules = list(sys.path), set(sys.modules)
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "helper_of_mine.py").write_text(f"NUMBER = {number}")
        (folder / "mine.py").write_text(
            "from helper_of_mine import NUMBER\ndef load():\n    yield [[0, NUMBER]]\n"
        )
    for number in (1, 2, 1):
        arrays = load_calibration("mine:load", ROWS, TENSORS, folder=tmp_path / str(number))
        assert arrays["x"].tolist() == [[0, number]]
    assert sys.path == path
    assert not {"mine", "helper_of_mine"} & (set(sys.modules) - modules)


def test_a_method_in_a_package_is_found(tmp_path: Path) -> None:
    (tmp_path / "package_of_mine").mkdir()
    (tmp_path / "package_of_mine" / "__init__.py").touch()
    (tmp_path / "package_of_mine" / "data.py").write_text(
        "class Loader:\n    @staticmethod\n    def batches():\n        yield [[0, 1]]\n"
    )
    check_reference("package_of_mine.data:Loader.batches", "calibration", folder=tmp_path)
    arrays = load_calibration("package_of_mine.data:Loader.batches", ROWS, TENSORS, folder=tmp_path)
    assert arrays["x"].tolist() == [[0, 1]]
    assert not [name for name in sys.modules if name.startswith("package_of_mine")]
