"""`[pipelines.NAME]`: models and steps in Python that answer as one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from liteship.config.sections import Section
from liteship.runtime.pipeline_steps import step_problems


class PipelineSection(Section):
    """One pipeline; `liteship.runtime.pipeline_steps` says which steps there are."""

    steps: Annotated[list[str], Field(min_length=1, max_length=32)]
    default: bool = False

    @field_validator("steps")
    @classmethod
    def _steps_can_be_run(cls, steps: list[str]) -> list[str]:
        if problems := step_problems(steps):
            raise ValueError("; ".join(problems))
        return steps
