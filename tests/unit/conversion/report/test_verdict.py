from __future__ import annotations

import dataclasses
import math

import pytest
from tests.unit.conversion.report.evidence_of import ARTIFACT, SOURCE, bare, full, score

from liteship.conversion.report import measures, parts


def test_within_its_budget_it_ships() -> None:
    verdict = full(score=score(0.9917, 0.9889), repair=None).verdict
    assert verdict.decision == "ships"
    expected = "accuracy fell by 0.28 points on 4 held-out samples, within its budget of 1.00 points"
    assert verdict.reason == expected


def test_a_repair_is_told_with_what_stayed_in_float() -> None:
    verdict = full().verdict
    assert verdict.decision == "ships-with-repair"
    assert verdict.reason.endswith("with 1 tensor left in float")
    repair = full().repair
    assert repair is not None
    two = dataclasses.replace(repair, left_in_float=repair.left_in_float * 2)
    assert full(repair=two).verdict.reason.endswith("with 2 tensors left in float")


@pytest.mark.parametrize("artifact", [0.7, math.nan])
def test_over_its_budget_it_is_refused_with_and_without_an_error(artifact: float) -> None:
    verdict = full(score=score(0.9, artifact)).verdict
    assert verdict.decision == "refused"
    assert verdict.reason.endswith("and its budget is 1.00 points")
    refusal = parts.Refusal(reference="outputs-differ", message="they differ", hint="look")
    assert bare(refusal=refusal).verdict.reason == "they differ"
    assert full(refusal=refusal).verdict.decision == "refused"


def test_without_evaluation_it_says_that_accuracy_was_not_measured() -> None:
    assert bare().verdict.decision == "accuracy-not-measured"
    assert full(score=None).verdict.decision == "accuracy-not-measured"


def test_values_that_are_no_numbers_are_refused() -> None:
    broken = ARTIFACT.copy()
    broken[0, 0] = math.inf
    output = measures.compare_outputs("s", SOURCE, broken, data="evaluation", classifies=True)
    verdict = full(outputs=(output,)).verdict
    assert (verdict.decision, "output s" in verdict.reason) == ("refused", True)


def test_of_an_error_less_is_better() -> None:
    worse = score(0.40, 0.45, metric="mae", higher_is_better=False, max_drop=0.1)
    assert worse.drop == pytest.approx(0.05)
    assert "mean absolute error rose by 0.05 on" in full(score=worse).verdict.reason
    better = score(0.40, 0.35, metric="mae", higher_is_better=False, max_drop=0)
    assert better.within_budget
    assert "fell by 0.05" in full(score=better).verdict.reason
    assert not score(0.40, 0.45, metric="mae", higher_is_better=False, max_drop=0.01).within_budget


def test_a_loss_of_exactly_the_budget_is_kept() -> None:
    assert score(0.99, 0.98).within_budget  # 0.99 - 0.98 is a hair more than 0.01
    assert "stayed the same" in full(score=score(0.5, 0.5)).verdict.reason
