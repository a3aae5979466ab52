"""What a deployment will do, before it does anything."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_args

from liteship.config import Rollout
from liteship.deploy.measuring.prices import REGION, monthly_cost, prices_as_of, regions
from liteship.deploy.sam.changes import compare
from liteship.deploy.sam.template import ALARM_METRICS, DEPLOYMENT_TYPES, alarm_names, alarms_of
from liteship.deploy.sam.translate import code_locations, translate
from liteship.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from liteship.config import FunctionConfig
    from liteship.deploy.measuring.prices import MonthlyCost
    from liteship.deploy.sam.changes import Change
    from liteship.deploy.sam.deployed import Deployed
    from liteship.packaging.limits import LimitCheck
    from liteship.project import FunctionFolder

REQUESTS = 100_000
"""A month's requests that the cost is given for unless others are named: one every 26 seconds."""


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What stands, and what is to come.

    Attributes:
        functions: All of the project: they stand in one stack.
        config: The function whose deployment it is.
        template: template.yaml.
        parameters: As `parameter_values` gives them.
        checks: The gate's findings by function.
        requests: A month's, for the cost.
        stack: The stack's name.
        region: Where it stands; None where that is not known.
        looked: Whether the account was looked at.
        status: The stack's status; empty where there is none.
        deployed: What stands in it; None where that is nothing.
    """

    functions: Sequence[FunctionFolder]
    config: FunctionConfig
    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    checks: Mapping[str, Sequence[LimitCheck]]
    requests: int
    stack: str
    region: str | None
    looked: bool
    status: str
    deployed: Deployed | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What the function costs a month.

    Attributes:
        requests: How many a month.
        billed_ms: What each is taken to be billed for.
        region: Whose prices these are.
        as_of: Year and month of the prices.
        monthly: Part by part.
    """

    requests: int
    billed_ms: float
    region: str
    as_of: str
    monthly: MonthlyCost


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a deployment will do.

    Attributes:
        function: Whose deployment it is.
        stack: The stack's name.
        region: Where it stands; None where that is not known.
        looked: Whether the account was looked at; without, everything counts as new.
        status: The stack's status; empty where there is none.
        functions: The functions that the stack will hold: all of the project.
        parameters: The template's parameters with their values.
        rollout: How traffic will move to the function's new version, in words.
        changes: Every resource and what happens to it, the gravest first.
        undecided: What nobody knows the code of before it is built: taken to stay as it is.
        checks: The limits of every function, by its name.
        cost: What the function costs; None where its duration was not measured.
    """

    function: str
    stack: str
    region: str | None
    looked: bool
    status: str
    functions: tuple[str, ...]
    parameters: Mapping[str, str]
    rollout: str
    changes: Sequence[Change]
    undecided: tuple[str, ...]
    checks: Mapping[str, Sequence[LimitCheck]]
    cost: Cost | None

    @property
    def losses(self) -> list[str]:
        """One line for each resource with which something is lost."""
        return [
            f"{each.logical_id} ({each.type}) is {each.action}: {each.loss}"
            for each in self.changes
            if each.loss
        ]

    @property
    def sizes_bytes(self) -> dict[str, dict[str, int]]:
        """What is uploaded of each function, by its name and part."""
        return {
            name: {
                check.name: check.value
                for check in checks
                if isinstance(check.value, int)
                and check.unit == "bytes"
                and (check.name == "image" or check.name.endswith("zipped"))
            }
            for name, checks in self.checks.items()
        }

    def fields(self) -> dict[str, Any]:
        """The plan as JSON-ready fields."""
        fields = asdict(self) | {"losses": self.losses, "sizes_bytes": self.sizes_bytes}
        if self.cost is not None:
            fields["cost"]["monthly"]["total_usd"] = self.cost.monthly.total_usd
        return fields


def parse_rollout(text: str) -> Rollout:
    """Reads `10%/10m`, or what function.toml takes as `lambda.rollout`.

    Raises:
        ConfigurationError: `rollout-invalid`.
    """
    for known in get_args(Rollout):
        if text in {known, known.removeprefix("canary ")}:
            rollout: Rollout = known
            return rollout
    raise ConfigurationError(
        "rollout-invalid",
        f"CodeDeploy has no rollout {text!r} ready",
        expected=", ".join(known.removeprefix("canary ") for known in get_args(Rollout)),
        received=text,
        hint="give one of these, such as --canary 10%/10m",
    )


def parameter_values(
    template: Mapping[str, Any],
    config: FunctionConfig,
    *,
    rollout: Rollout | None = None,
    base_image: str | None = None,
) -> dict[str, str]:
    """Every parameter's value: the template's default, unless this deployment asks for another.

    All of them: for one that is left out CloudFormation takes the last deployment's value, and a
    rollout that was asked for once would stay.

    Raises:
        ConfigurationError: `base-image-unused`.
    """
    values = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
    if rollout is not None:
        values[f"{config.logical_id}Rollout"] = DEPLOYMENT_TYPES[rollout]
    if base_image is not None:
        if "BaseImage" not in values:
            raise ConfigurationError(
                "base-image-unused",
                "no function of this project is packaged as an image",
                received=f"--base-image {base_image}",
                hint='leave it out, or set lambda.package = "image"',
            )
        values["BaseImage"] = base_image
    return values


def make_plan(situation: Situation, code: Mapping[str, str]) -> Plan:
    """Compares what stands with what is to come.

    Args:
        situation: Both of them.
        code: Where the code will lie, as `translate` takes it, as far as that is known.

    Raises:
        ConfigurationError: See `translate`.
    """
    config, deployed, parameters = situation.config, situation.deployed, situation.parameters
    known = deployed.code if deployed is not None else {}
    new = translate(
        situation.template, parameters=parameters, code={**known, **code}, region=situation.region
    )
    changes = compare(
        deployed.template if deployed is not None else None,
        new,
        old_parameters=deployed.parameters if deployed is not None else {},
        new_parameters=parameters,
    )
    undecided = tuple(sorted((known.keys() & code_locations(new).keys()) - code.keys()))
    return Plan(
        function=config.name,
        stack=situation.stack,
        region=situation.region,
        looked=situation.looked,
        status=situation.status,
        functions=tuple(each.config.name for each in situation.functions),
        parameters=parameters,
        rollout=_rollout_in_words(config, changes, parameters, undecided),
        changes=changes,
        undecided=undecided,
        checks=situation.checks,
        cost=_cost(config, situation.checks[config.name], situation.requests, situation.region),
    )


def require_no_loss(plan: Plan, *, allowed: bool) -> None:
    """Refuses a plan with which data or an address is lost, unless that is allowed.

    Raises:
        DeploymentError: `replacement-not-allowed`.
    """
    if plan.losses and not allowed:
        raise DeploymentError(
            "replacement-not-allowed",
            f"this deployment replaces or removes {len(plan.losses)} resource(s) that hold something",
            problems=plan.losses,
            hint="undo the change of function.toml behind it, or copy what you need and add "
            "--allow-replacement",
        )


def _rollout_in_words(
    config: FunctionConfig,
    changes: Sequence[Change],
    parameters: Mapping[str, str],
    undecided: tuple[str, ...],
) -> str:
    function = f"{config.logical_id}Function"
    actions = {each.logical_id: each.action for each in changes}
    types = {value: key for key, value in DEPLOYMENT_TYPES.items()}
    rollout = types[parameters[f"{config.logical_id}Rollout"]]
    if actions.get(function) in {"created", "replaced"}:
        return "all at once: there is no earlier version"
    if actions.get(f"{function}Version") == "published":
        return rollout
    if function in undecided:
        return f"{rollout}, if the code that is built differs from the deployed"
    return "none: no new version"


def _cost(
    config: FunctionConfig, checks: Sequence[LimitCheck], requests: int, region: str | None
) -> Cost | None:
    typical_ms = next((each.value for each in checks if each.name == "typical"), None)
    if not isinstance(typical_ms, int):
        return None
    settings, runtime = config.lambda_, config.runtime
    priced = region if region in regions() else REGION
    return Cost(
        requests=requests,
        billed_ms=typical_ms,
        region=priced,
        as_of=prices_as_of(),
        monthly=monthly_cost(
            requests,
            memory_mib=runtime.memory_mib,
            billed_ms=typical_ms,
            architecture=runtime.architecture,
            tmp_mib=settings.tmp_mib,
            http=settings.http if config.triggers.http else None,
            provisioned=settings.provisioned_concurrency or 0,
            alarm_metrics=sum(ALARM_METRICS[name] for name in alarm_names(alarms_of(config))),
            region=priced,
        ),
    )
