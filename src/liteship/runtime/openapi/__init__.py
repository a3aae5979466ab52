"""The OpenAPI document of the model that is served; knows no framework.

One module a protocol describes that protocol's routes, by method and template. A route that none
describes is not in the document; a test says so.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import liteship
from liteship.errors import NotReadyError
from liteship.runtime.openapi import native, open_inference, tf_serving
from liteship.runtime.openapi.parts import COMPONENTS, path_parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from liteship.artifact.manifest import Manifest
    from liteship.runtime.function import Function
    from liteship.runtime.http import Route
    from liteship.runtime.openapi.parts import Json
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor

    Describe = Callable[[Predictor | Pipeline], Json]

OPERATIONS: dict[tuple[str, str], Describe | None] = {
    **native.OPERATIONS,
    **open_inference.OPERATIONS,
    **tf_serving.OPERATIONS,
}
"""What describes a method and a path; None for one that the document leaves out."""

EMPTY: Json = {
    "openapi": "3.1.0",
    "info": {"title": "liteship", "version": liteship.__version__},
    "paths": {},
}
"""The document of an application without routes of its own."""

_CHOICES = ("/versions/{version}", "/labels/{label}")
"""Parts of a path that choose among versions: what is said without them holds with them."""


def described_as(route: Route) -> tuple[str, str]:
    """The key of a route's description in `OPERATIONS`."""
    template = route.template
    for choice in _CHOICES:
        template = template.replace(choice, "")
    return route.method, template


def document(function: Function, routes: Iterable[Route], own: Json) -> Json:
    """The OpenAPI document of the model that is served now.

    Args:
        function: Serves it. While it has no model, the routes have their names and no more.
        routes: To be described.
        own: The document of the user's own routes.
    """
    try:
        predictor = function.predictor_for()
    except NotReadyError:
        named: Json = {}
        for route in routes:
            if OPERATIONS.get(described_as(route)) is not None:
                named.setdefault(route.template, {})[route.method.lower()] = _operation(route, {}, {})
        return {**own, "paths": {**named, **own["paths"]}}
    return describe(own, routes, predictor)


def describe(document: Json, routes: Iterable[Route], predictor: Predictor | Pipeline) -> Json:
    """The OpenAPI document of one model.

    Args:
        document: Of the other routes; stays as it is.
        routes: To be described.
        predictor: The model, or the pipeline.
    """
    manifest = predictor.manifest
    examples = {"name": manifest.name, "version": manifest.version}
    paths = {path: dict(operations) for path, operations in document.get("paths", {}).items()}
    for route in routes:
        description = OPERATIONS.get(described_as(route))
        if description is not None:
            operations = paths.setdefault(route.template, {})
            operations[route.method.lower()] = _operation(route, description(predictor), examples)
    components = document.get("components", {})
    merged = {kind: {**components.get(kind, {}), **ours} for kind, ours in COMPONENTS.items()}
    return {
        **document,
        "info": _info(manifest),
        # Relative to this document, whichever stage of an API it is read at
        "servers": [{"url": "./"}],
        "paths": paths,
        "components": {**components, **merged},
    }


def _operation(route: Route, description: Json, examples: Mapping[str, str]) -> Json:
    parameters = [*path_parameters(route.template, examples), *description.get("parameters", ())]
    words = "".join(character if character.isalnum() else " " for character in route.template)
    return {
        "operationId": "_".join([route.method.lower(), *words.split()]),
        "summary": (route.answer.__doc__ or "").splitlines()[0],
        **description,
        **({"parameters": parameters} if parameters else {}),
    }


def _info(manifest: Manifest) -> Json:
    facts = [f"A TFLite model of scheme `{manifest.scheme}`, {manifest.size_bytes:,} bytes."]
    accuracy = manifest.provenance.get("accuracy")
    if isinstance(accuracy, dict) and {"metric", "artifact", "samples"} <= accuracy.keys():
        facts.append(
            f"Measured {accuracy['metric']}: {accuracy['artifact']} on {accuracy['samples']} samples"
            + (f" (before its conversion: {accuracy['source']})." if "source" in accuracy else ".")
        )
    return {"title": manifest.name, "version": manifest.version, "description": " ".join(facts)}
