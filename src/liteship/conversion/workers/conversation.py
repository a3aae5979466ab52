"""The child's half of the conversation with `liteship.conversion.child`."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from liteship import errors
from liteship.errors import LiteshipError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Progress = Callable[..., None]
    """Called with a stage, a key of `child.STAGES`, and optionally steps done and steps in all."""
    Order = Callable[[Mapping[str, Any], Progress], Mapping[str, Any]]
    """Does one thing that the parent asks for; its result goes back as JSON."""


def answer_orders(orders: Mapping[str, Order]) -> None:
    """Does what the parent asks for until it closes standard input, or an order fails.

    Args:
        orders: What this child can do, by the name under `order`.
    """
    report = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # frameworks print to standard output, which is the parent's

    def say(**fields: object) -> None:
        report.write(json.dumps(fields) + "\n")

    def progress(stage: str, done: int = 0, of: int = 0) -> None:
        say(stage=stage, done=done, of=of)

    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = orders[request["order"]](request, progress)
        except LiteshipError as error:
            say(failure={"family": type(error).__name__, **error.as_dict()})
            return
        except MemoryError:
            say(failure=_OUT_OF_MEMORY)
            return
        say(result=result)


def failure_from(answer: Mapping[str, Any]) -> LiteshipError:
    """The error that a child reported."""
    family: type[LiteshipError] = getattr(errors, answer["family"])
    return family(
        answer["reference"],
        answer["error"],
        hint=answer["hint"],
        expected=answer.get("expected"),
        received=answer.get("received"),
        problems=answer.get("problems", ()),
    )


_OUT_OF_MEMORY = {
    "family": "ConversionError",
    "reference": "conversion-memory",
    "error": "the conversion ran out of memory",
    "hint": "convert on a machine with more memory",
}
