"""`function.toml` as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from liteship.artifact import Preprocessing
from liteship.config.pipelines import PipelineSection  # noqa: TC001  # pydantic reads the annotation
from liteship.config.platforms import KnativeSection, LambdaSection
from liteship.config.sections import (
    NORMALIZATIONS,
    ImageInput,
    ModelSection,
    ModelsSection,
    OutputSection,
    RuntimeSection,
    Section,
    TensorInput,
    TriggersSection,
)
from liteship.located_model import LocatedModel, locate
from liteship.runtime.models_setting import ModelsSetting
from liteship.runtime.pipeline_steps import pipeline_problems, write_pipelines
from liteship.runtime.settings import LOW_CONFIDENCE, S3

if TYPE_CHECKING:
    from pathlib import Path

Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$")]
"""A DNS label, short enough to prefix Lambda's and Kubernetes' 63 characters."""

Version = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?$")]


class FunctionConfig(Section):
    """A whole `function.toml`."""

    name: Name
    version: Version
    model: ModelSection
    models: ModelsSection | None = None
    input: Annotated[ImageInput | TensorInput, Field(discriminator="kind")]
    output: OutputSection = OutputSection()
    runtime: RuntimeSection = RuntimeSection()
    pipelines: dict[Name, PipelineSection] = Field(default={}, max_length=32)
    triggers: TriggersSection = TriggersSection()
    lambda_: LambdaSection = Field(default=LambdaSection(), alias="lambda")
    knative: KnativeSection = Field(default=KnativeSection(), validate_default=True)

    _model_folder: Path | None = PrivateAttr(default=None)

    @field_validator("pipelines")
    @classmethod
    def _pipelines_fit_together(
        cls, pipelines: dict[str, PipelineSection], info: ValidationInfo
    ) -> dict[str, PipelineSection]:
        if problems := pipeline_problems(info.data.get("name", ""), _declared(pipelines)):
            raise ValueError("; ".join(problems))
        return pipelines

    @field_validator("models")
    @classmethod
    def _several_models_are_in_the_image(
        cls, models: ModelsSection | None, info: ValidationInfo
    ) -> ModelsSection | None:
        location = info.data["model"].location if "model" in info.data else "image"
        if models is not None and location != "image":
            msg = f'several models need model.location = "image", not "{location}"'
            raise ValueError(msg)
        return models

    @field_validator("knative")
    @classmethod
    def _a_claim_is_for_a_mounted_model(
        cls, knative: KnativeSection, info: ValidationInfo
    ) -> KnativeSection:
        location = info.data["model"].location if "model" in info.data else "image"
        if location.startswith("/") and knative.volume_claim is None:
            msg = f"volume_claim must name what is mounted at model.location {location}"
            raise ValueError(msg)
        if knative.volume_claim is not None and not location.startswith("/"):
            msg = f"volume_claim is for a model.location below /mnt, not for {location}"
            raise ValueError(msg)
        return knative

    @field_validator("knative")
    @classmethod
    def _uploads_are_not_for_everybody(
        cls, knative: KnativeSection, info: ValidationInfo
    ) -> KnativeSection:
        """An event is a mere POST: with a route from outside, anybody can send one."""
        if knative.visibility is not None:
            return knative
        triggers = info.data.get("triggers", TriggersSection())
        visibility = "public" if triggers.s3 is None else "cluster-local"
        return knative.model_copy(update={"visibility": visibility})

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

    def with_model_in(self, folder: Path) -> FunctionConfig:
        """A copy that knows where this project has the artifact."""
        copy = self.model_copy()
        copy._model_folder = folder  # noqa: SLF001  # our own
        return copy

    def located_model(self) -> LocatedModel | None:
        """The artifact, and where a deployed function loads it; None where it is in the image.

        Raises:
            ArtifactError: `artifact-missing`, `artifact-version`, or as `located_model.locate`.
        """
        if self.model.location == "image":
            return None
        return locate(self.model.location, self.name, self.version, self._model_folder)

    def lambda_model(self) -> LocatedModel | None:
        """The same on Lambda, which reaches no cluster's volume: there the package's model is used.

        Raises:
            ArtifactError: As `located_model`.
        """
        return self.located_model() if self.model.location.startswith(S3) else None

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
            for field in (
                "observability",
                "max_body_bytes",
                "max_object_bytes",
                "max_pixels",
                "max_batch",
                "batching",
                "threads",
            )
            if getattr(mine, field) != getattr(defaults, field)
        }
        if self.output.low_confidence != LOW_CONFIDENCE:
            variables["LITESHIP_LOW_CONFIDENCE"] = str(self.output.low_confidence)
        if self.pipelines:
            variables["LITESHIP_PIPELINES"] = write_pipelines(_declared(self.pipelines))
        if self.triggers.s3 is not None:
            variables["LITESHIP_S3_INPUT_PREFIX"] = self.triggers.s3.input_prefix
            variables["LITESHIP_S3_OUTPUT_PREFIX"] = self.triggers.s3.output_prefix
        if self.models is not None:
            setting = ModelsSetting(self.name, self.version, **self.models.model_dump())
            variables["LITESHIP_MODELS"] = setting.to_json()
        return variables


def _declared(pipelines: dict[str, PipelineSection]) -> dict[str, tuple[list[str], bool]]:
    return {name: (section.steps, section.default) for name, section in pipelines.items()}
