"""A package whose modules are used and whose `__init__` is not."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from liteship.runtime.deferred import defer_package

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "liteship_test_costly"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package whose `__init__` leaves a trace, with a module `cheap`."""
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "__init__.py").write_text(f"import {NAME}.costly\nanswer = 42\n")
    (folder / "cheap.py").write_text("value = 7\n")
    (folder / "costly.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield NAME
    for name in [each for each in sys.modules if each.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_a_module_without_the_rest(package: str) -> None:
    defer_package(package)
    cheap = importlib.import_module(f"{package}.cheap")
    assert cheap.value == 7
    assert f"{package}.costly" not in sys.modules


def test_who_asks_the_package_gets_all_of_it(package: str) -> None:
    deferred = defer_package(package)
    cheap = importlib.import_module(f"{package}.cheap")
    whole = importlib.import_module(package)
    assert whole is deferred
    assert whole.answer == 42
    assert f"{package}.costly" in sys.modules
    assert whole.cheap is cheap


def test_what_nobody_defines_is_missing_as_usual(package: str) -> None:
    deferred = defer_package(package)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = deferred.nonsense
    assert not hasattr(deferred, "nonsense")


def test_a_package_that_is_imported_stays(package: str) -> None:
    whole = importlib.import_module(package)
    assert defer_package(package) is whole


def test_a_package_that_is_not_installed() -> None:
    with pytest.raises(ModuleNotFoundError, match="liteship_test_absent") as raised:
        defer_package("liteship_test_absent")
    assert raised.value.name == "liteship_test_absent"


def test_uvicorn_is_whole_for_who_asks_later() -> None:
    import uvicorn

    from liteship.runtime import server

    assert issubclass(server._Server, uvicorn.Server)
    assert callable(uvicorn.run)
