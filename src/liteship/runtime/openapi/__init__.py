"""The OpenAPI document of the model that is served; knows no framework.

One module a protocol describes that protocol's routes, by method and template. A route that none
describes stays in the document as FastAPI describes it; a test says so.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from liteship.runtime.openapi import native, open_inference, tf_serving
from liteship.runtime.openapi.parts import COMPONENTS, path_parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liteship.artifact.manifest import Manifest
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

_CHOICES = ("/versions/{version}", "/labels/{label}")
"""Parts of a path that choose among versions: what is said without them holds with them."""


def described_as(route: Route) -> tuple[str, str]:
    """The key of a route's description in `OPERATIONS`."""
    template = route.template
    for choice in _CHOICES:
        template = template.replace(choice, "")
    return route.method, template


def describe(document: Json, routes: Iterable[Route], predictor: Predictor | Pipeline) -> Json:
    """The OpenAPI document of one model.

    Args:
        document: What FastAPI says of the other routes; stays as it is.
        routes: To be described.
        predictor: The model, or the pipeline.
    """
    paths = {path: dict(operations) for path, operations in document.get("paths", {}).items()}
    for route in routes:
        key = described_as(route)
        if key not in OPERATIONS:
            continue
        method, operations = route.method.lower(), paths.setdefault(route.template, {})
        description = OPERATIONS[key]
        if description is None:
            operations.pop(method, None)
        else:
            operations[method] = _operation(route, description(predictor), predictor.manifest)
    components = document.get("components", {})
    merged = {kind: {**components.get(kind, {}), **ours} for kind, ours in COMPONENTS.items()}
    return {
        **document,
        "info": _info(predictor.manifest),
        # Relative to this document, whichever stage of an API it is read at
        "servers": [{"url": "./"}],
        "paths": {path: operations for path, operations in paths.items() if operations},
        "components": {**components, **merged},
    }


def _operation(route: Route, description: Json, manifest: Manifest) -> Json:
    parameters = [*path_parameters(route.template, manifest), *description.get("parameters", ())]
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
