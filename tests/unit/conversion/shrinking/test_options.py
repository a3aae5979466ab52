from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from liteship.conversion.shrinking import ShrinkOptions
from liteship.errors import ConfigurationError


def test_the_defaults_change_nothing_but_what_is_asked_for() -> None:
    options = ShrinkOptions()
    assert options.sparsity is None
    assert not options.quantization_aware
    assert dataclasses.replace(options, sparsity=0.9).epochs == options.epochs


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, float("nan")])
def test_a_sparsity_that_is_none_is_refused(sparsity: float) -> None:
    with pytest.raises(ConfigurationError) as raised:
        ShrinkOptions(sparsity=sparsity)
    assert raised.value.reference == "sparsity-invalid"


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong: dict[str, Any] = {"epochs": 0, "batch_size": 0, "learning_rate": float("nan"), "seed": -1}
    with pytest.raises(ConfigurationError) as raised:
        ShrinkOptions(**wrong)
    assert raised.value.reference == "fine-tune-invalid"
    assert [problem.partition(":")[0] for problem in raised.value.problems] == list(wrong)


def test_the_package_knows_its_public_names() -> None:
    from liteship.conversion import shrinking

    with pytest.raises(AttributeError, match="it has MagnitudePruning, ShrinkOptions"):
        _ = shrinking.Pruning
