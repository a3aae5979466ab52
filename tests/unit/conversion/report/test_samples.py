from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from liteship.conversion.report import samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from liteship.conversion.report.parts import ChangedSample


def scores(classes: list[int], certainty: list[float]) -> NDArray[np.float32]:
    found = np.full((len(classes), 3), 0.1, np.float32)
    found[np.arange(len(classes)), classes] = certainty
    return found


def test_what_became_wrong_comes_first_then_what_moved_most() -> None:
    source = scores([0, 1, 2, 0, 1], [0.9] * 5)
    artifact = scores([0, 2, 0, 1, 2], [0.9, 0.9, 0.6, 0.8, 0.8])
    labels = np.array([0, 2, 2, 0, 0])
    found = samples.changed_samples(source, artifact, classes=["a", "b", "c"], labels=labels)
    assert (found.kind, found.samples, found.changed) == ("class", 5, 4)
    # 2 and 3 became wrong, both by 0.8; 4 was wrong and is, by 0.8; 1 became right, by 0.8
    assert [each.index for each in found.worst] == [2, 3, 1, 4]
    assert [each.was_right for each in found.worst[:2]] == [True, True]
    worst = found.worst[0]
    assert (worst.label, worst.source, worst.artifact) == ("c", "c", "a")
    assert worst.difference == pytest.approx(0.8)


def test_no_more_than_the_worst_are_kept_and_without_labels_nothing_is_right() -> None:
    source = scores([0] * 100, [0.9] * 100)
    artifact = scores([1] * 100, list(np.linspace(0.2, 0.9, 100)))
    found = samples.changed_samples(source, artifact, classes=["a"])
    assert (found.changed, len(found.worst)) == (100, samples.WORST)
    assert [each.difference for each in found.worst] == sorted(
        (each.difference for each in found.worst), reverse=True
    )
    assert found.worst[0].artifact == "1"  # a class beyond those that have names
    assert {(each.label, each.was_right, each.is_right) for each in found.worst} == {(None, None, None)}


def test_nothing_changed() -> None:
    same = scores([0, 1], [0.9, 0.9])
    found = samples.changed_samples(same, same, classes=["a", "b"], labels=np.array([0, 0]))
    assert (found.changed, found.worst) == (0, ())
    assert samples.moved_samples(same, same).worst == ()


def test_numbers_that_moved_are_told_with_what_they_should_be() -> None:
    source = np.array([[1.0], [2.0], [3.0]], np.float32)
    artifact = np.array([[1.0], [2.5], [np.nan]], np.float32)
    found = samples.moved_samples(source, artifact, labels=np.array([1.0, 2.25, 3.0]))
    assert (found.kind, found.changed) == ("value", 2)
    assert [(each.index, each.label, each.source, each.artifact) for each in found.worst] == [
        (2, "3", "3", "nan"),
        (1, "2.25", "2", "2.5"),
    ]
    many = np.arange(12, dtype=np.float32).reshape(2, 6)
    assert samples.moved_samples(many, many + 1).worst[0].source == "0, 1, 2, 3, …"


@pytest.mark.parametrize("shape", [(300, 200), (300, 200, 1), (300, 200, 3), (8, 8)])
def test_a_picture_becomes_a_small_png(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    head, _, data = samples.thumbnail(picture).partition(",")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert (head, image.format) == ("data:image/png;base64", "PNG")
    assert max(image.size) == min(max(shape[:2]), samples.THUMBNAIL_PIXELS)
    if shape == (8, 8):
        assert (np.asarray(image) == picture).all()


def test_pictures_are_shown_and_tables_are_written_out() -> None:
    source, artifact = scores([0, 0], [0.9, 0.9]), scores([0, 1], [0.9, 0.9])
    table = np.array([[1, 2], [3.25, 1680]], np.float32)

    def shown(**inputs: NDArray[Any]) -> ChangedSample:
        return samples.changed_samples(source, artifact, classes=[], inputs=inputs).worst[0]

    picture = shown(image=np.zeros((2, 8, 8, 3), np.uint8))
    assert (picture.thumbnail or "").startswith("data:image/png")
    assert picture.features == ()
    assert shown(row=table).features == (("row[0]", "3.25"), ("row[1]", "1680"))
    both = shown(image=np.zeros((2, 8, 8), np.uint8), item=np.array([[7], [9]], np.int32))
    assert (both.thumbnail is not None, both.features) == (True, (("item", "9"),))
    assert shown(wave=np.zeros((2, 50, 2), np.float32)).features == ()
    assert len(shown(row=np.zeros((2, 500), np.float32)).features) == samples.FEATURES


def test_columns_have_their_names_where_these_fit() -> None:
    source, artifact = scores([0, 0], [0.9, 0.9]), scores([0, 1], [0.9, 0.9])
    inputs = {"row": np.array([[1, 2], [3, 4]], np.float32)}
    named, misfit = (
        samples.changed_samples(source, artifact, classes=[], inputs=inputs, columns=columns).worst[0]
        for columns in (["height", "width"], ["height"])
    )
    assert named.features == (("height", "3"), ("width", "4"))
    assert misfit.features == (("row[0]", "3"), ("row[1]", "4"))
