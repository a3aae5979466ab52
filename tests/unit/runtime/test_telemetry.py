"""What the two writers write. Each runs in a fresh process: a cold start happens once."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from liteship.runtime.telemetry import create_telemetry, metrics_namespace, service_name

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., str]
    Line = dict[str, Any]

SCRIPT = """
import json, sys, types
from app import handler
for number, event in enumerate(json.loads(sys.argv[1])):
    handler(event, types.SimpleNamespace(
        aws_request_id=f"request-{number}",
        function_name="digits",
        memory_limit_in_mb="512",
        invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:digits",
    ))
"""
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=557abcec3ee5a047;Sampled=0"


def event(method: str, path: str, body: bytes = b"", content_type: str = "") -> Line:
    http = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": content_type},
        "requestContext": {"http": http, "stage": "$default"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


@pytest.fixture
def lines_of(run_python: Run, digit_png: bytes) -> Callable[..., list[Line]]:
    """The lines a writer writes for: a cold prediction, a warm one, a refusal, a test event."""
    events = [
        event("POST", "/predict", digit_png, "image/png"),
        event("POST", "/predict", digit_png, "image/png"),
        event("POST", "/predict", b"", "image/png"),
        {"Event": "s3:TestEvent", "Bucket": "uploads"},
    ]

    def lines(observability: str, **environ: str) -> list[Line]:
        output = run_python(SCRIPT, json.dumps(events), LITESHIP_OBSERVABILITY=observability, **environ)
        return [json.loads(line) for line in output.splitlines()]

    return lines


def without_values_of_the_moment(line: Line) -> Line:
    kept: Line = {}
    for key, value in line.items():
        if key == "location":
            kept[key] = re.sub(r":\d+$", "", value)  # the function, not its line
        elif key == "timestamp":
            kept[key] = re.sub(r"\d", "0", value)
        elif key.endswith("_ms"):
            kept[key] = float
        elif key == "InvokeTime":
            kept[key] = len(value)
        elif key == "_aws":
            kept[key] = {**value, "Timestamp": len(str(value["Timestamp"]))}
        else:
            kept[key] = value
    return kept


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"POWERTOOLS_SERVICE_NAME": "wine", "POWERTOOLS_METRICS_NAMESPACE": "shop"},
        {
            "AWS_LAMBDA_FUNCTION_NAME": "digits-prod",
            "AWS_LAMBDA_FUNCTION_VERSION": "7",
            "_X_AMZN_TRACE_ID": TRACE,
        },
        # As on Lambda itself, where Powertools switches its Tracer on.
        {"LAMBDA_TASK_ROOT": "/var/task", "AWS_LAMBDA_FUNCTION_NAME": "x", "_X_AMZN_TRACE_ID": TRACE},
    ],
    ids=["bare", "named", "traced", "lambda"],
)
def test_both_writers_write_the_same_fields(
    environ: dict[str, str], lines_of: Callable[..., list[Line]]
) -> None:
    lean, powertools = (
        [without_values_of_the_moment(line) for line in lines_of(observability, **environ)]
        for observability in ("lean", "powertools")
    )
    assert lean == powertools
    assert any("_aws" in line for line in lean)


@pytest.mark.parametrize("observability", ["lean", "powertools"])
def test_one_cold_start_and_a_metric_line_an_invocation(
    observability: str, lines_of: Callable[..., list[Line]]
) -> None:
    lines = lines_of(observability)
    logs = [line for line in lines if "_aws" not in line]
    metrics = [line for line in lines if "_aws" in line]
    assert [(line["message"], line.get("cold_start")) for line in logs] == [
        ("model ready", None),
        ("predicted", True),
        ("predicted", False),
        ("refused", False),
        ("S3 test event acknowledged", False),
    ]
    assert [line.get("function_request_id") for line in logs] == [
        None,
        *(f"request-{number}" for number in range(4)),
    ]
    names = [
        {each["Name"]: each["Unit"] for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
        for line in metrics
    ]
    predicted = {"Predictions": "Count", "InvokeTime": "Milliseconds", "LowConfidence": "Count"}
    assert names == [{"ColdStart": "Count", **predicted}, predicted, {"Refusals": "Count"}]
    for line in metrics:
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "liteship"
        assert directive["Dimensions"] == [["function_version", "service"]]
        assert (line["service"], line["function_version"]) == ("liteship", "$LATEST")
        assert all(line[each["Name"]] for each in directive["Metrics"])
    assert {line["level"] for line in logs} == {"INFO", "WARNING"}


@pytest.mark.parametrize("observability", ["lean", "powertools"])
def test_a_canarys_version_is_counted_apart(
    observability: str, lines_of: Callable[..., list[Line]]
) -> None:
    """Each line, those after an invocation without metrics included."""
    lines = lines_of(observability, AWS_LAMBDA_FUNCTION_VERSION="12")
    versions = {line["function_version"] for line in lines if "_aws" in line}
    assert versions == {"12"}


@pytest.mark.parametrize("observability", ["lean", "powertools"])
@pytest.mark.parametrize(("threshold", "counted"), [("1", 1), ("0", 0)])
def test_an_unsure_answer_is_counted_and_a_sure_one_too(
    threshold: str, counted: int, observability: str, lines_of: Callable[..., list[Line]]
) -> None:
    """The average is the share of unsure answers: a sure one has to count as 0."""
    lines = lines_of(observability, LITESHIP_LOW_CONFIDENCE=threshold)
    assert [line["LowConfidence"] for line in lines if "LowConfidence" in line] == [[counted]] * 2
    best = [line["confidence"] for line in lines if line.get("message") == "predicted"]
    assert all(0.5 < each < 1 and each == round(each, 4) for each in best)


@pytest.mark.parametrize("observability", ["lean", "powertools"])
def test_an_answer_without_labels_has_no_confidence(observability: str, run_python: Run) -> None:
    script = """
import types
from liteship.runtime.inference import Inference
from app import handler
timings = {"preprocess": 1.0, "invoke": 1.0, "postprocess": 1.0}
inference = Inference("m", "1", [{}], [{}], [], timings)
handler.telemetry.wrap(lambda event, context: handler.telemetry.predicted(inference))(
    {}, types.SimpleNamespace(
        aws_request_id="r", function_name="f", memory_limit_in_mb="512", invoked_function_arn="a"
    ))
"""
    output = run_python(script, LITESHIP_OBSERVABILITY=observability)
    *_, log, metrics = [json.loads(line) for line in output.splitlines()]
    assert "confidence" not in log
    assert "LowConfidence" not in metrics


def test_more_values_than_a_line_may_hold_are_several_lines(run_python: Run) -> None:
    """A large batch: CloudWatch drops what is beyond a hundred values."""
    script = """
import types
from app import handler
def batch(event, context):
    for _ in range(250):
        handler.telemetry.refused(ValueError("broken"), 500)
handler.telemetry.wrap(batch)({}, types.SimpleNamespace(
    aws_request_id="r", function_name="f", memory_limit_in_mb="512", invoked_function_arn="a"
))
"""
    counts = {}
    for observability in ("lean", "powertools"):
        output = run_python(script, LITESHIP_OBSERVABILITY=observability)
        lines = [json.loads(line) for line in output.splitlines()]
        counts[observability] = [len(line["Errors"]) for line in lines if "Errors" in line]
    assert counts["lean"] == counts["powertools"] == [100, 100, 50]


@pytest.mark.parametrize("observability", ["lean", "powertools"])
def test_a_line_names_the_place_that_had_something_to_say(
    observability: str, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = create_telemetry(observability, {"POWERTOOLS_SERVICE_NAME": f"place-{observability}"})
    telemetry.warning("careful", detail=[1, "é"])
    line = json.loads(capsys.readouterr().out)
    assert line["location"].startswith("test_a_line_names_the_place_that_had_something_to_say:")
    assert line["detail"] == [1, "é"]
    assert line["level"] == "WARNING"


def test_lean_writes_what_json_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    create_telemetry("lean", {}).info("odd", value={1}, key="\ud800")
    assert json.loads(capsys.readouterr().out)["key"] == "\ud800"


@pytest.mark.parametrize("observability", ["lean", "powertools"])
def test_outside_lambda_no_metric_line_is_written(
    observability: str, run_python: Run, digit_png: bytes
) -> None:
    script = """
import base64, sys
from app import handler
from liteship.runtime.http import Request
from liteship.runtime.routes import answer
body = base64.b64decode(sys.argv[1])
for _ in range(3):
    answer(handler, Request("POST", "/predict", {"content-type": "image/png"}, body, "id"))
"""
    output = run_python(
        script, base64.b64encode(digit_png).decode(), LITESHIP_OBSERVABILITY=observability
    )
    messages = [json.loads(line).get("message") for line in output.splitlines()]
    assert messages == ["model ready", *["predicted"] * 3]


@pytest.mark.parametrize("observability", ["lean", "powertools"])
def test_a_failing_invocation_still_writes_its_metrics(observability: str, run_python: Run) -> None:
    script = """
import types
from app import handler
def failing(event, context):
    handler.telemetry.refused(ValueError("broken"), 500)
    raise ValueError("broken")
try:
    handler.telemetry.wrap(failing)({}, types.SimpleNamespace(
        aws_request_id="r", function_name="f", memory_limit_in_mb="512", invoked_function_arn="a"
    ))
except ValueError:
    pass
"""
    output = run_python(script, LITESHIP_OBSERVABILITY=observability)
    *_, log, metrics = [json.loads(line) for line in output.splitlines()]
    assert log["level"] == "ERROR"
    assert "Traceback" in log["traceback"] or "ValueError: broken" in log["traceback"]
    assert metrics["Errors"] == [1.0]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "liteship"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "a"}, "a"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "a", "POWERTOOLS_SERVICE_NAME": "b"}, "b"),
    ],
)
def test_the_service_is_named_as_powertools_would(environ: dict[str, str], name: str) -> None:
    assert service_name(environ) == name


def test_the_namespace_is_powertools() -> None:
    assert metrics_namespace({}) == "liteship"
    assert metrics_namespace({"POWERTOOLS_METRICS_NAMESPACE": "shop"}) == "shop"
