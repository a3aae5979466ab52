"""Imports a package without what it would make and nobody may ask for."""

from __future__ import annotations

import gc
import importlib.util
import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
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


@contextmanager
def deferred_models() -> Iterator[None]:
    """While it lasts, classes of pydantic models get their validators at their first use.

    FastAPI has 36 for the OpenAPI document alone, a fifth of its import's CPU time. They inherit a
    setting that pydantic has for this; what a class sets itself stays
    (https://docs.pydantic.dev/latest/api/config/#pydantic.config.ConfigDict.defer_build). Two threads
    must not be the first to use one at the same time.
    """
    from pydantic import BaseModel

    before = BaseModel.model_config
    BaseModel.model_config = {**before, "defer_build": True}
    try:
        yield
    finally:
        BaseModel.model_config = before


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """While it lasts, nobody looks for garbage, nor later among what was made until its end.

    Next to nothing of what an import makes is garbage, and to look at all of it once more when it is
    over would cost what waiting saved.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.freeze()
            gc.enable()
