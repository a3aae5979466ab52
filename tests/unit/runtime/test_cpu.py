"""The self-test in a child process, for machines that do not describe their processors."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from liteship.artifact import Artifact
from liteship.errors import NotReadyError
from liteship.runtime.cpu import require_cpu_info

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from liteship import Function

DIES = "import os, sys\nif 'liteship.runtime.cpu' in sys.orig_argv: os.abort()\n"
COUNTS = "import sys\nif 'liteship.runtime.cpu' in sys.orig_argv: open({!r}, 'a').write('child ')\n"


@pytest.fixture
def in_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the child process run a script at its start (https://docs.python.org/3/library/site.html)."""

    def prepare(script: str) -> None:
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(script)
        monkeypatch.syspath_prepend(str(folder))

    return prepare


@pytest.fixture
def missing(tmp_path: Path) -> str:
    return str(tmp_path / "sys" / "possible")


def test_nothing_is_started_where_the_kernel_lists_its_processors(
    artifact_folder: Path, tmp_path: Path, in_child: Callable[[str], None]
) -> None:
    in_child(DIES)
    possible = tmp_path / "possible"
    possible.write_text("0-1\n")
    require_cpu_info(str(artifact_folder), "litert-c", possible=str(possible))


def test_a_child_that_answers_the_golden_input_is_enough(
    artifact_folder: Path, tmp_path: Path, missing: str, in_child: Callable[[str], None]
) -> None:
    in_child(COUNTS.format(str(tmp_path / "started")))
    require_cpu_info(str(artifact_folder), "litert-c", possible=missing)
    assert (tmp_path / "started").read_text() == "child "


def test_a_child_that_dies_becomes_an_error(
    artifact_folder: Path, missing: str, in_child: Callable[[str], None]
) -> None:
    in_child(DIES)
    with pytest.raises(NotReadyError) as raised:
        require_cpu_info(str(artifact_folder), "litert-c", possible=missing)
    assert raised.value.reference == "cpu-info-missing"
    assert missing in raised.value.message
    assert f"signal {signal.SIGABRT.value}" in str(raised.value.received)
    assert 'runtime.architecture = "x86_64"' in raised.value.hint


def test_a_child_that_fails_says_why(function_folder: Path, missing: str) -> None:
    model = function_folder / "model"
    Artifact.load(model)
    with pytest.raises(NotReadyError) as raised:
        require_cpu_info(str(model), "no-such-backend", possible=missing)
    assert raised.value.reference == "cpu-info-missing"
    assert "exit 1" in str(raised.value.received)
    assert "no-such-backend" in str(raised.value.received)
    assert "Traceback" not in str(raised.value.received)


@pytest.mark.parametrize(("machine", "ready"), [("aarch64", False), ("x86_64", True)])
def test_an_arm_function_is_not_ready_instead_of_gone(
    make_function: Callable[..., Function],
    missing: str,
    in_child: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    *,
    machine: str,
    ready: bool,
) -> None:
    in_child(DIES)
    name = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*name[:4], machine)))
    monkeypatch.setattr(require_cpu_info, "__kwdefaults__", {"possible": missing})
    function = make_function()
    if ready:
        assert function.require_predictor().manifest.name == "digits"
        return
    with pytest.raises(NotReadyError) as raised:
        function.require_predictor()
    assert raised.value.reference == "cpu-info-missing"
