"""A real browser, driven through the DevTools protocol on a pipe.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # there is no internet
    "--window-size=1200,1600",
)
PATIENCE_S = 60.0


class Browser:
    """One page of a browser of its own.

    Args:
        profile: Folder for what the browser keeps.

    Attributes:
        events: What the browser told unasked, as `(method, params)`.
    """

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._buffer = b""
        self._asked = 0
        self._session = ""
        read_end, self._write = _pipe()
        self._read, write_end = _pipe()
        # The browser reads what it is asked from descriptor 3, and answers on 4
        pipes = f"3</dev/fd/{read_end} 4>/dev/fd/{write_end}"
        self._process = subprocess.Popen(
            ["sh", "-c", f'exec "$0" "$@" {pipes}', CHROMIUM, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(read_end, write_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_end)
        os.close(write_end)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write)  # it ends when nobody can ask any more
        self._process.wait(PATIENCE_S)
        os.close(self._read)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends one command and waits for what it gives."""
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._next(deadline)
            if answer.get("id") == self._asked:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            if "method" in answer:
                self.events.append((answer["method"], answer["params"]))

    def evaluate(self, script: str) -> Any:
        """What a JavaScript expression gives."""
        done = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """What a JavaScript expression gives as soon as it is something true."""
        deadline = time.monotonic() + PATIENCE_S
        while not (value := self.evaluate(script)):
            assert time.monotonic() < deadline, f"{script} stayed {value!r}"
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """Clicks on an element as soon as it is there."""
        self.wait_for(f"!!document.querySelector({json.dumps(selector)})")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def requested(self) -> list[str]:
        """Every address that the page asked for, but for data that it holds itself."""
        sent = [params for method, params in self.events if method == "Network.requestWillBeSent"]
        urls = [params["request"]["url"] for params in sent]
        return [url for url in urls if not url.startswith("data:")]

    def complaints(self) -> list[str]:
        """Errors of the page: exceptions, what its policy forbade, what could not be loaded."""
        entries = [params["entry"] for method, params in self.events if method == "Log.entryAdded"]
        texts = [
            f"{entry['text']} {entry.get('url')}" for entry in entries if entry["level"] == "error"
        ]
        return texts + [
            str(params["exceptionDetails"])
            for method, params in self.events
            if method == "Runtime.exceptionThrown"
        ]

    def _next(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            part = os.read(self._read, 1 << 16)
            assert part, "the browser has ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are out of the way of descriptors 3 and 4."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
