"""Imports parts of a package without the rest of it."""

from __future__ import annotations

import importlib.util
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def defer_package(name: str) -> ModuleType:
    """Makes a package's modules importable without running its `__init__`.

    That runs when something is asked of the package itself that only it defines, as by whoever
    imports the package later.

    Args:
        name: A package that is installed. One that is imported already stays as it is.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        msg = f"No module named {name!r}"
        raise ModuleNotFoundError(msg, name=name)
    package = importlib.util.module_from_spec(spec)
    loader = spec.loader

    def complete(attribute: str) -> object:
        if vars(package).pop("__getattr__", None):
            loader.exec_module(package)
            return getattr(package, attribute)
        msg = f"module {name!r} has no attribute {attribute!r}"
        raise AttributeError(msg, name=attribute, obj=package)

    vars(package)["__getattr__"] = complete
    sys.modules[name] = package
    return package
