from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from liteship import Artifact, Predictor
from liteship.artifact import Golden, Manifest, Postprocessing, Preprocessing, TensorSpec
from liteship.conversion.accuracy import run_artifact
from liteship.conversion.data import (
    Evaluation,
    check_reference,
    load_calibration,
    load_evaluation,
    load_training,
    pictures,
)
from liteship.conversion.reference import normalized_inputs, to_picture
from liteship.errors import CalibrationError
from liteship.runtime.codecs.image import decode_image
from liteship.runtime.settings import MAX_PIXELS

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = np.random.default_rng(21)
SPEC = TensorSpec("image", "float32", [-1, 6, 4, 3])
GREY_SPEC = TensorSpec("image", "float32", [-1, 6, 4, 1])
CAFFE = Preprocessing("image", "BGR", "bicubic", [103.939, 116.779, 123.68], [1.0] * 3)
RGB = Preprocessing("image", "RGB", "bilinear", [0.0] * 3, [255.0] * 3)
GREY = Preprocessing("image", "L", "bilinear", [0.0], [255.0])
CLASSES = ("cat", "dog")


def write(path: Path, mode: str = "RGB", size: tuple[int, int] = (9, 7), **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = RNG.integers(0, 256, (height, width, channels), np.uint8)
    picture = Image.frombytes(mode, size, pixels.tobytes())
    picture.save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, pictures of several sizes and forms."""
    root = tmp_path / "data"
    write(root / "dog" / "1.png", size=(4, 6))
    write(root / "dog" / "2.jpg", size=(31, 20))
    write(root / "cat" / "deep" / "down" / "3.WEBP", size=(8, 5))
    write(root / "cat" / "4.bmp", "L")
    write(root / "cat" / "5.gif", "L")
    write(root / "cat" / "6.png", "RGBA")
    return root


def deployed(path: Path, spec: TensorSpec, preprocessing: Preprocessing) -> np.ndarray[Any, Any]:
    """What the deployed codec makes of the file itself."""
    manifest = Manifest(
        name="sample",
        version="1",
        sha256="",
        size_bytes=0,
        scheme="float32",
        inputs=[spec],
        outputs=[TensorSpec("out", "float32", [1])],
        preprocessing=preprocessing,
        postprocessing=Postprocessing(),
        golden=Golden("golden", [bytes(4)]),
        provenance={},
    )
    tensor = decode_image(path.read_bytes(), manifest, MAX_PIXELS)["image"]
    return np.frombuffer(tensor, np.float32).reshape(spec.item_shape[1:])


@pytest.mark.parametrize(("spec", "preprocessing"), [(SPEC, RGB), (SPEC, CAFFE), (GREY_SPEC, GREY)])
def test_calibration_sees_what_the_deployed_codec_gives(
    spec: TensorSpec, preprocessing: Preprocessing, folder: Path
) -> None:
    check_reference(str(folder), "calibration")
    received = load_calibration(str(folder), [spec], preprocessing)["image"]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(received) == len(files) == 6
    assert received.dtype == np.float32
    for path, values in zip(files, received, strict=True):
        expected = deployed(path, spec, preprocessing)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("spec", "preprocessing"), [(SPEC, CAFFE), (GREY_SPEC, GREY)])
def test_held_out_pictures_are_sent_in_their_own_size(
    spec: TensorSpec, preprocessing: Preprocessing, folder: Path
) -> None:
    evaluation = load_evaluation(str(folder), [spec], preprocessing, labels=("dog", "cat"))
    assert evaluation.labels.tolist() == [1, 1, 1, 1, 0, 0]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path, picture in zip(files, evaluation.inputs["image"], strict=True):
        assert picture.dtype == np.uint8
        png = path.with_name("sent.png")
        to_picture(picture).save(png)
        np.testing.assert_array_equal(
            deployed(png, spec, preprocessing), deployed(path, spec, preprocessing)
        )


def test_files_are_measured_as_arrays_are(
    tmp_path: Path, artifact_folder: Path, digit_images: tuple[Any, Any]
) -> None:
    """Through the deployed predictor."""
    images, digits = digit_images
    for index in range(60):
        place = tmp_path / str(digits[index]) / f"{index:02}.png"
        place.parent.mkdir(exist_ok=True)
        to_picture(images[index]).save(place)
    predictor = Predictor(Artifact.load(artifact_folder))
    manifest = predictor.manifest
    files = load_evaluation(
        str(tmp_path), manifest.inputs, manifest.preprocessing, labels=manifest.postprocessing.labels
    )
    arrays = Evaluation(inputs={"image": images[:60]}, labels=digits[:60])
    scores = run_artifact(predictor, files, lambda *_: None)
    by_picture = run_artifact(predictor, arrays, lambda *_: None)
    order = np.lexsort((np.arange(60), digits[:60]))  # files come class by class
    np.testing.assert_array_equal(scores, by_picture[order])
    np.testing.assert_array_equal(files.labels, arrays.labels[order])
    assert (scores.argmax(axis=-1) == files.labels).mean() > 0.9


def test_fine_tuning_sees_the_same_normalised(folder: Path) -> None:
    evaluation = load_evaluation(str(folder), [SPEC], RGB, labels=CLASSES)
    training = load_training(str(folder), [SPEC], RGB, labels=CLASSES)
    np.testing.assert_array_equal(training.labels, evaluation.labels)
    expected = normalized_inputs(evaluation, [SPEC], RGB)["image"]
    np.testing.assert_array_equal(training.inputs["image"], expected)


def test_without_names_the_folders_count_in_sorted_order(folder: Path) -> None:
    assert load_evaluation(str(folder), [SPEC], RGB).labels.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_part_is_chosen_by_the_seed(folder: Path) -> None:
    def chosen(seed: int) -> list[str]:
        evaluation = load_evaluation(str(folder), [SPEC], RGB, samples=3, seed=seed)
        files = evaluation.inputs["image"]
        assert isinstance(files, pictures.PictureFiles)
        assert len(files) == len(evaluation.labels) == 3
        labels = {"cat": 0, "dog": 1}
        for path, label in zip(files.paths, evaluation.labels, strict=True):
            assert labels[path.relative_to(folder).parts[0]] == label
        return [path.name for path in files.paths]

    assert chosen(7) == chosen(7)
    assert len({tuple(chosen(seed)) for seed in range(20)}) > 3


def refusal(call: Callable[..., Any], *arguments: Any, **options: Any) -> CalibrationError:
    with pytest.raises(CalibrationError) as raised:
        call(*arguments, **options)
    return raised.value


def test_every_broken_picture_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (folder / "dog" / "2.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "text.jpeg").write_text("no picture")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    write(folder / "other.tif")
    Image.fromarray(np.eye(4, dtype=np.uint16)).save(folder / "deep.png")
    error = refusal(load_calibration, str(folder), [SPEC], RGB)
    assert error.reference == "calibration-invalid"
    told = {Path(line.partition(": ")[0]).name: line.partition(": ")[2] for line in error.problems}
    assert told.keys() == {"cut.jpg", "empty.png", "text.jpeg", "gone.png", "other.tif", "deep.png"}
    assert "cannot be decoded" in told["cut.jpg"]
    assert "begins with nothing" in told["empty.png"]
    assert "expected one of png, jpeg" in told["other.tif"]
    assert told["deep.png"] == "mode I;16 has more than 8 bits a channel"
    assert told["gone.png"] == "it is no file"


def test_a_bomb_is_not_decoded(folder: Path) -> None:
    Image.new("1", (MAX_PIXELS // 1000 + 1, 1000)).save(folder / "bomb.png")
    error = refusal(load_calibration, str(folder), [SPEC], RGB)
    assert error.problems[0].endswith("12001 × 1000 pixels; at most 12,000,000 are decoded")
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    bomb += struct.pack(">I", 4) + b"IDAT" + bytes(8)
    (folder / "bomb.png").write_bytes(bomb)  # at which Pillow itself would warn
    assert "60000 × 60000 pixels" in refusal(load_calibration, str(folder), [SPEC], RGB).problems[0]


def test_many_broken_pictures_are_counted(tmp_path: Path) -> None:
    for index in range(30):
        (tmp_path / f"{index:02}.png").touch()
    problems = refusal(load_calibration, str(tmp_path), [SPEC], RGB).problems
    assert len(problems) == 9
    assert problems[-1] == "… and 22 more of the kind"


def test_a_picture_damaged_anywhere_is_told_or_decoded(tmp_path: Path) -> None:
    whole = write(tmp_path / "1.jpg").read_bytes()
    png = write(tmp_path / "1.png", "P").read_bytes()
    for name, content in (("1.jpg", whole), ("1.png", png)):
        for place in range(0, len(content), 3):
            (tmp_path / name).write_bytes(
                content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]
            )
            with contextlib.suppress(ValueError):
                assert pictures.decode(tmp_path / name, "RGB").ndim == 3


def test_what_an_operating_system_leaves_is_no_picture(folder: Path) -> None:
    (folder / "cat" / ".DS_Store").write_bytes(b"\0")
    (folder / "cat" / "._4.bmp").write_bytes(b"\0")
    (folder / ".cache").mkdir()
    write(folder / ".cache" / "1.png")
    (folder / "readme.txt").write_text("BM")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf")
    assert len(load_evaluation(str(folder), [SPEC], RGB, labels=CLASSES).labels) == 6


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.png")
    error = refusal(load_calibration, str(folder), [SPEC], RGB)
    assert [line.rpartition("/")[2] for line in error.problems] == ["pipe.png: it is no file"]


def test_a_picture_without_a_suffix_is_one(folder: Path) -> None:
    (folder / "dog" / "1.png").rename(folder / "dog" / "1")
    assert len(load_calibration(str(folder), [SPEC], RGB)["image"]) == 6


def test_every_folder_that_does_not_fit_is_named(folder: Path) -> None:
    write(folder / "loose.png")
    write(folder / "cow" / "1.png")
    write(folder / "Dog" / "1.png")
    error = refusal(load_evaluation, str(folder), [SPEC], RGB, labels=(*CLASSES, "owl"))
    assert error.reference == "evaluation-invalid"
    expected = "expected one of output.labels, cat, dog, owl; of these there is no owl"
    assert error.problems == (
        "loose.png: lies outside every class folder",
        f"class folder 'Dog': {expected}",
        f"class folder 'cow': {expected}",
    )


def test_a_class_without_pictures_is_no_mismatch(folder: Path) -> None:
    labels = load_evaluation(str(folder), [SPEC], RGB, labels=("ant", *CLASSES)).labels
    assert labels.tolist() == [1, 1, 1, 1, 2, 2]


def test_folders_tell_no_regression(folder: Path) -> None:
    error = refusal(load_evaluation, str(folder), [SPEC], RGB, classification=False)
    assert "class folders cannot tell the numbers of a regression" in error.problems[0]


@pytest.mark.parametrize("spec", [GREY_SPEC, TensorSpec("image", "float32", [1, 3, 6, 4]), None])
def test_a_model_that_takes_no_such_pictures_is_told(spec: TensorSpec | None, folder: Path) -> None:
    specs = [spec] if spec else [SPEC, SPEC]
    for load in (load_calibration, load_evaluation, load_training):
        error = refusal(load, str(folder), specs, RGB)
        assert "pictures in RGB need one input of shape (batch, height, width, 3)" in error.problems[0]
        error = refusal(load, str(folder), [SPEC], Preprocessing("tensor"))
        assert 'kind in function.toml is "image"' in error.problems[0]


@pytest.mark.parametrize("purpose", ["calibration", "evaluation", "fine-tune"])
def test_a_folder_without_pictures_is_told(purpose: Any, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "notes.txt").touch()
    assert refusal(check_reference, str(tmp_path), purpose).reference == f"{purpose}-missing"
    assert refusal(load_calibration, str(tmp_path), [SPEC], RGB).reference == "calibration-missing"


def test_a_folder_that_cannot_be_listed_is_not_left_out(tmp_path: Path) -> None:
    error = refusal(pictures.check_folder, tmp_path / "gone", "evaluation")
    assert error.reference == "evaluation-unreadable"
    assert "No such file or directory" in error.message


def test_pictures_that_vanish_while_they_are_read_are_told(folder: Path) -> None:
    files = load_evaluation(str(folder), [SPEC], RGB, labels=CLASSES).inputs["image"]
    assert len(files[1:3]) == 2
    (folder / "cat" / "4.bmp").unlink()
    assert refusal(lambda: files[0]).reference == "evaluation-unreadable"


def test_pictures_of_one_colour_calibrate_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (5, 5)).save(tmp_path / "black.png")
    error = refusal(load_calibration, str(tmp_path), [SPEC], RGB)
    assert error.problems == ("image: every value is 0.0; a constant calibrates nothing",)


def test_transparency_in_a_palette_is_dropped_without_a_word(tmp_path: Path) -> None:
    picture = Image.frombytes("P", (2, 2), bytes([0, 1, 2, 3]))
    picture.putpalette([value for grey in (10, 20, 30, 40) for value in (grey,) * 3])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes([0, 128, 255, 7]))
    (tmp_path / "palette.png").write_bytes(buffer.getvalue())
    assert pictures.decode(tmp_path / "palette.png", "L").tolist() == [[10, 20], [30, 40]]


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.png", "wb"):
        pass
    (problem,) = refusal(load_calibration, str(tmp_path), [SPEC], RGB).problems
    assert problem.encode()
