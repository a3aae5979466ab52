"""`liteship emulate` takes over what changes, and keeps what works when a change does not."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from liteship.deploy.local.emulator import free_port, invoke
from liteship.deploy.local.events import http_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
APP = """from liteship import Function
handler = Function(__file__, postprocess=lambda outputs: {"answer": ANSWER})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits function in a project of its own; built layers are shared."""
    root = tmp_path_factory.mktemp("project")
    ignored = shutil.ignore_patterns("trained", "__pycache__")
    shutil.copytree(ROOT / "functions" / "digits", root / "functions" / "digits", ignore=ignored)
    (root / "layers").symlink_to(ROOT / "layers")
    (ROOT / "build" / "layers").mkdir(parents=True, exist_ok=True)
    (root / "build").mkdir()
    (root / "build" / "layers").symlink_to(ROOT / "build" / "layers")
    (root / ".tools").symlink_to(ROOT / ".tools")
    return root / "functions" / "digits"


class Emulated:
    """A running `liteship emulate`."""

    def __init__(self, process: subprocess.Popen[str], port: int, body: bytes) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._event = http_event("POST", "/predict", body, "image/png")
        self._messages: queue.Queue[str] = queue.Queue()
        self.reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self.reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._messages.put(line)

    def says(self, expected: str) -> str:
        """Waits for a message; gives it with what came before."""
        seen, deadline = "", time.monotonic() + PATIENCE_S
        while expected not in " ".join(seen.split()):
            try:
                seen += self._messages.get(timeout=deadline - time.monotonic())
            except (queue.Empty, ValueError):
                pytest.fail(f"it never said {expected!r}, but: {seen}")
        return seen

    def answer(self) -> Any:
        return json.loads(invoke(self.url, self._event)["body"])


@pytest.fixture(scope="module")
def emulated(folder: Path, digit_png: bytes) -> Iterator[Emulated]:
    port = free_port()
    command = [sys.executable, "-m", "liteship", "emulate", "digits", "--port", str(port), "--json"]
    with subprocess.Popen(
        command,
        cwd=folder.parent.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            announced = "".join(process.stdout.readline() for _ in range(4))
            assert json.loads(announced)["url"] == f"http://127.0.0.1:{port}"
            found = Emulated(process, port, digit_png)
            yield found
            process.terminate()
            found.reader.join(PATIENCE_S)  # its pipe is closed below
        finally:
            process.terminate()


def write_app(folder: Path, answer: object) -> None:
    (folder / "app.py").write_text(APP.replace("ANSWER", repr(answer)))


@pytest.fixture(scope="module")
def takes_over(folder: Path, emulated: Emulated) -> Callable[[object], None]:
    """Writes an `app.py` that answers so, and waits until that is what is answered."""

    def takes_over(answer: object) -> None:
        write_app(folder, answer)
        emulated.says("digits reloaded")
        assert emulated.answer()["answer"] == answer

    return takes_over


def test_a_change_of_the_code_is_taken_over(
    emulated: Emulated, takes_over: Callable[[object], None]
) -> None:
    assert emulated.answer()["predictions"][0]["label"] == "7"
    takes_over("first")


@pytest.mark.parametrize(
    ("code", "reference"),
    [
        ("handler = Function(", "function-code-broken"),
        ("import not_there", "invocation-failed"),
    ],
)
def test_broken_code_is_reported_and_the_old_goes_on(
    code: str,
    reference: str,
    folder: Path,
    emulated: Emulated,
    takes_over: Callable[[object], None],
) -> None:
    takes_over(f"before {reference}")
    (folder / "app.py").write_text(code)
    assert "what ran before goes on" in emulated.says(f"[{reference}]")
    assert emulated.answer()["answer"] == f"before {reference}"
    takes_over(f"mended {reference}")


def test_a_broken_function_toml_is_reported_with_every_problem(
    folder: Path, emulated: Emulated, takes_over: Callable[[object], None]
) -> None:
    takes_over("before toml")
    path = folder / "function.toml"
    whole = path.read_text()
    path.write_text(whole.replace("memory_mib = 512", 'memory_mib = "much"'))
    emulated.says("[function-invalid]")
    emulated.says("runtime.memory_mib")
    assert emulated.answer()["answer"] == "before toml"
    path.write_text(whole)
    emulated.says("digits reloaded")
    assert emulated.answer()["answer"] == "before toml"


def test_a_model_that_fails_its_self_test_is_not_taken_over(
    folder: Path, emulated: Emulated, takes_over: Callable[[object], None]
) -> None:
    takes_over("before model")
    path = folder / "model" / "model.json"
    whole = path.read_text()
    golden = json.loads(whole)
    (output,) = golden["golden"]["outputs"]
    golden["golden"]["outputs"] = ["".join("80"[int(each, 16) > 7] for each in output)]
    path.write_text(json.dumps(golden))
    said = emulated.says("[function-not-ready]") + emulated.says("golden input")
    assert "digits" in said
    assert emulated.answer()["answer"] == "before model"
    path.write_text(whole)
    emulated.says("digits reloaded")
