"""A deployed function's published versions, and how the alias `live` divides its traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.deploy.aws.client import AwsError
from liteship.deploy.aws.stack import ALIAS
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.aws.client import Aws
    from liteship.deploy.aws.stack import DeployedFunction

LATEST = "$LATEST"
"""What Lambda calls the code that is not published."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One published version.

    Attributes:
        number: `7`.
        published: When, ISO 8601.
        code: The image's URI with its digest, or the zip file's SHA-256 in Base64.
        description: As it was published with.
        memory_mib: What it runs with.
        percent: Its share of the traffic.
    """

    number: str
    published: str
    code: str
    description: str
    memory_mib: int
    percent: float


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Where the alias `live` leads.

    Attributes:
        main: The version that gets what the others leave.
        percents: Version to share, the main one first; sums to 100.
        revision: Lambda's mark of this state, which a change has to name.
    """

    main: str
    percents: Mapping[str, float]
    revision: str


def read_routing(aws: Aws, deployed: DeployedFunction) -> Routing:
    """How the traffic is divided now.

    Raises:
        DeploymentError: `alias-missing`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    try:
        alias = aws.call("lambda", "get_alias", FunctionName=deployed.function, Name=ALIAS)
    except AwsError as error:
        if error.reference != "aws-not-found":
            raise
        raise DeploymentError(
            "alias-missing",
            f"{deployed.function} has no alias {ALIAS}",
            hint=f"deploy {deployed.name} again: template.yaml publishes it (AutoPublishAlias)",
        ) from error
    return _routing(alias)


def _routing(alias: Mapping[str, Any]) -> Routing:
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    others = {version: round(weight * 100, 4) for version, weight in weights.items() if weight}
    main = alias["FunctionVersion"]
    return Routing(
        main=main,
        percents={main: round(100 - sum(others.values()), 4), **others},
        revision=alias["RevisionId"],
    )


def write_routing(
    aws: Aws, deployed: DeployedFunction, before: Routing, percents: Mapping[str, float]
) -> Routing:
    """Divides the traffic anew, unless somebody else has done so since `before` was read.

    Args:
        aws: Where.
        deployed: The function.
        before: What was read.
        percents: Version to share, the main one first; one or two versions that sum to 100.

    Raises:
        DeploymentError: `alias-changed`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    main, *others = percents
    try:
        alias = aws.call(
            "lambda",
            "update_alias",
            FunctionName=deployed.function,
            Name=ALIAS,
            FunctionVersion=main,
            RoutingConfig={
                "AdditionalVersionWeights": {each: round(percents[each] / 100, 6) for each in others}
            },
            RevisionId=before.revision,
        )
    except AwsError as error:
        # https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html
        if error.code != "PreconditionFailedException":
            raise
        raise DeploymentError(
            "alias-changed",
            f"somebody else has changed the traffic of {deployed.name} at the same moment",
            expected=f"the alias {ALIAS} at revision {before.revision}",
            hint=f"look at liteship versions {deployed.name}, then decide again",
        ) from error
    return _routing(alias)


def published_numbers(aws: Aws, deployed: DeployedFunction) -> list[str]:
    """The numbers of all published versions, newest first.

    Raises:
        AwsError: See `liteship.deploy.aws.client`.
    """
    return [each["Version"] for each in _published(aws, deployed)]


def list_versions(aws: Aws, deployed: DeployedFunction, newest: int) -> list[Version]:
    """The newest published versions, and every older one that has traffic; newest first.

    Args:
        aws: Where.
        deployed: The function.
        newest: How many.

    Raises:
        DeploymentError: `alias-missing`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    percents = read_routing(aws, deployed).percents
    return [
        Version(
            number=each["Version"],
            published=each["LastModified"],
            code=_code(aws, deployed, each),
            description=each.get("Description", ""),
            memory_mib=each["MemorySize"],
            percent=percents.get(each["Version"], 0.0),
        )
        for position, each in enumerate(_published(aws, deployed))
        if position < newest or each["Version"] in percents
    ]


def _published(aws: Aws, deployed: DeployedFunction) -> list[dict[str, Any]]:
    found = [
        each
        for page in aws.pages("lambda", "list_versions_by_function", FunctionName=deployed.function)
        for each in page["Versions"]
        if each["Version"] != LATEST
    ]
    return sorted(found, key=lambda each: int(each["Version"]), reverse=True)


def _code(aws: Aws, deployed: DeployedFunction, version: Mapping[str, Any]) -> str:
    if version.get("PackageType") != "Image":
        return str(version["CodeSha256"])
    # Only the answer for one version names its image
    # (https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCodeLocation.html)
    answer = aws.call(
        "lambda", "get_function", FunctionName=deployed.function, Qualifier=version["Version"]
    )
    code = answer["Code"]
    return str(code.get("ResolvedImageUri") or code.get("ImageUri") or version["CodeSha256"])
