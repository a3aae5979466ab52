"""Calling a deployed function through Lambda's Invoke API."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from liteship.deploy.aws.client import Aws, AwsError
from liteship.deploy.aws.stack import ALIAS
from liteship.errors import DeploymentError, InputError

if TYPE_CHECKING:
    from liteship.deploy.aws.stack import DeployedFunction

MARGIN_S = 30.0
"""Longer than the function may take: its cold start, and the network."""

LOG_LINES = 20
"""How much of the log's tail an error shows; Lambda sends the last 4 KB."""


def invoke_remote(
    deployed: DeployedFunction,
    event: object,
    *,
    region: str,
    timeout_s: float,
    version: str | None = None,
) -> Any:
    """Sends one event to a deployed function and returns its answer.

    Args:
        deployed: The function.
        event: JSON-ready.
        region: Where it stands.
        timeout_s: Longest time that it may take.
        version: Which published version; by default what the alias `live` leads to.

    Raises:
        DeploymentError: `invocation-failed` with the tail of the log, or `version-missing`.
        InputError: `event-too-large`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    # Once: an event sent again is work done twice
    with Aws(region, read_timeout_s=timeout_s + MARGIN_S, attempts=1) as aws:
        try:
            answer = aws.call(
                "lambda",
                "invoke",
                FunctionName=deployed.function,
                Qualifier=version or ALIAS,
                Payload=json.dumps(event).encode(),
                LogType="Tail",
            )
            content = answer["Payload"].read()
        except AwsError as error:
            raise _explained(error, deployed, version or ALIAS) from error
    fields = _parsed(content)
    failed = answer.get("FunctionError") or (
        # What the runtime interface emulator leaves out
        isinstance(fields, dict) and {"errorMessage", "errorType"} <= fields.keys()
    )
    if failed:
        what = fields if isinstance(fields, dict) else {"errorMessage": fields}
        raise DeploymentError(
            "invocation-failed",
            f"{deployed.function} failed with {what.get('errorType', 'an error')}: "
            f"{what.get('errorMessage')}",
            problems=_tail(answer.get("LogResult", "")),
            hint=f"the event is at fault, or see more: liteship logs {deployed.name}",
        )
    return fields


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:  # a function may answer anything
        return content.decode(errors="replace")


def _tail(encoded: str) -> list[str]:
    lines = base64.b64decode(encoded).decode(errors="replace").splitlines()
    return [line for line in lines if line][-LOG_LINES:]


def _explained(error: AwsError, deployed: DeployedFunction, qualifier: str) -> Exception:
    if error.reference == "aws-not-found":
        return DeploymentError(
            "version-missing",
            f"{deployed.function} has no version or alias {qualifier}",
            received=str(error.message),
            hint=f"liteship versions {deployed.name} lists them",
        )
    if error.code == "RequestTooLargeException":
        return InputError(
            "event-too-large",
            f"the event is larger than Lambda takes: {error.message}",
            expected="at most 6 MB as JSON",
            hint="send a smaller picture, or upload it to S3",
        )
    return error
