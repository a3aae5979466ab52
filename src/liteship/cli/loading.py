"""Loads a function as its deployment would: `app.py`, with the environment of `function.toml`."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import sys
from typing import TYPE_CHECKING

from liteship.errors import ConfigurationError
from liteship.runtime.function import Function

if TYPE_CHECKING:
    from liteship.project import FunctionFolder


def load_app(function: FunctionFolder) -> Function:
    """Imports `app.py` and returns its `handler`; its log is not for the command's reader.

    Raises:
        ConfigurationError: `app-missing` or `app-handler`.
    """
    path = function.folder / "app.py"
    specification = importlib.util.spec_from_file_location("app", path)
    if not path.is_file() or specification is None or specification.loader is None:
        raise ConfigurationError(
            "app-missing", f"there is no {path}", hint="write one: handler = Function(__file__)"
        )
    module = importlib.util.module_from_spec(specification)
    sys.path.insert(0, str(function.folder))  # for the modules beside it
    sys.modules["app"] = module  # for a pipeline's steps
    os.environ.update(function.config.environment())
    with contextlib.redirect_stdout(io.StringIO()):
        specification.loader.exec_module(module)
    handler = getattr(module, "handler", None)
    if not isinstance(handler, Function):
        raise ConfigurationError(
            "app-handler",
            f"{path} defines no handler",
            expected="handler = Function(__file__)",
            received=type(handler).__name__,
            hint="see functions/digits/app.py",
        )
    return handler
