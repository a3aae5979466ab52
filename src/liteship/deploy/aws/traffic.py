"""Moving traffic between published versions, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liteship.deploy.aws.rollouts import refuse_rollout, running_rollout, stop_rollout
from liteship.deploy.aws.stack import require_quiet
from liteship.deploy.aws.versions import LATEST, published_numbers, read_routing, write_routing
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from liteship.deploy.aws.client import Aws
    from liteship.deploy.aws.stack import DeployedFunction


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was done to the traffic.

    Attributes:
        before: Version to percent, as it was.
        after: As it is now.
        stopped: The CodeDeploy deployment that was stopped instead; `after` is then what CodeDeploy
            is still to bring about, and not known yet: empty.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    stopped: str | None = None


def parse_shares(words: Sequence[str]) -> dict[str, float]:
    """Reads `VERSION=PERCENT` words.

    Raises:
        ConfigurationError: `traffic-invalid`.
    """
    shares: dict[str, float] = {}
    for word in words:
        version, _, percent = word.partition("=")
        try:
            share = float(percent.removesuffix("%"))
        except ValueError:
            share = -1.0
        if not version.isdecimal() or not 0 <= share <= 100 or version in shares:
            raise _invalid(
                f"{word!r} is not a share of the traffic",
                "VERSION=PERCENT, each version once, 0 to 100",
                f"{word}: {LATEST} never gets traffic" if version == LATEST else word,
            )
        shares[version] = share
    return shares


def _invalid(message: str, expected: str, received: str) -> ConfigurationError:
    return ConfigurationError(
        "traffic-invalid",
        message,
        expected=expected,
        received=received,
        hint="for instance: liteship traffic NAME 7=10, and the rest stays where it is",
    )


def plan_shares(
    wanted: Mapping[str, float], before: Mapping[str, float], main: str
) -> dict[str, float]:
    """The whole division: what was asked for, and the rest where it is now.

    Args:
        wanted: Version to percent, one or two versions.
        before: The present division.
        main: The version that has the main part now.

    Returns:
        Version to percent above 0, sums to 100, the version to be the alias's main one first.

    Raises:
        ConfigurationError: `traffic-invalid`.
    """
    planned = dict(wanted)
    rest = round(100 - sum(wanted.values()), 4)
    if rest > 0 and len(wanted) == 1:
        stays = [version for version in (main, *before) if version not in wanted]
        if not stays:
            raise _invalid(
                f"{main} has all traffic, and nothing says who gets the other {rest:g} %",
                "a second VERSION=PERCENT",
                _spelled(wanted),
            )
        planned[stays[0]] = rest
        rest = 0.0
    planned = {version: percent for version, percent in planned.items() if percent > 0}
    # https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
    if rest != 0 or not 1 <= len(planned) <= 2:
        raise _invalid(
            "the shares do not make a whole",
            "one or two versions, together 100 %",
            _spelled(wanted),
        )
    # Which of the two is the main one makes no difference to callers: change no more than was asked
    first = main if main in planned else max(planned, key=lambda version: planned[version])
    return {first: planned.pop(first), **planned}


def _spelled(shares: Mapping[str, float]) -> str:
    return " ".join(f"{version}={percent:g}" for version, percent in shares.items())


def shift_traffic(aws: Aws, deployed: DeployedFunction, wanted: Mapping[str, float]) -> Change:
    """Divides the traffic between at most two published versions.

    Args:
        aws: Where.
        deployed: The function.
        wanted: Version to percent; what is left of 100 stays on the version that has it now.

    Raises:
        ConfigurationError: `traffic-invalid`.
        DeploymentError: `stack-in-progress`, `rollout-running`, `version-missing`, `alias-missing`,
            `alias-changed`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    refuse_rollout(aws, deployed)  # first: the stack is busy for as long as one runs
    require_quiet(deployed.stack)
    before = read_routing(aws, deployed)
    planned = plan_shares(wanted, before.percents, before.main)
    _require_published(planned, published_numbers(aws, deployed))
    if planned == before.percents:
        return Change(before=before.percents, after=before.percents)
    after = write_routing(aws, deployed, before, planned)
    return Change(before=before.percents, after=after.percents)


def roll_back(aws: Aws, deployed: DeployedFunction, to: str | None = None) -> Change:
    """Takes the traffic from the newest version that has any, and gives all of it to one before.

    Where CodeDeploy is moving the traffic, it is told to stop and to put it back.

    Args:
        aws: Where.
        deployed: The function.
        to: The version to go to; by default the largest number below the newest one with traffic.

    Raises:
        ConfigurationError: `traffic-invalid`.
        DeploymentError: `rollout-running`, `stack-in-progress`, `version-missing`,
            `nothing-to-roll-back`, `alias-missing`, `alias-changed`.
        AwsError: See `liteship.deploy.aws.client`.
    """
    before = read_routing(aws, deployed)
    if to is None and (running := running_rollout(aws, deployed)) is not None:
        stop_rollout(aws, running)
        return Change(before=before.percents, after={}, stopped=running)
    refuse_rollout(aws, deployed)  # first: the stack is busy for as long as one runs
    require_quiet(deployed.stack)
    numbers = published_numbers(aws, deployed)
    if to is None:
        to = _before(deployed, before.percents, numbers)
    planned = plan_shares(parse_shares([f"{to}=100"]), before.percents, before.main)
    _require_published(planned, numbers)
    if planned == before.percents:
        return Change(before=before.percents, after=before.percents)
    after = write_routing(aws, deployed, before, planned)
    return Change(before=before.percents, after=after.percents)


def _before(deployed: DeployedFunction, percents: Mapping[str, float], numbers: Sequence[str]) -> str:
    newest = max((int(version) for version in percents if version != LATEST), default=None)
    for number in numbers:  # newest first
        if newest is None or int(number) < newest:
            return number
    raise DeploymentError(
        "nothing-to-roll-back",
        f"{deployed.name} has no published version before {newest or LATEST}",
        received=f"published: {', '.join(numbers) or 'none'}",
        hint=f"deploy the older code again, or stop it: liteship delete {deployed.name}",
    )


def _require_published(versions: Mapping[str, float], numbers: Sequence[str]) -> None:
    missing = [version for version in versions if version not in numbers]
    if missing:
        raise DeploymentError(
            "version-missing",
            f"version {missing[0]} is not published",
            expected=f"one of {', '.join(numbers)}" if numbers else "no version is published",
            received=missing[0],
            hint="liteship versions NAME lists them",
        )
