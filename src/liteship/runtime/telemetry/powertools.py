"""AWS Lambda Powertools: Logger, Metrics and, where the X-Ray SDK is installed, Tracer."""

from __future__ import annotations

import sys

from aws_lambda_powertools import Logger, Metrics, Tracer

from liteship.runtime.telemetry import function_version, metrics_namespace, service_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.runtime.telemetry import Handler


class PowertoolsWriter:
    """Writes through Powertools; it must be installed (`layers/web`).

    Args:
        environ: Read for service name, version and namespace.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        service = service_name(environ)
        # A service of its own name each time would share one Logger, and its handlers.
        self._logger = Logger(service=service, stream=sys.stdout)
        self._metrics = Metrics(namespace=metrics_namespace(environ), service=service)
        self._metrics.set_default_dimensions(function_version=function_version(environ))
        self._tracer = _create_tracer(service)
        self._in_lambda = False
        self._cold = True

    def log(self, level: str, message: str, fields: Mapping[str, object]) -> None:
        """Writes one line; see `Writer.log`."""
        write = getattr(self._logger, level.lower())
        write(message, extra=dict(fields), stacklevel=4)

    def metric(self, name: str, unit: str, value: float) -> None:
        """Adds a value; outside Lambda nobody reads metric lines, so nothing is kept."""
        if self._in_lambda:
            self._metrics.add_metric(name=name, unit=unit, value=value)

    def wrap(self, handler: Handler) -> Handler:
        """See `Writer.wrap`."""

        def counted(event: object, context: object) -> object:
            self._in_lambda = True
            if self._cold:
                self.metric("ColdStart", "Count", 1)
            self._cold = False
            return handler(event, context)

        wrapped = counted
        if self._tracer is not None:
            wrapped = self._tracer.capture_lambda_handler(wrapped, capture_response=False)
        wrapped = self._metrics.log_metrics(wrapped)
        return self._logger.inject_lambda_context(wrapped)


def _create_tracer(service: str) -> Tracer | None:
    """None without the X-Ray SDK, which brings all of botocore."""
    try:
        return Tracer(service=service)
    except ImportError:
        return None
