"""Every error liteship raises, in one hierarchy; standard library only.

    LiteshipError
    ├── ConfigurationError      function.toml, environment variables, command-line values
    ├── SourceModelError        the trained model that should be converted
    ├── CalibrationError        the representative data set
    ├── ConversionError         the converter itself failed or produced the wrong thing
    ├── AccuracyError           the int8 model lost more than its accuracy budget
    ├── ArtifactError           model.tflite and model.json: missing, damaged, not matching
    ├── PackagingError          layers, bundles and images
    ├── LimitError              a platform limit would be exceeded
    ├── DeploymentError         emulator, containers, clusters, stacks
    ├── InputError              what a caller sent
    │   ├── NotFoundError
    │   ├── PayloadTooLargeError
    │   └── UnsupportedMediaError
    └── NotReadyError           the model is not loaded, or failed its self-test

An error says what could not be done, to what, what was expected against what was received, and one
next step. Only the edges turn errors into exit codes (`cli/exits.py`) or HTTP statuses
(`runtime/http.py`).
"""

from __future__ import annotations

TYPE_CHECKING = False  # not typing.TYPE_CHECKING: this module runs at every cold start
if TYPE_CHECKING:
    from collections.abc import Iterable


class LiteshipError(Exception):
    """What could not be done, and what to do next.

    Args:
        reference: Stable identifier, such as `calibration-empty`, to search for and to test against.
        message: What could not be done, to which file, tensor or key.
        hint: One concrete next step.
        expected: What would have been accepted, shape and dtype included where there are any.
        received: What was found instead.
        problems: When several things are wrong with one file, all of them, one line each.
    """

    def __init__(
        self,
        reference: str,
        message: str,
        *,
        hint: str,
        expected: str | None = None,
        received: str | None = None,
        problems: Iterable[str] = (),
    ) -> None:
        self.reference = reference
        self.message = message
        self.hint = hint
        self.expected = expected
        self.received = received
        self.problems = tuple(problems)
        super().__init__(reference, message)

    def __str__(self) -> str:
        lines = [self.message]
        lines += [f"  - {problem}" for problem in self.problems]
        if self.expected is not None:
            lines.append(f"  expected: {self.expected}")
        if self.received is not None:
            lines.append(f"  received: {self.received}")
        lines.append(f"  next step: {self.hint}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """The error as JSON-ready fields; absent ones are left out."""
        fields: dict[str, object] = {"error": self.message, "reference": self.reference}
        if self.problems:
            fields["problems"] = list(self.problems)
        if self.expected is not None:
            fields["expected"] = self.expected
        if self.received is not None:
            fields["received"] = self.received
        fields["hint"] = self.hint
        return fields


class ConfigurationError(LiteshipError):
    """A setting is missing, unknown or out of range."""


class SourceModelError(LiteshipError):
    """The trained model cannot be read or is not a whole model."""


class CalibrationError(LiteshipError):
    """The representative data set cannot calibrate this model."""


class ConversionError(LiteshipError):
    """The conversion failed, or its result is not what was asked for."""


class AccuracyError(LiteshipError):
    """The converted model lost more accuracy than the budget allows."""


class ArtifactError(LiteshipError):
    """The artifact is missing, damaged or does not match its manifest."""


class PackagingError(LiteshipError):
    """A layer, bundle or image could not be built."""


class LimitError(LiteshipError):
    """A platform limit would be exceeded."""


class DeploymentError(LiteshipError):
    """The emulator, a container engine, a stack or a cluster refused or failed."""


class InputError(LiteshipError):
    """What a caller sent cannot be answered; the caller can mend it."""


class NotFoundError(InputError):
    """The caller names a model, or a version of it, that is not served here."""


class PayloadTooLargeError(InputError):
    """The body, object or picture is larger than the function accepts."""


class UnsupportedMediaError(InputError):
    """The content type is not one that this model reads."""


class NotReadyError(LiteshipError):
    """The model is not loaded, or the runtime answers its self-test wrongly."""
