"""What `function.toml` may say: every key, its type, its range and its default.

Build half: pydantic checks the whole file, and every problem is reported at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from liteship.artifact import Preprocessing
from liteship.runtime.settings import (
    LOW_CONFIDENCE,
    MAX_BODY_BYTES,
    MAX_OBJECT_BYTES,
    MAX_PIXELS,
    prefixes_overlap,
)

Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")]
"""A DNS label, short enough to prefix Lambda's and Kubernetes' 63 characters."""

Version = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?$")]

Scheme = Literal["int8", "dynamic"]
Runtime = Literal["litert", "tflite-runtime"]

NORMALIZATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "unit": ((0.0,), (255.0,)),
    "tf": ((127.5,), (127.5,)),
    # ImageNet channel means in BGR order, as VGG16 was trained
    "caffe": ((103.939, 116.779, 123.68), (1.0,)),
    # torchvision's ImageNet mean and deviation in RGB order, in pixel units
    "torch": ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "none": ((0.0,), (1.0,)),
}
"""Mean and standard deviation, in pixel units, of the conventions that
`keras.applications.imagenet_utils.preprocess_input` names; one value stands for every channel."""


# Policies read * ? $ as patterns and variables
# (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html)
Prefix = Annotated[str, Field(pattern=r"^[^*?$\x00-\x1f\x7f]+$", max_length=512)]

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


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelSection(_Section):
    """`[model]`: the trained model and what its conversion must keep."""

    source: str
    scheme: Scheme = "int8"
    compatible_with: Runtime = "litert"
    calibration: str
    evaluation: str | None = None
    max_drop: Annotated[float, Field(ge=0, le=1)] = 0.01


class ImageInput(_Section):
    """`[input]` of a model that takes pictures."""

    kind: Literal["image"]
    color: Literal["L", "RGB", "BGR"] = "RGB"
    resize: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    normalization: Literal["unit", "tf", "caffe", "torch", "none"] = "unit"

    @model_validator(mode="after")
    def _channels_fit(self) -> ImageInput:
        needed = {"caffe": "BGR", "torch": "RGB"}.get(self.normalization, self.color)
        if self.color != needed:
            msg = f"normalization {self.normalization} needs color {needed}"
            raise ValueError(msg)
        return self


class TensorInput(_Section):
    """`[input]` of a model that takes numbers."""

    kind: Literal["tensor"]


class OutputSection(_Section):
    """`[output]`: from tensor to predictions."""

    labels: tuple[str, ...] = Field(default=(), strict=False)
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    top_k: Annotated[int, Field(ge=1, le=1000)] = 3
    low_confidence: Annotated[float, Field(ge=0, le=1)] = LOW_CONFIDENCE


class RuntimeSection(_Section):
    """`[runtime]`: what the function runs on. Limits: see `liteship.packaging.limits`."""

    python: Literal["3.12", "3.13", "3.14"] = "3.13"
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    memory_mib: Annotated[int, Field(ge=128, le=10_240)] = 512
    timeout_s: Annotated[int, Field(ge=1, le=900)] = 10
    observability: Literal["lean", "powertools"] = "lean"
    max_body_bytes: Annotated[int, Field(ge=1)] = MAX_BODY_BYTES
    max_object_bytes: Annotated[int, Field(ge=1)] = MAX_OBJECT_BYTES
    max_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS


class S3Trigger(_Section):
    """`[triggers.s3]`: uploads below one prefix are answered below another."""

    input_prefix: Prefix = "incoming/"
    output_prefix: Prefix = "results/"
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]$")] | None = None
    queue: bool = False

    @model_validator(mode="after")
    def _no_loop(self) -> S3Trigger:
        if prefixes_overlap(self.input_prefix, self.output_prefix):
            msg = "input_prefix and output_prefix overlap: every result would be an input"
            raise ValueError(msg)
        return self


class TriggersSection(_Section):
    """`[triggers]`: what calls the function."""

    http: bool = True
    s3: S3Trigger | None = None


class AlarmsSection(_Section):
    """`[lambda.alarms]`: what takes traffic from a new version again."""

    errors: Annotated[int, Field(ge=1)] = 1
    p99_ms: Annotated[int, Field(ge=1, le=900_000)] | None = None
    low_confidence_share: Annotated[float, Field(gt=0, le=1)] | None = None


class LambdaSection(_Section):
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


class KnativeSection(_Section):
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
    visibility: Literal["public", "cluster-local"] = "public"

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


class FunctionConfig(_Section):
    """A whole `function.toml`."""

    name: Name
    version: Version
    model: ModelSection
    input: Annotated[ImageInput | TensorInput, Field(discriminator="kind")]
    output: OutputSection = OutputSection()
    runtime: RuntimeSection = RuntimeSection()
    triggers: TriggersSection = TriggersSection()
    lambda_: LambdaSection = Field(default=LambdaSection(), alias="lambda")
    knative: KnativeSection = KnativeSection()

    @field_validator("knative")
    @classmethod
    def _memory_request_is_within_the_limit(
        cls, knative: KnativeSection, info: ValidationInfo
    ) -> KnativeSection:
        runtime = info.data.get("runtime", RuntimeSection())
        if knative.memory_request_mib > runtime.memory_mib:
            msg = (
                f"memory_request_mib {knative.memory_request_mib} is above runtime.memory_mib "
                f"{runtime.memory_mib}"
            )
            raise ValueError(msg)
        return knative

    @property
    def logical_id(self) -> str:
        """The name in CamelCase, which begins the names of its resources in `template.yaml`."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    def preprocessing(self) -> Preprocessing:
        """The manifest's preprocessing, with one mean and deviation a channel."""
        if isinstance(self.input, TensorInput):
            return Preprocessing("tensor")
        mean, std = NORMALIZATIONS[self.input.normalization]
        channels = 1 if self.input.color == "L" else 3
        return Preprocessing(
            "image",
            color=self.input.color,
            resize=self.input.resize,
            mean=mean if len(mean) == channels else mean * channels,
            std=std if len(std) == channels else std * channels,
        )

    def environment(self) -> dict[str, str]:
        """The environment variables that carry these settings to `liteship.runtime.settings`.

        Only what differs from the runtime's defaults, and both S3 prefixes: whoever reads the
        template sees which objects the function touches.
        """
        defaults, mine = RuntimeSection(), self.runtime
        variables = {
            f"LITESHIP_{field.upper()}": str(getattr(mine, field))
            for field in ("observability", "max_body_bytes", "max_object_bytes", "max_pixels")
            if getattr(mine, field) != getattr(defaults, field)
        }
        if self.output.low_confidence != LOW_CONFIDENCE:
            variables["LITESHIP_LOW_CONFIDENCE"] = str(self.output.low_confidence)
        if self.triggers.s3 is not None:
            variables["LITESHIP_S3_INPUT_PREFIX"] = self.triggers.s3.input_prefix
            variables["LITESHIP_S3_OUTPUT_PREFIX"] = self.triggers.s3.output_prefix
        return variables
