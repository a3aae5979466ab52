"""The hooks as Lambda's runtime client runs them, each in a fresh process: it has one registry."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., str]

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
ANSWER = """
import json, sys, types
from awslambdaric.lambda_runtime_hooks_runner import run_after_restore, run_before_snapshot
from app import handler
run_before_snapshot()
at_snapshot = set(sys.modules)
run_after_restore()
answer = handler(json.loads(sys.argv[1]), types.SimpleNamespace(aws_request_id="r"))
print(json.dumps({"answer": answer, "loaded": sorted(set(sys.modules) - at_snapshot)}))
"""


def http_event(body: bytes, content_type: str) -> str:
    http = {"method": "POST", "path": "/predict", "sourceIp": "192.0.2.1"}
    event = {
        "version": "2.0",
        "headers": {"content-type": content_type},
        "requestContext": {"http": http, "stage": "$default"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    return json.dumps(event)


def last_line(output: str) -> Any:
    return json.loads(output.splitlines()[-1])


def test_the_first_picture_after_a_restore_loads_nothing(run_python: Run, digit_png: bytes) -> None:
    result = last_line(run_python(ANSWER, http_event(digit_png, "image/png"), **SNAP_START))
    assert result["answer"]["statusCode"] == 200
    assert result["loaded"] == []


def test_the_first_upload_after_a_restore_finds_botocore(run_python: Run) -> None:
    script = """
import sys
from awslambdaric.lambda_runtime_hooks_runner import run_before_snapshot
from app import handler
loaded_before = "botocore" in sys.modules
run_before_snapshot()
print(loaded_before, "botocore" in sys.modules, "s3" in vars(handler))
"""
    environ = SNAP_START | {"LITESHIP_S3_INPUT_PREFIX": "incoming/"}
    assert run_python(script, **environ).splitlines()[-1] == "False True False"
    assert run_python(script, **SNAP_START).splitlines()[-1] == "False False False"


def test_two_instances_of_one_snapshot_differ(run_python: Run) -> None:
    """What is random, and what holds credentials and connections."""
    script = """
import json, os, random
from awslambdaric.lambda_runtime_hooks_runner import run_after_restore, run_before_snapshot
from app import handler
run_before_snapshot()
state, client = random.getstate(), handler.s3
drawn = []
for credentials in ("first", "second"):
    random.setstate(state)  # the same snapshot again
    os.environ["AWS_ACCESS_KEY_ID"] = credentials
    run_after_restore()
    keys = handler.s3._request_signer._credentials
    drawn.append([random.random(), handler.s3 is client, keys.access_key])
print(json.dumps(drawn))
"""
    environ = SNAP_START | {
        "LITESHIP_S3_INPUT_PREFIX": "incoming/",
        "AWS_ACCESS_KEY_ID": "at the snapshot",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    first, second = last_line(run_python(script, **environ))
    assert first[0] != second[0]
    assert first[1:] == [False, "first"]
    assert second[1:] == [False, "second"]


def test_the_first_answer_after_a_restore_is_logged_as_the_cold_start(
    run_python: Run, digit_png: bytes
) -> None:
    output = run_python(ANSWER, http_event(digit_png, "image/png"), **SNAP_START)
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["message"] for line in lines if "message" in line] == ["model ready", "predicted"]
    assert [line["cold_start"] for line in lines if "cold_start" in line] == [True]


def test_a_function_that_is_not_ready_is_never_a_snapshot(
    run_python: Run, function_folder: Path
) -> None:
    (function_folder / "model" / "model.tflite").unlink()
    script = """
from awslambdaric.lambda_runtime_hooks_runner import run_before_snapshot
from liteship.errors import NotReadyError
import app
try:
    run_before_snapshot()
except NotReadyError as error:
    print(error.reference)
"""
    assert run_python(script, **SNAP_START).splitlines()[-1] == "artifact-missing"


def test_a_functions_own_hooks_are_not_asked(run_python: Run, function_folder: Path) -> None:
    (function_folder / "app.py").write_text(
        "from liteship import Function\n"
        "def preprocess(body, content_type):\n"
        "    raise SystemExit('asked')\n"
        "handler = Function(__file__, preprocess=preprocess)\n"
    )
    script = """
from awslambdaric.lambda_runtime_hooks_runner import run_before_snapshot
import app
run_before_snapshot()
print("done")
"""
    assert run_python(script, **SNAP_START).splitlines()[-1] == "done"


@pytest.mark.parametrize("kind", ["on-demand", "provisioned-concurrency", None])
def test_without_a_snapshot_nothing_of_it_is_loaded(kind: str | None, run_python: Run) -> None:
    script = "import sys, app; print('snapshot_restore_py' in sys.modules, 'random' in sys.modules)"
    environ = {} if kind is None else {"AWS_LAMBDA_INITIALIZATION_TYPE": kind}
    assert run_python(script, **environ).splitlines()[-1] == "False False"
