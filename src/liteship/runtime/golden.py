"""Judges a deployed function from outside, by its answer to the model's golden input.

Every start runs the golden input through the interpreter. What is judged here is what callers get:
the same input over HTTP, through the deployed function's codec and postprocessing. Neither an
interpreter nor LiteRT is needed for it.
"""

from __future__ import annotations

from liteship.runtime.codecs import BINARY_TYPE
from liteship.runtime.predictor import Predictor
from liteship.runtime.self_test import golden_tolerance, greatest_difference, read_golden_outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from liteship.artifact.folder import Artifact

    Ask = Callable[[str, str, bytes, str], Mapping[str, object]]
    """Method, path, body and content type in; the answer's JSON object out, an error's included."""

SLOPE = {"none": 1.0, "softmax": 0.5, "sigmoid": 0.25}
"""How much of a difference in its input an activation lets through at most: its steepest slope.
Softmax: the absolute derivatives of one score by all inputs sum to 2p(1 - p); sigmoid: s(1 - s)."""


def golden_request(artifact: Artifact) -> tuple[bytes, str]:
    """The golden input as the body of a request, and its content type."""
    return b"".join(artifact.golden_inputs), BINARY_TYPE


def ask_golden(artifact: Artifact, ask: Ask) -> list[str]:
    """Asks a deployed function, and judges it; see `golden_problems`.

    Args:
        artifact: What should be deployed.
        ask: Carries a request to the function; what it raises is passed on.
    """
    ready = ask("GET", "/health/ready", b"", "")
    # By name: a pipeline may answer what names no model
    path = f"/predict?model={artifact.manifest.name}"
    answer = None if ready.get("hooks") else ask("POST", path, *golden_request(artifact))
    return golden_problems(artifact, ready, answer)


def golden_problems(
    artifact: Artifact, ready: Mapping[str, object], answer: Mapping[str, object] | None
) -> list[str]:
    """What is wrong with a deployed function, one line each; nothing if it serves this artifact.

    Args:
        artifact: What should be deployed.
        ready: The function's answer to `GET /health/ready`, an error's included.
        answer: Its answer to `POST /predict` of the golden request. None where `ready` names hooks:
            what a function's own steps make of it cannot be known.
    """
    manifest = artifact.manifest
    expected = {
        "ready": True,
        "model": manifest.name,
        "version": manifest.version,
        "sha256": manifest.sha256,
    }
    if ready.get("ready") is not True and "error" in ready:
        return [f"the function is not ready: {_refusal(ready)}"]
    problems = [
        f"ready: {field} is {ready.get(field)!r:.80}, expected {value!r}"
        for field, value in expected.items()
        if ready.get(field) != value
    ]
    if ready.get("hooks"):
        return problems
    if answer is None:
        return problems or ["the golden input was not sent, although no hook replaces a step"]
    if "error" in answer:
        return [*problems, f"the golden input is refused: {_refusal(answer)}"]
    problems += [
        f"answer: {field} is {answer.get(field)!r:.80}, expected {expected[field]!r}"
        for field in ("model", "version")
        if answer.get(field) != expected[field]
    ]
    judge = _predictions_problems if manifest.postprocessing.labels else _outputs_problems
    return problems + judge(artifact, answer)


def _refusal(content: Mapping[str, object]) -> str:
    return f"{content.get('error')} ({content.get('reference', 'no reference')})"


def _predictions_problems(artifact: Artifact, answer: Mapping[str, object]) -> list[str]:
    manifest, postprocessing = artifact.manifest, artifact.manifest.postprocessing
    rows = answer.get("predictions")
    found = {str(row.get("label")): row.get("score") for row in _objects(rows)}
    count = min(postprocessing.top_k, len(postprocessing.labels))
    if not isinstance(rows, list) or len(found) != count or len(rows) != count:
        return [f"answer: predictions is {rows!r:.80}, expected {count} of label and score"]
    outputs = read_golden_outputs(manifest)
    scores = Predictor(artifact).scores(outputs)
    expected = dict(zip(postprocessing.labels, scores, strict=True))
    spec = manifest.outputs[0]
    tolerance = SLOPE[postprocessing.activation] * golden_tolerance(outputs[spec.name], spec)
    return [
        f"answer: {label!r:.60} has score {score!r:.60}, "
        f"expected {_in_words(expected.get(label), tolerance)}"
        for label, score in found.items()
        if not _is_near(score, expected.get(label), tolerance)
    ]


def _outputs_problems(artifact: Artifact, answer: Mapping[str, object]) -> list[str]:
    manifest = artifact.manifest
    found = {each.get("name"): each for each in _objects(answer.get("outputs"))}
    problems = []
    golden_outputs = read_golden_outputs(manifest)
    for spec in manifest.outputs:
        name, want = spec.name, golden_outputs[spec.name]
        output = found.get(name, {})
        shape, data = output.get("shape"), output.get("data")
        if (
            shape != list(spec.item_shape)
            or not isinstance(data, list)
            or len(data) != len(want)
            or not all(isinstance(each, (int, float)) for each in data)
        ):
            problems.append(f"answer: output {name} is {output!r:.80}, expected {len(want)} numbers")
            continue
        difference, tolerance = greatest_difference(data, want), golden_tolerance(want, spec)
        if not difference <= tolerance:  # a NaN must fail
            problems.append(
                f"answer: output {name} differs from the golden one by {difference:.6g}, "
                f"expected at most {tolerance:.6g}"
            )
    return problems


def _objects(value: object) -> list[dict[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is_near(score: object, expected: float | None, tolerance: float) -> bool:
    if expected is None or not isinstance(score, (int, float)):
        return False
    return abs(score - expected) <= tolerance  # a NaN is not


def _in_words(expected: float | None, tolerance: float) -> str:
    return "another label" if expected is None else f"{expected:.6g} ± {tolerance:.6g}"
