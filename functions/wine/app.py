"""Tells a wine's cultivar from its chemical analysis. Lambda calls `handler`; HTTP `handler.asgi`."""

from liteship import Function

handler = Function(__file__)
