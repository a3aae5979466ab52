"""What `function.toml` may say: every key, its type, its range and its default.

Build half: pydantic checks the whole file, and every problem is reported at once.
"""

from liteship.config.function import FunctionConfig
from liteship.config.pipelines import PipelineSection
from liteship.config.platforms import AlarmsSection, KnativeSection, LambdaSection, Rollout
from liteship.config.sections import (
    NORMALIZATIONS,
    ImageInput,
    ModelSection,
    ModelsSection,
    OutputSection,
    Runtime,
    RuntimeSection,
    S3Trigger,
    Scheme,
    TensorInput,
    TriggersSection,
)

__all__ = [
    "NORMALIZATIONS",
    "AlarmsSection",
    "FunctionConfig",
    "ImageInput",
    "KnativeSection",
    "LambdaSection",
    "ModelSection",
    "ModelsSection",
    "OutputSection",
    "PipelineSection",
    "Rollout",
    "Runtime",
    "RuntimeSection",
    "S3Trigger",
    "Scheme",
    "TensorInput",
    "TriggersSection",
]
