"""A Lambda function of its own: CodeDeploy asks it whether a new version may get traffic.

It stands in a bundle of the function that it judges, beside the same `model/`, and asks the new
version over Lambda's Invoke API. It needs no LiteRT, only the boto3 of Lambda's Python runtime.
https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
"""

from __future__ import annotations

import json
import os
from functools import partial

from liteship.artifact.folder import Artifact
from liteship.runtime.golden import ask_golden
from liteship.runtime.http_event import http_event
from liteship.runtime.settings import Settings
from liteship.runtime.telemetry import create_telemetry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

REPORT_S = 10.0
"""Kept of the hook's own time for its report: a deployment waits for one until it gives up."""

CONNECT_TIMEOUT_S = 1.0

LEAST_S = 1.0
"""Given to an answer, however little time is left."""


def handler(event: Mapping[str, Any], context: Any) -> dict[str, object]:
    """Judges the version that `LITESHIP_HOOK_TARGET` names, and reports to CodeDeploy.

    Args:
        event: CodeDeploy's: `DeploymentId` and `LifecycleEventHookExecutionId`.
        context: Lambda's; says how much time is left.

    Returns:
        `status` and `problems`, as reported and logged.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: The report could not be made.
    """
    telemetry = create_telemetry("lean", os.environ)
    target = os.environ.get("LITESHIP_HOOK_TARGET", "")
    try:
        problems = find_problems(target, _remaining_s(context) - REPORT_S)
    except Exception as error:  # noqa: BLE001  # whatever it is, this version gets no traffic
        problems = [f"the version could not be judged: {type(error).__name__}: {error}"]
    status = "Failed" if problems else "Succeeded"
    for problem in problems:
        telemetry.error("problem", target=target, problem=problem)
    telemetry.info("judged", target=target, status=status, problems=len(problems))

    _client("codedeploy", REPORT_S / 2).put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return {"status": status, "problems": problems}


def find_problems(target: str, patience_s: float) -> list[str]:
    """What is wrong with a deployed version; nothing if it answers as this bundle's artifact must.

    Args:
        target: Function name or ARN, with the version.
        patience_s: Longest time for both answers together.

    Raises:
        ArtifactError: The artifact cannot be read.
        botocore.exceptions.BotoCoreError, ClientError: Lambda cannot be reached, or refuses.
        ValueError: An answer that is none of HTTP.
    """
    home = os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd()
    artifact = Artifact.load(Settings(os.environ).model_folder(home))
    client = _client("lambda", max(patience_s / 2, LEAST_S))
    return ask_golden(artifact, partial(_ask, client, target))


def _ask(client: Any, target: str, method: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
    """The JSON body of the version's answer, an error's included."""
    event = http_event(method, path, body, kind)
    response = client.invoke(FunctionName=target, Payload=json.dumps(event).encode())
    payload = response["Payload"].read()
    try:
        content = json.loads(json.loads(payload)["body"])
    except (ValueError, KeyError, TypeError):
        content = None
    if not isinstance(content, dict):
        raise ValueError(f"{method} {path}: {payload.decode(errors='replace'):.500}")  # noqa: TRY004
    return content


def _client(service: str, read_timeout_s: float) -> Any:
    """A client that gives up in time; a second try would have to share it."""
    import boto3
    from botocore.config import Config

    timeouts = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        retries={"total_max_attempts": 1},
    )
    return boto3.client(service, config=timeouts)


def _remaining_s(context: Any) -> float:
    remaining_ms: float = context.get_remaining_time_in_millis()
    return remaining_ms / 1e3
