"""The gRPC server: the only place that knows grpc."""

from __future__ import annotations

import json

import grpc
from grpc import aio

from liteship.errors import ConfigurationError, InputError
from liteship.runtime.grpc_door.messages import CLASSES, HEALTH_SERVICE, SERVICE
from liteship.runtime.grpc_door.translation import from_rest, to_rest
from liteship.runtime.http import Request
from liteship.runtime.protocols import open_inference, repository
from liteship.runtime.protocols.native import READY_V2
from liteship.runtime.receiving import request_id_from
from liteship.runtime.routes import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any

    from liteship.runtime.asgi import AsgiApplication
    from liteship.runtime.function import Function
    from liteship.runtime.http import Response

    Answer = Callable[[Any, Any], Awaitable[Any]]
    """A call's message and its context in; the message that answers it out."""

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""HTTP status to gRPC code; every other failure is `INTERNAL`."""

SERVING, NOT_SERVING = 1, 2

HEAD_BYTES = 64 * 1024
"""For names and numbers around the tensors, which `max_body_bytes` bounds."""

_ROUTES = {
    (route.method, route.template): route for route in (*open_inference.ROUTES, *repository.ROUTES)
}


async def start_server(application: AsgiApplication, function: Function, port: int) -> tuple[Any, int]:
    """Starts the server in the running event loop.

    Args:
        application: Answers, with the queue and the counts of the HTTP server.
        function: Whose settings hold.
        port: To listen on, at every address; 0 for any that is free.

    Returns:
        The `grpc.aio.Server`, and the port.

    Raises:
        ConfigurationError: `port-unavailable`.
    """
    calls = _Calls(application, function)
    limit_bytes = function.settings.max_body_bytes + HEAD_BYTES
    server = aio.server(
        options=[("grpc.max_receive_message_length", limit_bytes), ("grpc.so_reuseport", 0)]
    )
    for service, answers in calls.services().items():
        handlers = {name: _handler(name, answer) for name, answer in answers.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    try:
        bound = server.add_insecure_port(f"[::]:{port}")
    except RuntimeError as error:
        raise ConfigurationError(
            "port-unavailable",
            f"port {port} cannot be opened for gRPC",
            hint="choose another LITESHIP_GRPC_PORT, or end the process that listens there",
        ) from error
    await server.start()
    function.telemetry.info("serving gRPC", port=bound)
    return server, bound


def _handler(name: str, answer: Answer) -> Any:
    request = "HealthCheck" if name == "Check" else name
    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=CLASSES[f"{request}Request"].FromString,
        response_serializer=CLASSES[f"{request}Response"].SerializeToString,
    )


class _Calls:
    """The calls, each by the REST route that answers the same."""

    def __init__(self, application: AsgiApplication, function: Function) -> None:
        self._application = application
        self._function = function

    def services(self) -> dict[str, dict[str, Answer]]:
        """Every call's answer, by service and name."""
        return {
            SERVICE: {
                "ServerLive": self._server_live,
                "ServerReady": self._server_ready,
                "ServerMetadata": self._server_metadata,
                "ModelReady": self._model_ready,
                "ModelMetadata": self._model_metadata,
                "ModelInfer": self._model_infer,
                "RepositoryIndex": self._repository_index,
                "RepositoryModelLoad": self._load,
                "RepositoryModelUnload": self._unload,
            },
            HEALTH_SERVICE: {"Check": self._check},
        }

    async def _server_live(self, _call: Any, _context: Any) -> Any:
        return CLASSES["ServerLiveResponse"](live=True)

    async def _server_ready(self, _call: Any, context: Any) -> Any:
        return CLASSES["ServerReadyResponse"](ready=await self._is_ready(context))

    async def _check(self, _call: Any, context: Any) -> Any:
        is_ready = await self._is_ready(context)
        return CLASSES["HealthCheckResponse"](status=SERVING if is_ready else NOT_SERVING)

    async def _is_ready(self, context: Any) -> bool:
        response = await self._ask(context, *READY_V2, {})
        return response.status == 200

    async def _server_metadata(self, _call: Any, context: Any) -> Any:
        response = await self._ask(context, "GET", "/v2", {})
        return await _message("ServerMetadataResponse", response, context)

    async def _model_ready(self, call: Any, context: Any) -> Any:
        template, named = _model_path(call.name, call.version, "/ready")
        response = await self._ask(context, "GET", template, named)
        if response.status == 503:
            return CLASSES["ModelReadyResponse"](ready=False)
        await _require_ok(response, context)
        return CLASSES["ModelReadyResponse"](ready=True)

    async def _model_metadata(self, call: Any, context: Any) -> Any:
        template, named = _model_path(call.name, call.version, "")
        response = await self._ask(context, "GET", template, named)
        return await _message("ModelMetadataResponse", response, context)

    async def _model_infer(self, call: Any, context: Any) -> Any:
        template, named = _model_path(call.model_name, call.model_version, "/infer")
        try:
            headers, body = to_rest(call)
        except InputError as error:
            response = refuse(self._function, error, _request_id(context))
        else:
            response = await self._ask(context, "POST", template, named, headers, body)
        await _require_ok(response, context)
        return from_rest(response)

    async def _repository_index(self, call: Any, context: Any) -> Any:
        body = json.dumps({"ready": call.ready}).encode()
        response = await self._ask(context, "POST", "/v2/repository/index", {}, body=body)
        await _require_ok(response, context)
        return CLASSES["RepositoryIndexResponse"](models=json.loads(response.body))

    async def _load(self, call: Any, context: Any) -> Any:
        return await self._control(call, context, "Load")

    async def _unload(self, call: Any, context: Any) -> Any:
        return await self._control(call, context, "Unload")

    async def _control(self, call: Any, context: Any, verb: str) -> Any:
        template = f"/v2/repository/models/{{name}}/{verb.lower()}"
        response = await self._ask(context, "POST", template, {"name": call.model_name})
        await _require_ok(response, context)
        return CLASSES[f"RepositoryModel{verb}Response"]()

    async def _ask(
        self,
        context: Any,
        method: str,
        template: str,
        named: Mapping[str, str],
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Response:
        request = Request(method, template, headers or {}, body, _request_id(context))
        request.path_parameters = named
        return await self._application.answer(_ROUTES[method, template], request)


def _model_path(name: str, version: str, suffix: str) -> tuple[str, dict[str, str]]:
    if version:
        return "/v2/models/{name}/versions/{version}" + suffix, {"name": name, "version": version}
    return "/v2/models/{name}" + suffix, {"name": name}


def _request_id(context: Any) -> str:
    return request_id_from(dict(context.invocation_metadata() or ()))


async def _message(name: str, response: Response, context: Any) -> Any:
    """The message that says what a REST answer says, as far as it has the fields for it."""
    await _require_ok(response, context)
    return CLASSES[name](**_fields(CLASSES[name].DESCRIPTOR, json.loads(response.body)))


def _fields(descriptor: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        field.name: [_fields(field.message_type, each) for each in content[field.name]]
        if field.message_type is not None
        else content[field.name]
        for field in descriptor.fields
        if field.name in content
    }


async def _require_ok(response: Response, context: Any) -> None:
    """Ends the call with what a refusal says."""
    if response.status != 200:
        content = json.loads(response.body)
        details = " ".join(
            f"{label}{content[key]}"
            for key, label in (
                ("error", ""),
                ("expected", "expected: "),
                ("received", "received: "),
                ("hint", "next step: "),
            )
            if key in content
        )
        trailers = (("x-request-id", content["request_id"]), ("reference", content["reference"]))
        await context.abort(CODES.get(response.status, grpc.StatusCode.INTERNAL), details, trailers)
