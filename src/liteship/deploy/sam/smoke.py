"""Asks a function in the account: at its URL, or through Lambda's API where it has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liteship.deploy.aws.remote import invoke_remote
from liteship.deploy.aws.versions import read_routing
from liteship.deploy.local.events import http_event
from liteship.deploy.smoke import over_http, parsed, smoke_test
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from liteship.artifact import Artifact
    from liteship.config import FunctionConfig
    from liteship.deploy.aws.client import Aws
    from liteship.deploy.aws.stack import DeployedFunction
    from liteship.deploy.smoke import SmokeTest
    from liteship.runtime.golden import Ask


def smoke_test_of(
    aws: Aws, deployed: DeployedFunction, config: FunctionConfig, artifact: Artifact
) -> SmokeTest:
    """Asks a deployed function: at its URL, or through Lambda's API where it has none.

    Raises:
        DeploymentError: `smoke-test-failed`, `alias-missing`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    url = deployed.stack.outputs.get(f"{deployed.logical_id}Url")
    percents = read_routing(aws, deployed).percents
    shares = ", ".join(f"version {version} {share:g} %" for version, share in percents.items())
    return smoke_test(
        config.name,
        artifact,
        over_http(url) if url else over_lambda(deployed, aws.region, config.runtime.timeout_s),
        url or deployed.function,
        divided=shares if len(percents) > 1 else "",
    )


def over_lambda(deployed: DeployedFunction, region: str, timeout_s: float) -> Ask:
    """Asks through Lambda's API, with events as the HTTP API would send them."""

    def ask(method: str, path: str, body: bytes, content_type: str) -> dict[str, object]:
        event = http_event(method, path, body, content_type)
        try:
            answer = invoke_remote(deployed, event, region=region, timeout_s=timeout_s)
        except DeploymentError as error:
            raise OSError(error.message) from error
        if not isinstance(answer, dict):
            return {"error": f"{answer!r:.80} instead of an answer to an HTTP event"}
        return parsed(str(answer.get("body")), int(answer.get("statusCode", 0)))

    return ask
