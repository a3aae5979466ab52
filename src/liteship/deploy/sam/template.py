"""template.yaml and the makefiles that `sam build` calls, rendered from every `function.toml`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liteship.config import AlarmsSection, Rollout
from liteship.deploy.jinja import templates_in
from liteship.errors import ConfigurationError
from liteship.packaging.image_inputs import default_base_image
from liteship.packaging.quotas import HTTP_API_TIMEOUT_S
from liteship.project import load_functions
from liteship.runtime.settings import S3

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liteship.config import FunctionConfig
    from liteship.project import FunctionFolder

TEMPLATES = Path(__file__).with_name("templates")

DEPLOYMENT_TYPES: dict[Rollout, str] = {
    "all-at-once": "AllAtOnce",
    "canary 10%/5m": "Canary10Percent5Minutes",
    "canary 10%/10m": "Canary10Percent10Minutes",
    "canary 10%/15m": "Canary10Percent15Minutes",
    "canary 10%/30m": "Canary10Percent30Minutes",
    "linear 10%/1m": "Linear10PercentEvery1Minute",
    "linear 10%/2m": "Linear10PercentEvery2Minutes",
    "linear 10%/3m": "Linear10PercentEvery3Minutes",
    "linear 10%/10m": "Linear10PercentEvery10Minutes",
}
"""SAM's names of the ways traffic moves
(https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/automating-updates-to-serverless-apps.html)."""

ALARM_METRICS = {"ErrorsAlarm": 2, "P99Alarm": 1, "LowConfidenceAlarm": 2}
"""How many metrics each alarm reads: what CloudWatch bills."""

LAYER_DESCRIPTIONS = {
    "Litert": "LiteRT's C library",
    "Image": "Pillow for PNG, JPEG, WebP, GIF and BMP",
    "Web": "FastAPI, Mangum, Powertools",
}

HOOK_NAME_LENGTH = 24
"""Of a function's name in its hook's: Lambda's 64 characters hold `CodeDeployHook_`, the stack's name
and this."""

BUCKET_OWNER_NAME_LENGTH = 20
"""Of the name of a function with a bucket: S3's 63 characters hold the stack's name, this, the account
(12) and the region (at most 14)."""

HOOK_TIMEOUT_S = 60
"""The new version may load a model first."""

LEAST_ANSWERS = 20
"""Answers in five minutes below which their share of low confidence is chance."""


def render(root: Path) -> dict[Path, str]:
    """What every rendered file should hold.

    Args:
        root: The project's folder.

    Returns:
        Text by path: `template.yaml`, `functions/Makefile`, `layers/Makefile`.

    Raises:
        ConfigurationError: A `function.toml` is invalid; `stack-invalid` where the functions cannot
            stand in one stack.
    """
    functions = load_functions(root)
    _require_one_stack(functions)
    views = [_view(function.config) for function in functions]
    zips = [view for view in views if view["package"] == "zip"]
    layers = [
        name for name in LAYER_DESCRIPTIONS if any(f"!Ref {name}Layer" in f["layers"] for f in zips)
    ]
    python = views[0]["python"]
    context: dict[str, Any] = {
        "functions": views,
        "images": [view for view in views if view["package"] == "image"],
        "layers": [{"id": name, "description": LAYER_DESCRIPTIONS[name]} for name in layers],
        "python": python,
        "zip_architecture": zips[0]["architecture"] if zips else "",
        "base_image": default_base_image(python),
        "rollouts": list(DEPLOYMENT_TYPES.values()),
        "api_timeout_ms": HTTP_API_TIMEOUT_S * 1000,
        "hook_timeout_s": HOOK_TIMEOUT_S,
        "least_answers": LEAST_ANSWERS,
    }
    templates = templates_in(TEMPLATES)
    return {
        root / target: templates.get_template(f"{source}.j2").render(context)
        for target, source in (
            ("template.yaml", "template.yaml"),
            ("functions/Makefile", "functions.mk"),
            ("layers/Makefile", "layers.mk"),
        )
    }


def alarms_of(config: FunctionConfig) -> AlarmsSection | None:
    """The function's alarms: those it asks for; a gradual rollout that nobody watches gets errors."""
    section = config.lambda_
    if section.alarms is None and section.rollout != "all-at-once":
        return AlarmsSection()
    return section.alarms


def _require_one_stack(functions: Iterable[FunctionFolder]) -> None:
    configs = [function.config for function in functions]
    problems = []
    pythons = sorted({config.runtime.python for config in configs})
    if len(pythons) > 1:
        problems.append(f"runtime.python: one for all functions, not {' and '.join(pythons)}")
    zips = [config for config in configs if config.lambda_.package == "zip"]
    architectures = sorted({config.runtime.architecture for config in zips})
    if len(architectures) > 1:
        problems.append(
            f"runtime.architecture: one for all zip functions, as they share layers, not "
            f"{' and '.join(architectures)}"
        )
    for what, names in (
        ("logical id", Counter(config.logical_id for config in configs)),
        ("hook name", Counter(config.name[:HOOK_NAME_LENGTH] for config in configs)),
    ):
        problems += [f"two functions have the {what} {name}" for name, n in names.items() if n > 1]
    problems += [
        f"{config.name}: at most {BUCKET_OWNER_NAME_LENGTH} characters, as its bucket's name holds it"
        for config in configs
        if config.triggers.s3 is not None
        and config.triggers.s3.bucket is None
        and len(config.name) > BUCKET_OWNER_NAME_LENGTH
    ]
    if problems:
        raise ConfigurationError(
            "stack-invalid",
            "the functions cannot stand in one stack",
            problems=problems,
            hint="change these functions, or move one to a project of its own",
        )


def _view(config: FunctionConfig) -> dict[str, Any]:
    """What the template says of one function."""
    settings, runtime = config.lambda_, config.runtime
    alarms = alarms_of(config)
    is_image_input = config.input.kind == "image"
    model = config.lambda_model()
    layers = ["Litert", *(["Image"] if is_image_input else []), "Web"]
    return {
        **settings.model_dump(exclude={"alarms", "http"}),
        "id": config.logical_id,
        "name": config.name,
        "version": config.version,
        "hook_name": config.name[:HOOK_NAME_LENGTH],
        "http": settings.http if config.triggers.http else None,
        "has_events": (config.triggers.http and settings.http == "http-api") or config.triggers.s3,
        "python": runtime.python,
        "architecture": runtime.architecture,
        "memory_mib": runtime.memory_mib,
        "timeout_s": runtime.timeout_s,
        "environment": config.environment() | (model.environment if model else {}),
        "model_arn": _model_arn(config) if model else None,
        "layers": [f"!Ref {layer}Layer" for layer in layers] if settings.package == "zip" else [],
        "rollout": DEPLOYMENT_TYPES[settings.rollout],
        "alarms": alarm_names(alarms),
        "alarm_settings": alarms,
        "low_confidence": config.output.low_confidence,
        "s3": _s3_view(config),
        "tag_list": [{"Key": key, "Value": value} for key, value in settings.tags.items()],
    }


def alarm_names(alarms: AlarmsSection | None) -> list[str]:
    """Which of `ALARM_METRICS` the template has for them."""
    if alarms is None:
        return []
    names = ["ErrorsAlarm"]
    names += ["P99Alarm"] if alarms.p99_ms is not None else []
    names += ["LowConfidenceAlarm"] if alarms.low_confidence_share is not None else []
    return names


def _model_arn(config: FunctionConfig) -> str:
    """Every version's files: those that a rollout still runs, or a rollback returns to, included."""
    place = config.model.location.removeprefix(S3)
    return f"arn:${{AWS::Partition}}:s3:::{place}/{config.name}/*"


def _s3_view(config: FunctionConfig) -> dict[str, Any] | None:
    s3 = config.triggers.s3
    if s3 is None:
        return None
    bucket = s3.bucket or f"${{AWS::StackName}}-{config.name}-${{AWS::AccountId}}-${{AWS::Region}}"
    return {
        **s3.model_dump(),
        "existing": s3.bucket is not None,
        "bucket_name": bucket,
        "arn": f"arn:${{AWS::Partition}}:s3:::{bucket}",
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
        "pattern": {
            "source": ["aws.s3"],
            "detail-type": ["Object Created"],
            "detail": {"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": s3.input_prefix}]}},
        },
    }
