"""`GET /model/example`: something that the model takes, for whoever has nothing at hand."""

from __future__ import annotations

from liteship.errors import NotFoundError
from liteship.runtime.examples import example_lists, example_picture
from liteship.runtime.http import WORK, Request, Response, Route
from liteship.runtime.protocols.native import asked_predictor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.runtime.function import Function

MOST_ELEMENTS = 4096
"""Of an example in numbers: what a person can still look at."""

MOST_PIXELS = 512 * 512
"""Of an example that is a picture."""


def example(function: Function, request: Request) -> Response:
    """A body that `POST /predict` answers: the self-test's input as JSON; 404 where there is none."""
    predictor = asked_predictor(function, request)
    manifest = predictor.manifest
    if sum(spec.elements for spec in manifest.inputs) <= 3 * MOST_PIXELS:
        picture = example_picture(predictor)
        if picture is not None:
            return Response(200, {"image": {"b64": picture}})
    lists = example_lists(predictor, MOST_ELEMENTS)
    if lists is not None:
        return Response(200, {"inputs": lists})
    raise NotFoundError(
        "example-none",
        f"there is no example for model {manifest.name}",
        expected=f"at most {MOST_ELEMENTS:,} numbers, and bodies that no code of the function's reads",
        hint="GET /model says what the model takes",
    )


ROUTES = (Route("GET", "/model/example", example, WORK),)
