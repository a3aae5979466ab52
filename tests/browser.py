"""A headless Chromium, driven through its DevTools protocol over a pair of pipes.

With `--remote-debugging-pipe` it reads commands from file descriptor 3 and writes answers and events to
4, each a JSON text that a null byte ends (https://chromedevtools.github.io/devtools-protocol/).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
)
"""Of every Chromium that a test starts."""

_DRIVEN = (
    "--no-proxy-server",
    "--remote-debugging-pipe",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # there is no internet
)
PATIENCE_S = 60
KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "ArrowRight": 39}
"""Windows' virtual key codes, which the protocol takes."""


class Browser:
    """A running Chromium.

    Args:
        profile: A folder for what it keeps.
    """

    def __init__(self, profile: Path) -> None:
        assert CHROMIUM is not None
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self.process = subprocess.Popen(
            # A shell puts the pipes where Chromium looks for them; not every sh knows numbers above 9
            [
                *("bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash"),
                *(CHROMIUM, *FLAGS, *_DRIVEN, f"--user-data-dir={profile}", "about:blank"),
            ],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._numbers = iter(range(1, 1_000_000))
        self._received = b""
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._commands)
        os.close(self._answers)

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Sends one command and waits for its result; events on the way are kept."""
        number = next(self._numbers)
        command = {"id": number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        rest = json.dumps(command).encode() + b"\0"
        while rest:
            rest = rest[os.write(self._commands, rest) :]
        for message in self._messages():
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)
        raise AssertionError(f"Chromium ended before it answered {method}")

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\0" not in self._received:
                ready, _, _ = select.select([self._answers], [], [], PATIENCE_S)
                assert ready, "Chromium does not answer"
                chunk = os.read(self._answers, 1 << 20)
                if not chunk:
                    return
                self._received += chunk
            text, _, self._received = self._received.partition(b"\0")
            yield json.loads(text)

    @contextlib.contextmanager
    def open(self, url: str, width: int = 1100, *, dark: bool = False) -> Iterator[Page]:
        """A page in a context of its own, without cache and cookies of others."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)[
            "targetId"
        ]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, context)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        page.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        page.call("Page.navigate", url=url)
        page.wait_for("document.readyState === 'complete'")
        try:
            yield page
        finally:
            self.call("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser = browser
        self._context = context
        self._session = session
        self.call: Callable[..., dict[str, Any]] = self._call

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def run(self, expression: str) -> Any:
        """What a JavaScript expression gives; a promise's value."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Waits until a JavaScript expression is true; until then it may fail."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self.run(f"(() => {{ try {{ return Boolean({expression}) }} catch {{ }} }})()"):
                return
            time.sleep(0.05)
        raise AssertionError(f"{expression} never came true on: {self.text('body')}")

    def text(self, selector: str) -> str:
        """What can be read in an element."""
        text: str = self.run(f"document.querySelector({json.dumps(selector)}).innerText")
        return text

    def texts(self, selector: str) -> list[str]:
        """What can be read in each element."""
        query = f"[...document.querySelectorAll({json.dumps(selector)})].map(each => each.innerText)"
        texts: list[str] = self.run(query)
        return texts

    def click(self, selector: str) -> None:
        """Clicks on an element as soon as it is there."""
        quoted = json.dumps(selector)
        self.wait_for(f"document.querySelector({quoted})")
        self.run(f"document.querySelector({quoted}).click()")

    def choose_files(self, selector: str, *files: Path) -> None:
        """Gives files to an input, as a person's choice does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=list(map(str, files)))

    def drop_files(self, *files: Path) -> None:
        """Drags files over the page and lets them go."""
        data = {"items": [], "files": list(map(str, files)), "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=300, y=700, data=data)

    def allow(self, permission: str) -> None:
        """Grants what a person would be asked about."""
        self.call("Page.bringToFront")
        self._browser.call(
            "Browser.grantPermissions", permissions=[permission], browserContextId=self._context
        )

    def press(self, key: str, times: int = 1) -> None:
        """Presses a key that has a name."""
        text = {"Enter": "\r", "Space": " "}.get(key, "")
        named = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        for _ in range(times):
            self.call(
                "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **named
            )
            self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, text: str) -> None:
        """Writes where the focus is."""
        self.call("Input.insertText", text=text)

    def events(self, method: str) -> list[dict[str, Any]]:
        """The parameters of this tab's events so far."""
        self.run("1")  # whatever came before its answer has been read then
        return [
            event["params"]
            for event in self._browser.events
            if event.get("sessionId") == self._session and event["method"] == method
        ]

    def complaints(self) -> list[str]:
        """Errors in the console, uncaught exceptions and what the policy blocked."""
        return [
            *(str(each["entry"]) for each in self.events("Log.entryAdded")),
            *(str(each["exceptionDetails"]) for each in self.events("Runtime.exceptionThrown")),
            *(str(each["args"]) for each in self.events("Runtime.consoleAPICalled")),
        ]

    def requests(self) -> list[str]:
        """The addresses asked for."""
        return [each["request"]["url"] for each in self.events("Network.requestWillBeSent")]
