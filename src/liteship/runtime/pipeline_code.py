"""Steps in Python, in the function's own modules."""

from __future__ import annotations

import importlib

from liteship.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from PIL.Image import Image

    from liteship.runtime.pipeline_steps import CodeStep


class PipelineInput:
    """What a step in Python gets of one item.

    Args:
        body: What the item came as: the request's body, or what an earlier step in Python gave.
        content_type: What that is.
        outputs: Of the model before: each output tensor's elements as real numbers, row-major, by
            name. Empty where no model is before.
        max_pixels: Largest picture to decode.
    """

    __slots__ = ("_max_pixels", "body", "content_type", "outputs")

    def __init__(
        self, body: bytes, content_type: str, outputs: Mapping[str, list[float]], max_pixels: int
    ) -> None:
        self.body = body
        self.content_type = content_type
        self.outputs = outputs
        self._max_pixels = max_pixels

    def picture(self, mode: str = "RGB") -> Image:
        """The body as a picture, read with the care that callers' files need.

        Args:
            mode: Pillow's: `L` for grey values, `RGB` for colours.

        Raises:
            InputError: As `liteship.runtime.codecs.image.decode_image`.
        """
        from liteship.runtime.codecs.image import open_picture

        return open_picture(self.body, mode, self._max_pixels)


def run_code(step: CodeStep, given: PipelineInput) -> list[tuple[bytes, str]]:
    """Runs a step in Python on one item.

    Its module is imported when it is first run: `app`, which made the function, is by then.

    Returns:
        What would have been sent to the next model: bodies with their content types, one an item.

    Raises:
        InputError: The step says that the caller's item cannot be answered.
        ConfigurationError: `pipeline-code` if it is not there, or gives anything else.
    """
    found: Any = getattr(importlib.import_module(step.module), step.name, None)
    if not callable(found):
        raise ConfigurationError(
            "pipeline-code",
            f"module {step.module} has no function {step.name}",
            received=type(found).__name__,
            hint="correct the step in function.toml, or write the function",
        )
    sent: object = found(given)
    if isinstance(sent, list) and all(
        isinstance(each, tuple) and [*map(type, each)] == [bytes, str] for each in sent
    ):
        return sent
    raise ConfigurationError(
        "pipeline-code",
        f"step {step.text} gave what cannot be sent to a model",
        expected="a list of tuples (body, content type) of bytes and str",
        received=f"{sent!r:.80}",
        hint="return what would be sent to the next model, one for each item",
    )
