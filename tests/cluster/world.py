"""What a scenario needs of a cluster: the real `liteship` command, requests, and a look at its Pods."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from liteship.artifact import Artifact
from liteship.deploy.kubernetes.addresses import is_ready
from liteship.deploy.kubernetes.api.cluster import Cluster
from liteship.deploy.kubernetes.balancers import plain_address
from liteship.deploy.kubernetes.labels import REVISION_LABEL
from liteship.deploy.kubernetes.operations.deployed import Form, list_pods
from liteship.deploy.kubernetes.traffic.exposition import parse
from liteship.deploy.kubernetes.traffic.revisions import read_service
from liteship.runtime.golden import golden_request

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "functions" / "digits"

PATIENCE_S = 300.0
"""A node pulls an image first, a Pod that goes has `timeoutSeconds`, and a window has to pass."""

FORMS: tuple[Form, ...] = ("knative", "kubernetes")

PAUSE_S = 0.05
"""Of each thread under load, after each answer."""

SETTINGS: dict[str, object] = {"cpu_request": 0.05, "max_scale": 3, "visibility": "public"}
"""With these every scenario fits on a small cluster, and is asked from outside."""

NO_DOMAIN = (
    "{url} leads nowhere from here. LITESHIP_INGRESS has to say where Knative's ingress answers. Where "
    "that URL is one inside the cluster, Knative has no domain: kubectl patch configmap/config-domain "
    '-n knative-serving --type merge -p \'{{"data":{{"example.com":""}}}}\''
)

HEALTHY_IN_A_ROW = 20
"""Answers, until a new load balancer counts as one that knows its Pods."""


@dataclass(frozen=True)
class Reply:
    """One answer.

    Attributes:
        status: HTTP's; 0 where there was none.
        content: Its body, or why there was none.
        seconds: From the request on.
    """

    status: int
    content: bytes
    seconds: float


@dataclass
class World:
    """A cluster with a namespace of the suite's own.

    Attributes:
        namespace: Exists.
        image: Of the digits function, whose model is this checkout's; the cluster can pull it.
        ingress: Where Knative's ingress answers, such as http://127.0.0.1:31080; None where the
            functions' own URLs lead there.
        kubeconfig: Its file.
        home: Where projects are made.
        told: What scenarios measured, for people.
    """

    namespace: str
    image: str
    ingress: str | None
    kubeconfig: str
    home: Path
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.body, self.content_type = golden_request(Artifact.load(DIGITS / "model"))

    # The command

    def project(self, name: str, version: str = "1", **knative: object) -> str:
        """Makes or changes the project of a function: digits under another name, with these settings.

        The image stays the same: the model in it says version 1, whatever the label says.
        """
        folder = self.home / name / "functions" / name
        if not folder.exists():
            shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns("trained", "__pycache__"))
        # Its last section, which gets other settings
        text = (DIGITS / "function.toml").read_text().partition("\n[knative]\n")[0]
        for old, new in (
            ('name = "digits"', f'name = "{name}"'),
            ('version = "1"', f'version = "{version}"'),
        ):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        settings = "".join(
            f"{key} = {json.dumps(value)}\n" for key, value in (SETTINGS | knative).items()
        )
        (folder / "function.toml").write_text(f"{text}\n[knative]\n{settings}")
        self.run("render", project=name)
        return name

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "liteship", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """For the command; the plain form does not stand behind Knative's ingress."""
        return os.environ | {"KUBECONFIG": self.kubeconfig, "LITESHIP_INGRESS": ""}

    def run(self, *arguments: str, project: str, expect: int = 0) -> str:
        """Runs `liteship` in a function's project; gives what it printed."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.home / project,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = f"liteship {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == expect, said
        return done.stdout

    def ask_liteship(self, command: str, name: str, *arguments: str) -> Any:
        """Runs a command on the function in the suite's namespace; gives its JSON document."""
        where = ["--namespace", self.namespace, "--json"]
        return json.loads(self.run(command, name, *arguments, *where, project=name))

    def deploy(self, name: str, form: Form, *options: str) -> Any:
        """Deploys, and gives the JSON document."""
        ingress = ["--ingress", self.ingress] if form == "knative" and self.ingress else []
        done = self.ask_liteship(
            "deploy", name, f"--to={form}", "--image", self.image, "--yes", *ingress, *options
        )
        lost = form == "knative" and done["way"] == "through the API server"
        assert not lost, NO_DOMAIN.format(url=done["url"])
        return done

    def versions(self, name: str) -> dict[str, Any]:
        """The function's versions by number, each as `liteship versions` lists it."""
        found = self.ask_liteship("versions", name, "--on=knative")["versions"]
        return {each["version"]: each for each in found}

    def shares(self, name: str) -> dict[str, int]:
        """Percent by version, of those that have traffic."""
        return {
            version: each["percent"] for version, each in self.versions(name).items() if each["percent"]
        }

    def url(self, name: str) -> str:
        """The function's address on Knative."""
        with self.cluster() as cluster:
            return str(read_service(cluster, name)["status"]["url"])

    def remove(self, name: str, form: Form) -> Any:
        """Deletes the function."""
        return self.ask_liteship("delete", name, f"--on={form}", "--yes")

    def remove_all(self) -> None:
        """Deletes what scenarios left: a cluster may be small, and the namespace somebody's own."""
        failures = []
        for project in self.home.iterdir():
            for form in FORMS:
                try:
                    self.remove(project.name, form)
                except AssertionError as error:
                    failures.append(str(error))
        assert not failures, "\n".join(failures)

    # Requests

    def ask(self, url: str, path: str = "/predict") -> Reply:
        """Asks through the ingress, with the URL's host; the golden input, or a GET of another path."""
        base = self.ingress or url
        headers = {"Host": urlsplit(url).netloc}
        post = path == "/predict"
        if post:
            headers["content-type"] = self.content_type
        body = self.body if post else None
        return _answer(urllib.request.Request(base.rstrip("/") + path, data=body, headers=headers))  # noqa: S310

    def plain_asker(self, name: str) -> Callable[[], Reply]:
        """Asks the plain form: at its load balancer, or by the API server where there is none."""
        with self.cluster() as cluster:
            address = plain_address(cluster, name, ingress=None)
        if address.way == "directly":
            headers = {"content-type": self.content_type}

            def directly() -> Reply:
                url = address.url + "/predict"
                return _answer(urllib.request.Request(url, data=self.body, headers=headers))  # noqa: S310

            # Each of its nodes learns of the Pods in its own time
            wait_for(lambda: all(directly().status == 200 for _ in range(HEALTHY_IN_A_ROW)))
            return directly

        def by_api_server() -> Reply:
            begun = time.monotonic()
            with self.cluster() as cluster:
                status, content = cluster.ask_service(
                    name, "http", "POST", "/predict", self.body, self.content_type
                )
            return Reply(status, content, time.monotonic() - begun)

        return by_api_server

    # What runs

    def cluster(self) -> Cluster:
        """A client; KUBECONFIG leads it."""
        return Cluster(namespace=self.namespace)

    def pods(self, name: str, form: Form = "knative") -> list[dict[str, Any]]:
        """The function's Pods, those that are ending included."""
        with self.cluster() as cluster:
            return list_pods(cluster, name, form)

    def answered(self, name: str) -> dict[str, float]:
        """Requests that each Revision's ready Pods have answered, by their /metrics."""
        counts: dict[str, float] = {}
        with self.cluster() as cluster:
            for pod in filter(is_ready, list_pods(cluster, name, "knative")):
                status, text = cluster.ask_pod(pod["metadata"]["name"], 8080, "GET", "/metrics")
                assert status == 200, text
                revision = pod["metadata"]["labels"][REVISION_LABEL]
                counts[revision] = counts.get(revision, 0) + sum(
                    value
                    for (metric, _), value in parse(text.decode()).items()
                    if metric == "liteship_requests_total"
                )
        return counts


def _answer(request: urllib.request.Request) -> Reply:
    begun = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310
            status, content = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, content = error.code, error.read()
    except OSError as error:
        status, content = 0, str(error).encode()
    return Reply(status, content, time.monotonic() - begun)


class Load:
    """Requests from several threads, each on a connection of its own, while something else happens.

    One that fails is not sent again. They come at a pace that leaves a small node room for the
    platform, whose probes would fail otherwise.

    Args:
        ask: Sends one.
        threads: How many at a time.

    Attributes:
        replies: How many were answered with 200.
        failures: All other replies.
    """

    def __init__(self, ask: Callable[[], Reply], threads: int = 4) -> None:
        self._ask = ask
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self.replies = 0
        self.failures: list[Reply] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: self.replies or self.failures)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                reply = self._ask()
            except Exception as error:  # noqa: BLE001  # whatever it is, a request has failed
                reply = Reply(0, repr(error).encode(), 0)
            with self._lock:
                if reply.status == 200:
                    self.replies += 1
                else:
                    self.failures.append(reply)
            time.sleep(PAUSE_S)


def wait_for(happened: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Asks again and again; fails where it never happens."""
    deadline = time.monotonic() + patience_s
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.2)
