"""The parts of `function.toml` that hold on one platform."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from liteship.config.sections import Section

Rollout = Literal[
    "all-at-once",
    "canary 10%/5m",
    "canary 10%/10m",
    "canary 10%/15m",
    "canary 10%/30m",
    "linear 10%/1m",
    "linear 10%/2m",
    "linear 10%/3m",
    "linear 10%/10m",
]
"""How traffic moves to a new version: the ways that CodeDeploy has ready
(https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html)."""

RetentionDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653]
"""What a CloudWatch log group can keep
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html)."""

# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
TagKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .:/=+@-]+$", max_length=128)]
TagValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9_ .:/=+@-]*$", max_length=256)]

# https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
ClusterName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""Of what stands in the function's namespace, and is not rendered: a Secret, a claim, an account."""


class AlarmsSection(Section):
    """`[lambda.alarms]`: what takes traffic from a new version again."""

    errors: Annotated[int, Field(ge=1)] = 1
    p99_ms: Annotated[int, Field(ge=1, le=900_000)] | None = None
    low_confidence_share: Annotated[float, Field(gt=0, le=1)] | None = None


class LambdaSection(Section):
    """`[lambda]`: how the function stands in `template.yaml`."""

    package: Literal["image", "zip"] = "image"
    http: Literal["http-api", "function-url"] = "http-api"
    rollout: Rollout = "all-at-once"
    tmp_mib: Annotated[int, Field(ge=512, le=10_240)] = 512
    log_retention_days: RetentionDays = 30
    reserved_concurrency: Annotated[int, Field(ge=0)] | None = None
    provisioned_concurrency: Annotated[int, Field(ge=1)] | None = None
    snap_start: bool = False
    alarms: AlarmsSection | None = None
    tags: dict[TagKey, TagValue] = Field(default_factory=dict, max_length=45)

    @model_validator(mode="after")
    def _settings_fit_together(self) -> LambdaSection:
        # https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
        if self.snap_start and self.provisioned_concurrency is not None:
            msg = "snap_start and provisioned_concurrency exclude each other"
            raise ValueError(msg)
        if self.snap_start and self.tmp_mib > 512:
            msg = f"snap_start needs tmp_mib 512, not {self.tmp_mib}"
            raise ValueError(msg)
        if reserved_keys := [key for key in self.tags if key.lower().startswith("aws:")]:
            msg = f"tags may not begin with aws:, as {reserved_keys[0]!r} does"
            raise ValueError(msg)
        reserved, provisioned = self.reserved_concurrency, self.provisioned_concurrency
        if reserved is not None and provisioned is not None and provisioned > reserved:
            msg = f"provisioned_concurrency {provisioned} is above reserved_concurrency {reserved}"
            raise ValueError(msg)
        return self


class KnativeSection(Section):
    """`[knative]`: how it runs on a cluster; `knative/` is rendered from it.

    The server runs as many predictions at once as its CPU limit has whole processors, one at least:
    with a higher `container_concurrency` requests would wait inside a Pod while others have time,
    with a lower one a processor would idle.
    """

    cpu_request: Annotated[float, Field(ge=0.01, le=64)] = 0.5
    cpu_limit: Annotated[float, Field(ge=0.1, le=64)] = 1.0
    memory_request_mib: Annotated[int, Field(ge=32, le=10_240)] = 128
    container_concurrency: Annotated[int, Field(ge=1)] = Field(
        default_factory=lambda values: max(1, int(values.get("cpu_limit", 1)))
    )
    target: Annotated[int, Field(ge=1)] = Field(
        default_factory=lambda values: values.get("container_concurrency", 1)
    )
    # https://knative.dev/docs/serving/autoscaling/concurrency/#target-utilization
    target_utilization_percent: Annotated[int, Field(ge=1, le=100)] = 70
    min_scale: Annotated[int, Field(ge=0)] = 0
    max_scale: Annotated[int, Field(ge=1)] = 10
    # https://knative.dev/docs/serving/autoscaling/kpa-specific/#stable-window
    window_s: Annotated[int, Field(ge=6, le=3600)] = 60
    # https://knative.dev/docs/serving/autoscaling/scale-to-zero/#scale-to-zero-last-pod-retention-period
    retention_s: Annotated[int, Field(ge=0, le=3600)] = 0
    visibility: Literal["public", "cluster-local"] | None = None
    volume_claim: ClusterName | None = None
    secret: ClusterName | None = None
    service_account: ClusterName | None = None

    @model_validator(mode="after")
    def _settings_fit_together(self) -> KnativeSection:
        if self.min_scale > self.max_scale:
            msg = f"min_scale {self.min_scale} is above max_scale {self.max_scale}"
            raise ValueError(msg)
        if self.cpu_request > self.cpu_limit:
            msg = f"cpu_request {self.cpu_request} is above cpu_limit {self.cpu_limit}"
            raise ValueError(msg)
        at_once = max(1, int(self.cpu_limit))
        if self.container_concurrency != at_once:
            msg = (
                f"container_concurrency {self.container_concurrency} is not what cpu_limit "
                f"{self.cpu_limit} runs at once: {at_once}; leave it out, or change cpu_limit"
            )
            raise ValueError(msg)
        if self.target > self.container_concurrency:
            msg = f"target {self.target} is above container_concurrency {self.container_concurrency}"
            raise ValueError(msg)
        return self
