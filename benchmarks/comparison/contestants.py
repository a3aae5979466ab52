"""Who is compared: what starts each, and what it is asked."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.comparison.client import request_bytes
from benchmarks.comparison.models import HEAVY, ROOT, function_folder
from benchmarks.comparison.peers import FUNCTIONS, PEERS, SHARED, Peer, make_environment
from benchmarks.comparison.process import Command, folder_bytes
from benchmarks.comparison.references import make_cases
from benchmarks.comparison.wire import PICTURES, build, read

from liteship.deploy.local.emulator import INVOCATIONS, find_emulator, package_for_here
from liteship.project import load_function
from liteship.runtime.http_event import http_event

if TYPE_CHECKING:
    from benchmarks.comparison.client import Answer
    from benchmarks.comparison.references import Case

SERVER, LAMBDA = "server", "Lambda"
CLIENTS = (1, 8, 32)
V2 = "/v2/models/{model}/infer"
FORMS = {
    "raw": "/predict",
    "JSON": "/predict",
    "V2 JSON": V2,
    "V2 binary": V2,
    "V2 binary, FP32": V2,
    **dict.fromkeys(PICTURES, "/predict"),
}
"""liteship's own: where each wire form goes."""

OURS, OURS_ON_LAMBDA, ONE_WORKER = "liteship", "liteship on Lambda", "liteship, one worker"
ONE_CPU = "liteship, one CPU"
FOR_ITSELF = {ONE_WORKER, ONE_CPU}
"""What liteship is compared with, and nobody else."""

PYTHON = str(Path(sys.executable).resolve())
"""Not the virtual environment's: it sees no packages but those that PYTHONPATH names."""


class Question(NamedTuple):
    """What one server is asked in one wire form.

    Args:
        form: The wire form.
        requests: As they go over the wire, one for each case of `make_cases`.
        kind: `SERVER`, or `LAMBDA` for invocations.
        is_echo: Whether the answer says nothing.
    """

    form: str
    requests: tuple[bytes, ...]
    kind: str
    is_echo: bool

    def read(self, answer: Answer) -> list[Any] | None:
        """What an answer says, as `wire.read`; None where it is a refusal."""
        status, headers, body = answer
        if self.kind == LAMBDA:
            content = json.loads(body)
            if not isinstance(content, dict) or "body" not in content:
                return None
            status, headers = content.get("statusCode", 200), content.get("headers", {})
            headers = {name.lower(): value for name, value in headers.items()}
            body = content["body"].encode()
            body = base64.b64decode(body) if content.get("isBase64Encoded") else body
        if status != 200:
            return None
        return [] if self.is_echo else read(self.form, headers, body)


class Contestant(NamedTuple):
    """One server with one model.

    Args:
        name: Row title.
        kind: `SERVER` or `LAMBDA`.
        model: Which it serves.
        command: Starts it.
        questions: One a wire form; the first is asked at the cold start.
        framework: Whose answer is right: an environment of `references.expected`; "" for an echo.
        installed_bytes: What it needs beside Python and the model.
        has_one_cpu: Whether it shares a single one with its client.
    """

    name: str
    kind: str
    model: str
    command: Command
    questions: tuple[Question, ...]
    framework: str
    installed_bytes: int
    has_one_cpu: bool = False


def contestants(model: str, *, quick: bool) -> list[Contestant]:
    """Everyone who serves a model; installs what is missing.

    Args:
        model: One of `models.MODELS`; `models.HEAVY` for liteship alone.
        quick: Only liteship, the naive FastAPI, and the echoes that both are compared with.
    """
    quick_ones = {"fastapi", "mangum", "bare", "echo", "uvicorn-echo"}
    found = [_liteship(model, kind) for kind in (SERVER, LAMBDA)]
    if not quick:
        found += [_one_worker(found[0]), found[0]._replace(name=ONE_CPU, has_one_cpu=True)]
    if model == HEAVY:
        return found
    for kind, peers in ((SERVER, PEERS), (LAMBDA, FUNCTIONS)):
        chosen = [peer for peer in peers if not quick or peer.environment in quick_ones]
        found += [_peer(peer, kind, model) for peer in chosen]
    return found


def _liteship(model: str, kind: str) -> Contestant:
    """As it is packaged, and nothing else."""
    folder = function_folder(model)
    package = package_for_here(load_function(model, folder.parents[1]))
    variables = {
        "PYTHONPATH": ":".join(map(str, package.python_path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LITESHIP_QUEUE": str(max(CLIENTS)),  # else it refuses what so many clients ask at once
    }
    home = Path(package.python_path[0])
    arguments = (PYTHON, "-m", "liteship.runtime", "app.handler")
    installed = sum(folder_bytes(Path(each)) for each in package.python_path)
    return Contestant(
        OURS if kind == SERVER else OURS_ON_LAMBDA,
        kind,
        model,
        _command(arguments, home, variables, kind),
        _questions(FORMS, model, kind, "nested"),
        "litert",
        installed - folder_bytes(home / "model"),
    )


def _one_worker(ours: Contestant) -> Contestant:
    variables = {**ours.command.environment, "LITESHIP_WORKERS": "1"}
    return ours._replace(name=ONE_WORKER, command=ours.command._replace(environment=variables))


def _peer(peer: Peer, kind: str, model: str) -> Contestant:
    environment = make_environment(peer, model)
    (packages,) = environment.glob("lib/python*/site-packages")
    own = {
        "MODEL": model,
        "MODEL_FOLDER": str(function_folder(model)),
        "PYTHONPATH": str(SHARED),
        **dict(peer.variables),
    }
    arguments = tuple(each.replace("{bin}", str(environment / "bin")) for each in peer.command)
    return Contestant(
        peer.name,
        kind,
        model,
        _command(arguments, ROOT / "benchmarks" / "peers" / peer.environment, own, kind),
        _questions(peer.forms, model, kind, peer.dialect),
        "" if peer.dialect == "echo" else peer.environment,
        folder_bytes(packages),
    )


def _command(arguments: tuple[str, ...], folder: Path, variables: dict[str, str], kind: str) -> Command:
    if kind == SERVER:
        return Command(arguments, folder, variables)
    emulator = (
        str(find_emulator(ROOT)),
        "--runtime-interface-emulator-address",
        "127.0.0.1:{port}",
        "--runtime-api-address",
        "127.0.0.1:{second_port}",
    )
    lambdas = {
        "AWS_LAMBDA_FUNCTION_NAME": "compared",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "60",
        "AWS_REGION": "eu-west-1",
    }
    return Command(emulator + arguments, folder, variables | lambdas)


def _questions(forms: dict[str, str], model: str, kind: str, dialect: str) -> tuple[Question, ...]:
    cases = make_cases(model)
    return tuple(
        Question(
            form,
            tuple(_request(form, path, model, each, kind, dialect) for each in cases),
            kind,
            is_echo=dialect == "echo",
        )
        for form, path in forms.items()
        if model != "tiny" or form not in PICTURES
    )


def _request(form: str, path: str, model: str, case: Case, kind: str, dialect: str) -> bytes:
    headers, body = build(form, model, case.tensor, case.body(form), dialect)
    path = path.replace("{model}", model)
    if kind == LAMBDA:
        event = http_event("POST", path, body, headers["content-type"])
        event["headers"] |= headers
        path, body = f"/{INVOCATIONS}", json.dumps(event).encode()
        headers = {"content-type": "application/json"}
    return request_bytes(path, headers, body)
