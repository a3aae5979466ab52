"""Whether to ship: the first line of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.conversion.report.parts import OutputComparison, Refusal, Repair, Score

Decision = Literal["ships", "ships-with-repair", "accuracy-not-measured", "refused"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What to do with an artifact.

    Attributes:
        decision: `ships`, `ships-with-repair`, `accuracy-not-measured` or `refused`.
        reason: Why, in a sentence.
    """

    decision: Decision
    reason: str


def judge(
    score: Score | None,
    refusal: Refusal | None,
    repair: Repair | None,
    outputs: Sequence[OutputComparison],
) -> Verdict:
    """The verdict on an artifact. What was refused, or is over its budget, never ships.

    Args:
        score: Held-out metric, or None if it was not measured.
        refusal: Why the artifact was not written, or None.
        repair: What was left in float, or None.
        outputs: The artifact's outputs beside the source's.
    """
    if refusal is not None:
        return Verdict(decision="refused", reason=refusal.message)
    if score is not None and not score.within_budget:
        return Verdict(
            decision="refused",
            reason=f"{_moved(score)}, and its budget is {_amount(score, score.max_drop)}",
        )
    broken = [output.name for output in outputs if output.not_finite]
    if broken:
        names = ", ".join(broken)
        return Verdict(decision="refused", reason=f"values are NaN or infinite in output {names}")
    if score is None:
        return Verdict(
            decision="accuracy-not-measured",
            reason="no evaluation data was given; the outputs were only compared with the source's",
        )
    reason = f"{_moved(score)}, within its budget of {_amount(score, score.max_drop)}"
    if repair is None:
        return Verdict(decision="ships", reason=reason)
    count = len(repair.left_in_float)
    kept = "1 tensor" if count == 1 else f"{count} tensors"
    return Verdict(decision="ships-with-repair", reason=f"{reason}, with {kept} left in float")


def is_share(metric: str) -> bool:
    """Whether a metric is a share between 0 and 1, shown in percent."""
    return metric in {"accuracy", "top5"}


def metric_name(metric: str) -> str:
    """A metric as it is called in a sentence; a function of the user's own is called as it is."""
    names = {"top5": "top-5 accuracy", "mae": "mean absolute error", "mse": "mean squared error"}
    return names.get(metric, metric)


def _moved(score: Score) -> str:
    moved = score.artifact - score.source
    amount = _amount(score, abs(moved))
    change = (
        "stayed the same" if abs(moved) < 5e-7 else f"{'rose' if moved > 0 else 'fell'} by {amount}"
    )
    return f"{metric_name(score.metric)} {change} on {score.samples:,} held-out samples"


def _amount(score: Score, value: float) -> str:
    return f"{value * 100:.2f} points" if is_share(score.metric) else f"{value:.4g}"
