"""Whether an answer is right, before anything is timed.

Each wire form of each peer is asked for a tensor or a picture, and for the same mirrored, and with its
channels the other way round. The answers must be those of the model's own framework, run directly:
LiteRT's interpreter here, TensorFlow and ONNX Runtime in the peer's environment. An answer that would
also be right for the changed input fails: it shows nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.comparison.models import LABELS
from benchmarks.comparison.references import expected
from benchmarks.comparison.wire import PICTURES

if TYPE_CHECKING:
    from benchmarks.comparison.contestants import Contestant
    from numpy.typing import NDArray

TOLERANCE = 1e-4
"""Of logits, and of scores' logarithms; a step of mobilenet's output is 0.0097."""


def compare_all(contestant: Contestant, form: str, answers: list[Any]) -> None:
    """Makes sure that the answers to the first cases are right, each for its own alone.

    Raises:
        AssertionError: One is not.
    """
    model = contestant.model
    right = expected(contestant.framework, model, form if form in PICTURES else "tensor")
    compare(f"{contestant.name}, {model}, {form}", answers, right[: len(answers)], LABELS[model])


def require(condition: object, message: str) -> None:
    """An assertion that `python -O` keeps.

    Raises:
        AssertionError: It does not hold.
    """
    if not condition:
        raise AssertionError(message)


def compare(
    what: str, answers: list[Any], right: list[NDArray[np.float32]], labels: tuple[str, ...]
) -> None:
    """Asserts that each answer is right for its own input, and the first one for no other.

    Raises:
        AssertionError: One does not.
    """
    for index, (answer, logits) in enumerate(zip(answers, right, strict=True)):
        apart = distance(answer, logits, labels)
        require(
            apart <= TOLERANCE, f"{what}: input {index} is answered {apart:.4f} apart: {answer[:3]}"
        )
        if index:
            blind = distance(answers[0], logits, labels)
            message = f"{what}: inputs 0 and {index} have answers {blind:.4f} apart"
            require(blind > 10 * TOLERANCE, message)


def distance(
    answer: list[float] | list[tuple[str, float]], logits: NDArray[np.float32], labels: tuple[str, ...]
) -> float:
    """How far an answer is from logits: their largest difference; of scores, that of the logarithms."""
    if isinstance(answer[0], float):
        require(len(answer) == len(logits), f"{len(answer)} numbers, not {len(logits)}")
        return float(np.abs(np.array(answer) - logits).max())
    scores = logits - logits.max()
    scores -= np.log(np.exp(scores).sum())
    best = np.sort(scores)[::-1]
    require(len(answer) >= min(len(labels), 3), f"{len(answer)} labels")
    require(len({label for label, _ in answer}) == len(answer), "a label comes twice")
    apart = [
        abs(np.log(score) - right)
        for rank, (label, score) in enumerate(answer)
        for right in (scores[labels.index(label)], best[rank])
    ]
    return float(max(apart))
