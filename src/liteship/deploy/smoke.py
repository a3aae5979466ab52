"""Asks a deployed function for its health and for the golden input's answer, as callers would."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.errors import DeploymentError
from liteship.runtime.golden import ask_golden

if TYPE_CHECKING:
    from liteship.artifact import Artifact
    from liteship.runtime.golden import Ask

PATIENCE_S = 60.0
"""A new address takes seconds until every name server knows it, and a first start takes its own."""

PAUSE_S = 1.0
ANSWER_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """A smoke test that was passed.

    Attributes:
        target: What was asked.
        attempts: How often, until the answer was right.
        earlier: What was wrong with the attempt before; empty where there was none.
    """

    target: str
    attempts: int
    earlier: tuple[str, ...]


def smoke_test(
    name: str,
    artifact: Artifact,
    ask: Ask,
    target: str,
    *,
    patience_s: float = PATIENCE_S,
    divided: str = "",
    hint: str = "",
) -> SmokeTest:
    """Asks until the function answers the golden input as this artifact does.

    Every wrong answer is asked again for a while: a new address is not known everywhere at once, and
    while traffic is divided the version before answers too.

    Args:
        name: The function's.
        artifact: What was deployed.
        ask: See `over_http`; raises OSError where nobody answers.
        target: What is asked, for people.
        patience_s: How long.
        divided: Where traffic goes to several versions, how; an error says so.
        hint: The next step that an error names; by default Lambda's.

    Raises:
        DeploymentError: `smoke-test-failed`, with all that the last attempt found wrong.
    """
    deadline = time.monotonic() + patience_s
    attempts, problems = 0, list[str]()
    while True:
        attempts += 1
        earlier, problems = problems, _problems(artifact, ask)
        if not problems:
            return SmokeTest(target=target, attempts=attempts, earlier=tuple(earlier))
        if time.monotonic() >= deadline:
            break
        time.sleep(min(PAUSE_S, patience_s))
    traffic = f"; traffic is divided: {divided}" if divided else ""
    raise DeploymentError(
        "smoke-test-failed",
        f"{name} is deployed, but does not answer the golden input as it should{traffic}",
        problems=problems,
        expected=f"model {artifact.manifest.name} version {artifact.manifest.version}, sha256 "
        f"{artifact.manifest.sha256}, and its golden output",
        received=f"the above from {target}, after {attempts} attempt(s)",
        hint=hint or f"liteship rollback {name}; liteship logs {name} says what went wrong",
    )


def _problems(artifact: Artifact, ask: Ask) -> list[str]:
    try:
        return ask_golden(artifact, ask)
    except OSError as error:
        return [f"no answer: {error}"]


def over_http(url: str, *, host: str | None = None) -> Ask:
    """Asks a URL.

    Args:
        url: Scheme, host and port, and a path before every path where there is one.
        host: What the `Host` header says; by default the URL's own host.
    """

    def ask(method: str, path: str, body: bytes, content_type: str) -> dict[str, object]:
        headers = {"content-type": content_type} if content_type else {}
        request = urllib.request.Request(  # noqa: S310  # a platform's output, or the user's own
            f"{url.rstrip('/')}{path}",
            data=body or None,
            headers=headers | ({"host": host} if host else {}),
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S) as response:  # noqa: S310
                return parsed(response.read(), response.status)
        except urllib.error.HTTPError as error:
            return parsed(error.read(), error.code)
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP answer: {error!r}") from error

    return ask


def parsed(content: bytes | str, status: int) -> dict[str, object]:
    """An answer's JSON object; where it is none, an object that says so."""
    try:
        fields: Any = json.loads(content)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        text = content if isinstance(content, str) else content.decode(errors="replace")
        return {"error": f"status {status}, {text[:80]!r} instead of a JSON object"}
    # The HTTP API's own refusals say "message"
    # (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-troubleshooting-lambda.html)
    if status >= 400 and "error" not in fields:
        return {"error": f"status {status}, {fields.get('message', fields)}"}
    return fields
