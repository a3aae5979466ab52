from __future__ import annotations

import random
from pathlib import Path

import pytest

from liteship.runtime.backends.flatbuffer import damage

MODELS = sorted((Path(__file__).parents[3] / "data" / "models").glob("*.tflite"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_whole_model_is_not_damaged(path: Path) -> None:
    assert damage(path.read_bytes()) is None


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_cut_short_anywhere_is_damaged(path: Path) -> None:
    model = path.read_bytes()
    assert [size for size in range(len(model)) if damage(model[:size]) is None] == []


def test_what_is_no_model_is_told_from_one_cut_short() -> None:
    model = MODELS[0].read_bytes()
    assert "identifier TFL3" in str(damage(b"<html>" * 99))
    assert "beyond its end at 100 bytes" in str(damage(model[:100]))


def test_garbage_behind_the_identifier_is_damaged() -> None:
    source = random.Random(4)  # noqa: S311 - garbage, not secrets
    for _ in range(1000):
        garbage = source.randbytes(4) + b"TFL3" + source.randbytes(source.randrange(2000))
        assert damage(garbage) is not None
