"""What stands in the account, in the words of the template to come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.deploy.sam.translate import code_locations, parse_template, translate
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from liteship.deploy.aws.client import Aws
    from liteship.deploy.aws.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What stands in the account.

    Attributes:
        template: Its translated template.
        parameters: The values that it was deployed with.
        code: Where its code lies, as `translate` takes it.
    """

    template: dict[str, Any]
    parameters: dict[str, str]
    code: dict[str, str]


def read_deployed(aws: Aws, stack: Stack | None) -> Deployed | None:
    """What stands in a stack; None where that is nothing.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
        ConfigurationError: The deployed template cannot be read.
    """
    if stack is None or stack.status == "REVIEW_IN_PROGRESS":
        return None
    (described,) = aws.call("cloudformation", "describe_stacks", StackName=stack.id)["Stacks"]
    parameters = {
        each["ParameterKey"]: each.get("ParameterValue", "") for each in described.get("Parameters", [])
    }
    original = _read_template(aws, stack, "Original")
    code = code_locations(original)
    if "Transform" not in original:
        return Deployed(template=original, parameters=parameters, code=code)
    try:
        # By the same transform as the template to come: what differs was changed by somebody
        template = translate(original, parameters=parameters, region=aws.region)
    except ConfigurationError:  # made by a later version of the transform
        template = _read_template(aws, stack, "Processed")
    return Deployed(template=template, parameters=parameters, code=code)


def _read_template(aws: Aws, stack: Stack, stage: str) -> dict[str, Any]:
    answer = aws.call("cloudformation", "get_template", StackName=stack.id, TemplateStage=stage)
    body = answer["TemplateBody"]
    return parse_template(body) if isinstance(body, str) else dict(body)
