"""The parts of `function.toml` that hold on every platform."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from liteship.runtime.settings import (
    LOW_CONFIDENCE,
    MAX_BATCH,
    MAX_BODY_BYTES,
    MAX_OBJECT_BYTES,
    MAX_PIXELS,
    MOST_BATCHING,
    MOST_THREADS,
    prefixes_overlap,
)

_PART = "[A-Za-z0-9_-][A-Za-z0-9._-]*"

LOCATION = rf"image|s3://[a-z0-9][-.a-z0-9]{{1,61}}[a-z0-9](/{_PART})*|/mnt(/{_PART})+"


def _readable(location: str) -> str:
    if not re.fullmatch(LOCATION, location):
        msg = "must be image, s3://BUCKET/PREFIX, or a folder below /mnt, without a slash at its end"
        raise ValueError(msg)
    return location


Location = Annotated[str, Field(max_length=256), AfterValidator(_readable)]
"""Where artifacts are. A volume is mounted below /mnt: elsewhere it might hide what is in the image."""

Scheme = Literal[
    "int8",
    "int8-float-io",
    "int16x8",
    "dynamic",
    "weight-only-int8",
    "weight-only-int4",
    "float16",
    "float32",
    "auto",
]
Runtime = Literal["litert", "tflite-runtime"]
Shape = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)]

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


class Section(BaseModel):
    """What every part has in common: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelSection(Section):
    """`[model]`: the trained model and what its conversion must keep."""

    source: str
    signature: str | None = None
    input_shapes: dict[str, Shape] = Field(default={}, strict=False)
    channel_last: bool = True
    location: Location = "image"
    scheme: Scheme = "int8"
    compatible_with: Runtime = "litert"
    calibration: str
    samples: Annotated[int, Field(ge=1)] = 200
    evaluation: str | None = None
    metric: str = "accuracy"
    max_drop: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    repair: bool = True
    prune: Annotated[float, Field(gt=0, lt=1)] | None = None
    clusters: Annotated[int, Field(ge=2, le=255)] | None = None
    fine_tune: str | None = None
    epochs: Annotated[int, Field(ge=1)] | None = None
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @field_validator("max_drop")
    @classmethod
    def _a_share_is_at_most_one(cls, max_drop: float, info: ValidationInfo) -> float:
        metric = info.data.get("metric")
        if metric in {"accuracy", "top5"} and max_drop > 1:
            msg = f"{metric} is a share: at most 1"
            raise ValueError(msg)
        return max_drop


Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
"""Also a model's or a version's name among several: `liteship.runtime.models_setting.is_name`."""


class ModelsSection(Section):
    """`[models]`: `model/` holds several models and versions, `NAME/VERSION` each."""

    labels: dict[Label, dict[Label, Label]] = {}
    memory_mib: Annotated[int, Field(ge=1, le=10_240)] | None = None
    control: bool = False


class ImageInput(Section):
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


class TensorInput(Section):
    """`[input]` of a model that takes numbers."""

    kind: Literal["tensor"]


class OutputSection(Section):
    """`[output]`: from tensor to predictions."""

    labels: tuple[str, ...] = Field(default=(), strict=False)
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    top_k: Annotated[int, Field(ge=1, le=1000)] = 3
    low_confidence: Annotated[float, Field(ge=0, le=1)] = LOW_CONFIDENCE


class RuntimeSection(Section):
    """`[runtime]`: what the function runs on. Limits: see `liteship.packaging.limits`."""

    python: Literal["3.12", "3.13", "3.14"] = "3.13"
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    memory_mib: Annotated[int, Field(ge=128, le=10_240)] = 512
    timeout_s: Annotated[int, Field(ge=1, le=900)] = 10
    observability: Literal["lean", "powertools"] = "lean"
    max_body_bytes: Annotated[int, Field(ge=1)] = MAX_BODY_BYTES
    max_object_bytes: Annotated[int, Field(ge=1)] = MAX_OBJECT_BYTES
    max_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS
    max_batch: Annotated[int, Field(ge=1)] = MAX_BATCH
    batching: Literal["auto", "off"] | Annotated[int, Field(ge=2, le=MOST_BATCHING)] = "auto"
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1


class S3Trigger(Section):
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


class TriggersSection(Section):
    """`[triggers]`: what calls the function."""

    http: bool = True
    s3: S3Trigger | None = None
