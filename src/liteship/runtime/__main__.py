"""The one entry point of every image: `python -m liteship.runtime [MODULE.HANDLER]`.

Under Lambda, which sets AWS_LAMBDA_RUNTIME_API
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), it is a runtime client; anywhere
else it is an HTTP server.
"""

from __future__ import annotations

import importlib
import os
import sys


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

    module, _, attribute = name.rpartition(".")
    try:
        serve(getattr(importlib.import_module(module), attribute))
    except LiteshipError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
