"""The one entry point of every image: `python -m liteship.runtime [MODULE.HANDLER]`.

Under Lambda, which sets AWS_LAMBDA_RUNTIME_API
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), it is a runtime client; anywhere
else it is an HTTP server.
"""

from __future__ import annotations

import importlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    from liteship.runtime.server import serve

    try:
        serve(_load(name))
    except LiteshipError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


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
