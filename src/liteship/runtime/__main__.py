"""The one entry point of every image: `python -m liteship.runtime [MODULE.HANDLER]`.

Under Lambda, which sets AWS_LAMBDA_RUNTIME_API
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), it is a runtime client; anywhere
else it is an HTTP server.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from liteship.runtime.function import Function


def main(arguments: list[str]) -> int:
    """Runs the handler named by the one argument, `app.handler` by default."""
    name = arguments[0] if arguments else "app.handler"
    sys.path.insert(0, os.getcwd())
    if "AWS_LAMBDA_RUNTIME_API" in os.environ:
        from awslambdaric.__main__ import main as run_lambda

        run_lambda([sys.argv[0], name])
        return 0
    from liteship.errors import LiteshipError

    try:
        _serve(name)
    except LiteshipError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _serve(name: str) -> None:
    """Listens, loads the function, and answers: in this order, see `liteship.runtime.listener`."""
    import signal

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, _end)
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # else the listener would get its number, and what is written
            setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
    from liteship.runtime.listener import listen
    from liteship.runtime.settings import Settings

    # Next to nothing of what a start makes is garbage: looking for it took 5 % of its CPU time
    gc.disable()
    listener = listen(Settings(os.environ).port)
    function = _load(name)
    from liteship.runtime.server import serve

    gc.freeze()
    gc.enable()
    serve(function, listener)


def _end(number: int, frame: FrameType | None) -> None:
    """SIGTERM or SIGINT before there is anything to finish.

    Without a handler, process 1 of a container does not hear it, and is killed when the grace period
    is over (https://man7.org/linux/man-pages/man7/pid_namespaces.7.html).
    """
    del frame
    os._exit(128 + number)


def _load(name: str) -> Function:
    """The function that `MODULE.HANDLER` names; a mistake inside the module keeps its traceback."""
    from liteship.errors import ConfigurationError
    from liteship.runtime.function import Function

    module, _, attribute = name.rpartition(".")
    found = None
    if all(part.isidentifier() for part in name.split(".")) and module:
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
    if not isinstance(found, Function):
        raise ConfigurationError(
            "handler-missing",
            f"{name!r} names no function",
            expected="MODULE.HANDLER, a liteship.Function in a module of the working folder",
            received=f"nothing of that name in {os.getcwd()}" if found is None else repr(type(found)),
            hint="run it in the function's folder, as python -m liteship.runtime app.handler",
        )
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
