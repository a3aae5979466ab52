"""A project on disk: the functions in `functions/`, each described by its `function.toml`.

Build half: pydantic checks the whole file, and every problem is reported at once.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from liteship.artifact import Preprocessing
from liteship.errors import ConfigurationError
from liteship.runtime.settings import MAX_BODY_BYTES, MAX_OBJECT_BYTES, MAX_PIXELS, prefixes_overlap

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

    input_prefix: Annotated[str, Field(min_length=1, max_length=512)] = "incoming/"
    output_prefix: Annotated[str, Field(min_length=1, max_length=512)] = "results/"

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


class KnativeSection(_Section):
    """`[knative]`: how the Service scales."""

    container_concurrency: Annotated[int, Field(ge=1, le=1000)] = 1
    min_scale: Annotated[int, Field(ge=0)] = 0
    max_scale: Annotated[int, Field(ge=1)] = 10

    @model_validator(mode="after")
    def _range_is_one(self) -> KnativeSection:
        if self.min_scale > self.max_scale:
            msg = f"min_scale {self.min_scale} is above max_scale {self.max_scale}"
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
    knative: KnativeSection = KnativeSection()

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
        if self.triggers.s3 is not None:
            variables["LITESHIP_S3_INPUT_PREFIX"] = self.triggers.s3.input_prefix
            variables["LITESHIP_S3_OUTPUT_PREFIX"] = self.triggers.s3.output_prefix
        return variables


@dataclass(frozen=True, kw_only=True)
class FunctionFolder:
    """One function on disk.

    Attributes:
        folder: `functions/NAME`.
        config: Its `function.toml`.
    """

    folder: Path
    config: FunctionConfig

    @property
    def model_folder(self) -> Path:
        """Where its artifact lies."""
        return self.folder / "model"

    @property
    def root(self) -> Path:
        """The project's folder: holds `functions/`, `layers/`, `template.yaml`."""
        return self.folder.parent.parent


def find_root(start: Path | None = None) -> Path:
    """The nearest folder, from `start` upward, that holds a folder `functions`.

    Raises:
        ConfigurationError: `project-missing`.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "functions").is_dir():
            return folder
    raise ConfigurationError(
        "project-missing",
        f"neither {start} nor a folder above it holds a folder functions/",
        hint="change into the project's folder first",
    )


def load_function(name: str, root: Path | None = None) -> FunctionFolder:
    """Reads and validates `functions/NAME/function.toml`.

    Raises:
        ConfigurationError: `project-missing`, `function-missing`, `function-toml`, or
            `function-invalid` with every problem found.
    """
    functions = (root or find_root()) / "functions"
    folder = functions / name
    path = folder / "function.toml"
    if not path.is_file():
        found = sorted(each.parent.name for each in functions.glob("*/function.toml"))
        raise ConfigurationError(
            "function-missing",
            f"there is no {path}",
            expected=f"one of {', '.join(found)}" if found else "functions/NAME/function.toml",
            received=name,
            hint="give the name of a folder in functions/",
        )
    return FunctionFolder(folder=folder, config=read_config(path))


def read_config(path: Path) -> FunctionConfig:
    """Reads one `function.toml`.

    Raises:
        ConfigurationError: `function-toml` or `function-invalid`.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            "function-toml",
            f"{path} cannot be read as TOML: {error}",
            hint="correct the line that the message names",
        ) from error
    try:
        config = FunctionConfig.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(
            "function-invalid",
            f"{path} has {error.error_count()} problem(s)",
            problems=[_problem(each) for each in error.errors(include_url=False)],
            hint="correct every line listed; docs/guides/function-toml.md explains each key",
        ) from error
    if config.name != path.parent.name:
        raise ConfigurationError(
            "function-invalid",
            f"{path} names another function than its folder",
            expected=path.parent.name,
            received=config.name,
            hint="use the folder's name",
        )
    return config


def _problem(error: object) -> str:
    """One validation error as `key: what is allowed; received …`."""
    fields = error if isinstance(error, dict) else {}
    place = list(fields["loc"])
    if place[0] == "input" and place[1:2] in (["image"], ["tensor"]):
        del place[1]  # the kind that chose the section's class, not a key
    key = ".".join(map(str, place))
    text = str(fields["msg"]).removeprefix("Value error, ")
    if fields["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if fields["type"] == "missing":
        return f"{key}: missing"
    return f"{key}: {text}; received {fields['input']!r:.60}"
