"""The lean writer: Powertools' log fields and metric lines from the standard library.

Log fields: https://docs.powertools.aws.dev/lambda/python/latest/core/logger/#standard-structured-keys
Metric lines: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import os
import sys
import time

from liteship.runtime.telemetry import function_version, metrics_namespace, service_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.runtime.telemetry import Handler


MAX_VALUES = 100
"""What one line may hold of a metric; see the specification above."""


class LeanWriter:
    """Writes JSON lines to standard output.

    Args:
        environ: Read for service name, version, namespace and, at every line, the X-Ray trace id.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._service = service_name(environ)
        self._version = function_version(environ)
        self._namespace = metrics_namespace(environ)
        self._context: dict[str, object] = {}
        self._metrics: dict[str, tuple[str, list[float]]] | None = None  # None: not in Lambda
        self._cold = True

    def log(self, level: str, message: str, fields: Mapping[str, object]) -> None:
        """Writes one line; see `Writer.log`."""
        caller = sys._getframe(2)  # noqa: SLF001  # what logging's own findCaller calls
        now = time.time()
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
        line = {
            "level": level,
            "location": f"{caller.f_code.co_name}:{caller.f_lineno}",
            "message": message,
            "timestamp": f"{stamp},{int(now * 1000) % 1000:03d}+0000",
            "service": self._service,
            **self._context,
            **fields,
        }
        trace = self._environ.get("_X_AMZN_TRACE_ID", "")
        if trace:
            line["xray_trace_id"] = trace.partition(";")[0].removeprefix("Root=")
        _write(line)

    def metric(self, name: str, unit: str, value: float) -> None:
        """Adds a value; outside Lambda nobody reads metric lines, so nothing is kept."""
        if self._metrics is None:
            return
        values = self._metrics.setdefault(name, (unit, []))[1]
        values.append(value)
        if len(values) == MAX_VALUES:
            self._write_metrics()
            self._metrics = {}

    def wrap(self, handler: Handler) -> Handler:
        """See `Writer.wrap`."""

        def wrapped(event: object, context: object) -> object:
            self._context = {
                "cold_start": self._cold,
                "function_name": getattr(context, "function_name", None),
                "function_memory_size": getattr(context, "memory_limit_in_mb", None),
                "function_arn": getattr(context, "invoked_function_arn", None),
                "function_request_id": getattr(context, "aws_request_id", None),
            }
            self._metrics = {}
            if self._cold:
                self.metric("ColdStart", "Count", 1)
            self._cold = False
            try:
                return handler(event, context)
            finally:
                self._write_metrics()

        return wrapped

    def _write_metrics(self) -> None:
        metrics, self._metrics = self._metrics, None
        if not metrics:
            return
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [["function_version", "service"]],
            "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
        }
        _write(
            {
                "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
                "service": self._service,
                "function_version": self._version,
                **{name: values for name, (_, values) in metrics.items()},
            }
        )


_encode = json.JSONEncoder(default=str).encode
"""`json.dumps` would make an encoder for each line."""


def _write(line: Mapping[str, object]) -> None:
    # One write a line, so that lines of several threads do not mix.
    # ASCII, which every stream can hold: a caller may send half a character, which UTF-8 cannot.
    try:
        sys.stdout.write(_encode(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the log is gone: the answers matter more, and flushing at the end must not fail
        # (https://docs.python.org/3/library/signal.html#note-on-sigpipe)
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
