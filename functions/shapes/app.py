"""Tells which shape a picture shows. Lambda calls `handler`; the HTTP server runs `handler.asgi`."""

from liteship import Function

handler = Function(__file__)
