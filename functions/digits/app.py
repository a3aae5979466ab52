"""Reads a handwritten digit. Lambda calls `handler`; the HTTP server runs `handler.asgi`."""

from liteship import Function

handler = Function(__file__)
