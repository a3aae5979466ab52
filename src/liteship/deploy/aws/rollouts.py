"""CodeDeploy's part: the deployments that move the alias `live` step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from liteship.deploy.aws.client import Aws
    from liteship.deploy.aws.stack import DeployedFunction

# https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_ListDeployments.html
_UNFINISHED = ["Created", "Queued", "InProgress", "Baking", "Ready"]


def running_rollout(aws: Aws, deployed: DeployedFunction) -> str | None:
    """The id of the deployment that is moving this function's traffic; None where none is.

    A stack holds a CodeDeploy application where one of its functions asks for a rollout in steps.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    resources = deployed.stack.resources
    # What SAM calls them
    # (https://github.com/aws/serverless-application-model/blob/develop/docs/internals/generated_resources.rst)
    application = resources.get("ServerlessDeploymentApplication")
    group = resources.get(f"{deployed.logical_id}FunctionDeploymentGroup")
    if application is None or group is None:
        return None
    for page in aws.pages(
        "codedeploy",
        "list_deployments",
        applicationName=application.physical_id,
        deploymentGroupName=group.physical_id,
        includeOnlyStatuses=_UNFINISHED,
    ):
        for identifier in page["deployments"]:
            return str(identifier)
    return None


def refuse_rollout(aws: Aws, deployed: DeployedFunction) -> None:
    """Refuses while CodeDeploy moves the traffic: it would overwrite what we set.

    Raises:
        DeploymentError: `rollout-running`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    running = running_rollout(aws, deployed)
    if running is not None:
        raise DeploymentError(
            "rollout-running",
            f"CodeDeploy is moving the traffic of {deployed.name}: deployment {running}",
            hint=f"wait for its end, or take it back: liteship rollback {deployed.name}",
        )


def stop_rollout(aws: Aws, identifier: str) -> str:
    """Stops a deployment and has CodeDeploy put all traffic back on the version before.

    CloudFormation, which waits for it, then rolls the stack back.

    Returns:
        `Pending` or `Succeeded`.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    answer = aws.call(
        "codedeploy", "stop_deployment", deploymentId=identifier, autoRollbackEnabled=True
    )
    return str(answer["status"])
