"""Logs and metrics: one JSON line each, written by Powertools or by the lean writer.

Both write the same fields: `lean` with the standard library, `powertools` with AWS Lambda
Powertools' Logger, Metrics and Tracer. `function.toml` chooses.
"""

from __future__ import annotations

from liteship.errors import LiteshipError
from liteship.runtime.settings import LOW_CONFIDENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from liteship.runtime.inference import Inference

    Handler = Callable[[object, object], object]

    class Watch(Protocol):
        """What is told of every prediction."""

        def __call__(self, inference: Inference, *, low_confidence: int) -> None:
            """A request's items were answered, so many of them with low confidence."""

    class Writer(Protocol):
        """What the two writers offer."""

        def log(self, level: str, message: str, fields: Mapping[str, object]) -> None:
            """Writes one log line; called two frames below the code that has something to say."""

        def metric(self, name: str, unit: str, value: float) -> None:
            """Adds a value to the metrics of this invocation."""

        def wrap(self, handler: Handler) -> Handler:
            """Runs a Lambda handler with its context in every log line and its metrics written."""


class Telemetry:
    """What the runtime reports.

    Args:
        writer: Where lines go, and in which form.
        low_confidence: Classifications whose best score is below are counted as `LowConfidence`.

    Attributes:
        watch: Told of every prediction too; the HTTP server counts them for `/metrics`.
    """

    def __init__(self, writer: Writer, low_confidence: float = LOW_CONFIDENCE) -> None:
        self._writer = writer
        self._low_confidence = low_confidence
        self.watch: Watch | None = None
        self.wrap = writer.wrap

    def info(self, message: str, **fields: object) -> None:
        """Something happened as it should."""
        self._writer.log("INFO", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        """Something was refused or ignored, and somebody may want to know."""
        self._writer.log("WARNING", message, fields)

    def error(self, message: str, **fields: object) -> None:
        """Something failed that should not have."""
        self._writer.log("ERROR", message, fields)

    def predicted(self, inference: Inference) -> None:
        """A request was answered.

        The line has the least confidence of its items. `LowConfidence` is 1 or 0 for each: its
        average is the share of unsure answers.
        """
        fields: dict[str, object] = {"model": inference.model, "version": inference.version}
        items = len(inference.outputs)
        if items != 1:
            fields["items"] = items
        fields |= {f"{name}_ms": round(ms, 3) for name, ms in inference.timings_ms.items()}
        if inference.confidences:
            fields["confidence"] = round(min(inference.confidences), 4)
        self._writer.log("INFO", "predicted", fields)
        self._writer.metric("Predictions", "Count", items)
        self._writer.metric("InvokeTime", "Milliseconds", inference.timings_ms["invoke"])
        unsure = [int(each < self._low_confidence) for each in inference.confidences]
        for each in unsure:
            self._writer.metric("LowConfidence", "Count", each)
        if self.watch is not None:
            self.watch(inference, low_confidence=sum(unsure))

    def refused(
        self,
        error: Exception,
        status: int,
        request_id: str | None = None,
        message_id: str | None = None,
    ) -> None:
        """A request got an error for an answer; an unexpected one is logged with its traceback.

        Args:
            error: What went wrong.
            status: The answer's HTTP status, or the one it would have had.
            request_id: As the answer names it; None for an event that has no answer of its own.
            message_id: Of the queue's message that told of it, if one did.
        """
        fields: dict[str, object] = {"status": status}
        if message_id is not None:
            fields["message_id"] = message_id
        if request_id is not None:
            fields["request_id"] = request_id
        if isinstance(error, LiteshipError):
            fields |= error.as_dict()
        else:
            import traceback

            fields["error"] = f"{type(error).__name__}: {error}"
            fields["traceback"] = "".join(traceback.format_exception(error))
        self._writer.log("ERROR" if status >= 500 else "WARNING", "refused", fields)
        self._writer.metric("Errors" if status >= 500 else "Refusals", "Count", 1)


def create_telemetry(
    observability: str, environ: Mapping[str, str], low_confidence: float = LOW_CONFIDENCE
) -> Telemetry:
    """Telemetry by the writer that `function.toml` asks for, one of `settings.OBSERVABILITY`."""
    if observability == "powertools":
        from liteship.runtime.telemetry.powertools import PowertoolsWriter

        return Telemetry(PowertoolsWriter(environ), low_confidence)
    from liteship.runtime.telemetry.lean import LeanWriter

    return Telemetry(LeanWriter(environ), low_confidence)


def service_name(environ: Mapping[str, str]) -> str:
    """The name that every line carries, as Powertools reads it; else the function's own."""
    name = environ.get("POWERTOOLS_SERVICE_NAME") or environ.get("AWS_LAMBDA_FUNCTION_NAME")
    return name or "liteship"


def function_version(environ: Mapping[str, str]) -> str:
    """The version that runs. Metrics have it as a dimension: a canary's new version is seen alone."""
    return environ.get("AWS_LAMBDA_FUNCTION_VERSION") or "$LATEST"


def metrics_namespace(environ: Mapping[str, str]) -> str:
    """CloudWatch namespace of the metrics, as Powertools reads it."""
    return environ.get("POWERTOOLS_METRICS_NAMESPACE") or "liteship"
