"""One Pod's container: a process of this machine, its states and its log."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from tests.kubernetes_stand_in.events import tell
from tests.kubernetes_stand_in.kinds import key_of
from tests.kubernetes_stand_in.logs import Log
from tests.kubernetes_stand_in.pod_status import show, show_unscheduled
from tests.kubernetes_stand_in.ports import free_port
from tests.kubernetes_stand_in.store import now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.kubernetes_stand_in.faults import Faults
    from tests.kubernetes_stand_in.kinds import Object
    from tests.kubernetes_stand_in.store import Store

PROBE_PERIOD_S = 0.05
"""As Knative's queue-proxy asks while a container starts."""

READY_PERIOD_S = 1.0

RETRY_S = 0.2
"""How soon an image is pulled again, and a node is looked for again."""

FIRST_BACK_OFF_S = 0.3
"""The kubelet's own begins with 10 s, and doubles, too; messages say the real one's."""

TERMINATION_MESSAGE_BYTES = 2048
"""https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/."""


class Container(threading.Thread):
    """From a Pod's creation until it is gone.

    Attributes:
        port: Where the process listens, whatever port the Pod says.
        logs: One for each start.
    """

    def __init__(self, store: Store, bundles: Mapping[str, Path], faults: Faults, pod: Object) -> None:
        super().__init__(name=pod["metadata"]["name"], daemon=True)
        self.port = 0
        self.logs: list[Log] = []
        self._store, self._bundles, self._faults = store, bundles, faults
        self._pod, self._key = pod, key_of(pod)
        self._spec: Object = pod["spec"]["containers"][0]
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving, self._killed = threading.Event(), False
        self._restarts = 0
        self._last_state: Object = {}

    def leave(self) -> None:
        """SIGTERM, then the Pod goes."""
        if not self._leaving.is_set():
            self._leaving.set()
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: the stand-in ends."""
        self._killed = True
        self._leaving.set()
        self._signal(signal.SIGKILL)

    def run(self) -> None:
        try:
            if self._find_node() and (folder := self._pull()) is not None:
                self._run_again_and_again(folder)
        finally:
            self._store.remove(self._key, final=True)

    def _find_node(self) -> bool:
        while why := self._faults.unschedulable:
            message = f"0/1 nodes are available: {why}."
            self._edit(show_unscheduled, message)
            self._tell("Warning", "FailedScheduling", message, "default-scheduler")
            if self._leaving.wait(RETRY_S):
                return False
        return True

    def _pull(self) -> Path | None:
        """The bundle, once there is one for the image; None where the Pod goes before that."""
        image = self._spec["image"]
        self._waiting("ContainerCreating")
        error = (
            f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": '
            f'failed to resolve reference "{image}": {image}: not found'
        )
        if image not in self._bundles:
            self._tell("Normal", "Pulling", f'Pulling image "{image}"')
            self._tell("Warning", "Failed", f'Failed to pull image "{image}": {error}')
            self._tell("Warning", "Failed", "Error: ErrImagePull")
            self._waiting("ErrImagePull", error)
            self._leaving.wait(RETRY_S)
        back_off = f'Back-off pulling image "{image}"'
        while image not in self._bundles and not self._leaving.is_set():
            self._tell("Normal", "BackOff", back_off)
            self._waiting("ImagePullBackOff", f"{back_off}: ErrImagePull: {error}")
            self._leaving.wait(RETRY_S)
        return None if self._leaving.is_set() else self._bundles[image]

    def _run_again_and_again(self, folder: Path) -> None:
        metadata = self._pod["metadata"]
        pod = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        name = self._spec["name"]
        back_off_s = FIRST_BACK_OFF_S
        while not self._leaving.is_set():
            code, started = self._run_once(folder)
            if self._leaving.is_set():
                return
            self._last_state = {"terminated": self._terminated(code, started)}
            shown_s = min(300, 10 * 2**self._restarts)
            self._restarts += 1
            text = f"back-off {shown_s}s restarting failed container={name} pod={pod}"
            self._waiting("CrashLoopBackOff", text)
            text = f"Back-off restarting failed container {name} in pod {pod}"
            self._tell("Warning", "BackOff", text)
            self._leaving.wait(back_off_s)
            back_off_s = min(2 * back_off_s, 5)

    def _run_once(self, folder: Path) -> tuple[int, str]:
        """One process, until it ends; gives its exit code and when it began."""
        self.port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "liteship.runtime", "app.handler"],
            cwd=folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._process = process
        if self._leaving.is_set():  # since before there was a process to signal
            process.kill()
        log = Log(process)
        self.logs.append(log)
        started = now()
        self._tell("Normal", "Started", f"Started container {self._spec['name']}")
        self._running(started, ready=False)
        self._watch_over(process, started)
        log.join()
        return process.returncode, started

    def _watch_over(self, process: subprocess.Popen[bytes], started: str) -> None:
        ready = False
        while process.poll() is None and not self._leaving.is_set():
            if self._asks_ready() != ready:
                ready = not ready
                self._running(started, ready=ready)
            self._leaving.wait(READY_PERIOD_S if ready else PROBE_PERIOD_S)
        deadline = time.monotonic() + self._pod["spec"].get("terminationGracePeriodSeconds", 30)
        while process.poll() is None:
            if self._killed or time.monotonic() > deadline:
                process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PROBE_PERIOD_S)

    def _asks_ready(self) -> bool:
        probe = self._spec.get("readinessProbe", {}).get("httpGet")
        if probe is None:
            return True
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", probe.get("path", "/"))
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        if not 200 <= status < 400:
            message = f"Readiness probe failed: HTTP probe failed with statuscode: {status}"
            self._tell("Warning", "Unhealthy", message)
        return 200 <= status < 400

    def _environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "LITESHIP_", "KUBE"))
        }
        given = {each["name"]: each.get("value", "") for each in self._spec.get("env", [])}
        return inherited | given | {"PORT": str(self.port), "HOSTNAME": self._pod["metadata"]["name"]}

    def _terminated(self, code: int, started: str) -> Object:
        state: Object = {
            "exitCode": code if code >= 0 else 128 - code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": started,
            "finishedAt": now(),
        }
        if self._spec.get("terminationMessagePolicy") == "FallbackToLogsOnError" and code != 0:
            text = "\n".join(line for _, line in self.logs[-1].lines[-80:])
            state["message"] = text[-TERMINATION_MESSAGE_BYTES:] + "\n"
        return state

    def _signal(self, number: signal.Signals) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(number)

    def _waiting(self, reason: str, message: str = "") -> None:
        state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        self._edit(show, state, self._last_state, restarts=self._restarts, ready=False)

    def _running(self, started: str, *, ready: bool) -> None:
        state = {"running": {"startedAt": started}}
        self._edit(show, state, self._last_state, restarts=self._restarts, ready=ready)

    def _edit(self, change: Any, *arguments: object, **named: object) -> None:
        self._store.edit(self._key, lambda pod: change(pod, *arguments, **named))

    def _tell(self, kind: str, reason: str, message: str, source: str = "kubelet") -> None:
        pod = self._store.get(self._key)
        if pod is not None:
            tell(self._store, pod, kind, reason, message, source)
