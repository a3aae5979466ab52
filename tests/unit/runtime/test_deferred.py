"""A package whose modules are used and whose `__init__` is not."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from liteship.runtime.deferred import collector_at_rest, defer_package, deferred_models

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


def test_models_get_their_validators_at_their_first_use() -> None:
    from pydantic import BaseModel, ConfigDict, ValidationError

    with deferred_models():

        class Deferred(BaseModel):
            number: int

        class AsItSays(BaseModel):
            model_config = ConfigDict(defer_build=False)
            number: int

    class Later(BaseModel):
        number: int

    assert [each.__pydantic_complete__ for each in (Deferred, AsItSays, Later)] == [False, True, True]
    assert BaseModel.model_config == {}
    with pytest.raises(ValidationError):
        Deferred.model_validate({"number": "seven"})
    assert Deferred(number=7).model_dump() == {"number": 7}


def test_the_setting_comes_back_after_a_failure() -> None:
    from pydantic import BaseModel

    with pytest.raises(ZeroDivisionError), deferred_models():
        _ = 1 / 0
    assert BaseModel.model_config == {}


def test_the_collector_is_as_it_was_before() -> None:
    assert gc.isenabled()
    with collector_at_rest():
        assert not gc.isenabled()
        with collector_at_rest():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_uvicorn_is_whole_for_who_asks_later() -> None:
    import uvicorn

    from liteship.runtime import server

    assert issubclass(server._Server, uvicorn.Server)
    assert callable(uvicorn.run)
