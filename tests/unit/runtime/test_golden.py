from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from liteship import Artifact, Predictor
from liteship.artifact import Golden, Manifest, Postprocessing
from liteship.runtime.golden import golden_problems, golden_request
from liteship.runtime.http import Request
from liteship.runtime.routes import answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from liteship import Function

    Content = dict[str, Any]


@pytest.fixture(scope="module")
def artifact(artifact_folder: Path) -> Artifact:
    return Artifact.load(artifact_folder)


def with_manifest(artifact: Artifact, **changes: Any) -> Artifact:
    fields = {name: getattr(artifact.manifest, name) for name in Manifest.__slots__}
    return Artifact(Manifest(**(fields | changes)), artifact.model, artifact.golden_inputs)


def ask(function: Function, method: str, path: str, body: bytes = b"", kind: str = "") -> Content:
    response = answer(function, Request(method, path, {"content-type": kind}, body, "id"))
    assert response is not None
    content: Content = json.loads(response.body)
    return content


@pytest.fixture
def answers(make_function: Callable[..., Function], artifact: Artifact) -> tuple[Content, Content]:
    """What the real function answers to both questions."""
    function = make_function()
    body, content_type = golden_request(artifact)
    ready = ask(function, "GET", "/health/ready")
    return ready, ask(function, "POST", "/predict", body, content_type)


def test_the_function_that_serves_the_artifact_has_no_problem(
    artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    assert golden_problems(artifact, *answers) == []


@pytest.mark.parametrize("field", ["model", "version", "sha256"])
def test_another_model_is_told_by_what_differs(
    field: str, artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    ready, golden = answers
    (problem,) = golden_problems(artifact, ready | {field: "other"}, golden)
    assert (
        problem == f"ready: {field} is 'other', expected {getattr(artifact.manifest, _named(field))!r}"
    )


def _named(field: str) -> str:
    return "name" if field == "model" else field


def test_an_older_liteship_that_names_no_digest_is_a_problem(
    artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    ready, golden = answers
    del ready["sha256"]
    (problem,) = golden_problems(artifact, ready, golden)
    assert problem.startswith("ready: sha256 is None, expected")


def test_a_function_that_is_not_ready_says_why(
    artifact: Artifact, function_folder: Path, make_function: Callable[..., Function]
) -> None:
    (function_folder / "model" / "model.tflite").unlink()
    ready = ask(make_function(), "GET", "/health/ready")
    (problem,) = golden_problems(artifact, ready, None)
    assert "the function is not ready" in problem
    assert "artifact-missing" in problem


def test_a_refused_golden_input_says_why(artifact: Artifact, answers: tuple[Content, Content]) -> None:
    refusal = {"error": "the request body is too large", "reference": "body-too-large"}
    assert golden_problems(artifact, answers[0], refusal) == [
        "the golden input is refused: the request body is too large (body-too-large)"
    ]


@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
def test_scores_may_differ_as_the_self_tests_may(activation: str, artifact: Artifact) -> None:
    labels = artifact.manifest.postprocessing.labels
    activated = with_manifest(artifact, postprocessing=Postprocessing(activation, labels, top_k=10))
    body, content_type = golden_request(artifact)
    golden = Predictor(activated).predict(body, content_type).fields
    manifest = activated.manifest
    ready = {"ready": True, "model": manifest.name, "version": manifest.version, "hooks": []}
    ready["sha256"] = manifest.sha256
    assert golden_problems(activated, ready, golden) == []
    rows: Any = golden["predictions"]
    rows[3]["score"] += 0.5  # far more than a tenth of a probability
    (problem,) = golden_problems(activated, ready, golden)
    assert rows[3]["label"] in problem
    rows[3]["score"] = math.nan
    assert len(golden_problems(activated, ready, golden)) == 1


def test_what_rounding_of_another_processor_gives_is_no_problem(
    artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    """Two steps of the quantized output: the self-test of that processor passes too."""
    ready, golden = answers
    scale = artifact.manifest.outputs[0].scale
    golden["predictions"][0]["score"] -= 2 * scale
    assert golden_problems(artifact, ready, golden) == []


def test_another_postprocessing_is_found_although_the_model_is_the_same(
    artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    turned = list(reversed(artifact.manifest.postprocessing.labels))
    expected = with_manifest(artifact, postprocessing=Postprocessing("none", turned))
    problems = golden_problems(expected, *answers)
    assert problems
    assert all("has score" in problem for problem in problems)


@pytest.mark.parametrize(
    "predictions",
    [None, "7", [], [{"label": "7"}], [{"label": [1], "score": 1.0}] * 3, [7, 7, 7], {"label": "7"}],
)
def test_an_answer_of_another_form_is_a_problem_and_no_failure(
    predictions: object, artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    ready, golden = answers
    (problem,) = golden_problems(artifact, ready, golden | {"predictions": predictions})
    assert "expected 3 of label and score" in problem


def test_a_label_that_the_model_does_not_have_is_a_problem(
    artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    ready, golden = answers
    golden["predictions"][0]["label"] = "cat"
    (problem,) = golden_problems(artifact, ready, golden)
    assert "'cat'" in problem


def test_tensors_are_compared_where_there_are_no_labels(
    artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    unlabelled = with_manifest(artifact, postprocessing=Postprocessing(labels=[]))
    body, content_type = golden_request(unlabelled)
    fields: Any = Predictor(unlabelled).predict(body, content_type).fields
    ready = answers[0]
    assert golden_problems(unlabelled, ready, fields) == []
    for damage in ("data", "shape", "name"):
        broken = json.loads(json.dumps(fields))
        broken["outputs"][0][damage] = broken["outputs"][0][damage][:-1]
        (problem,) = golden_problems(unlabelled, ready, broken)
        assert "answer: output" in problem
    fields["outputs"][0]["data"][0] += 1
    (problem,) = golden_problems(unlabelled, ready, fields)
    assert "differs from the golden one by" in problem
    assert golden_problems(unlabelled, ready, fields | {"outputs": None})


def test_with_hooks_only_readiness_is_judged(
    artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    ready, _ = answers
    assert golden_problems(artifact, ready | {"hooks": ["postprocess"]}, None) == []
    (problem,) = golden_problems(artifact, ready | {"hooks": ["preprocess"], "version": "0"}, None)
    assert "version" in problem


def test_a_golden_input_that_nobody_sent_proves_nothing(
    artifact: Artifact, answers: tuple[Content, Content]
) -> None:
    (problem,) = golden_problems(artifact, answers[0], None)
    assert "not sent" in problem


def test_several_inputs_are_one_body(artifact: Artifact) -> None:
    (spec,), (content,) = artifact.manifest.inputs, artifact.golden_inputs
    second = type(spec)("second", spec.dtype, spec.shape, spec.scale, spec.zero_point)
    twofold = with_manifest(
        artifact,
        inputs=[spec, second],
        golden=Golden(artifact.manifest.golden.file, artifact.manifest.golden.outputs),
    )
    two = Artifact(twofold.manifest, twofold.model, [content, bytes(reversed(content))])
    assert golden_request(two) == (content + bytes(reversed(content)), "application/octet-stream")


def test_judging_needs_no_interpreter(artifact_folder: Path) -> None:
    script = (
        "import sys; from liteship.artifact.folder import Artifact\n"
        "from liteship.runtime.golden import golden_problems, golden_request\n"
        "artifact = Artifact.load(sys.argv[1]); golden_request(artifact)\n"
        "assert golden_problems(artifact, {'ready': True}, {})\n"
        "print([name for name in sys.modules if 'backends' in name or name in ('numpy', 'ctypes')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, artifact_folder], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
