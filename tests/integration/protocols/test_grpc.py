"""Open Inference over gRPC: Triton's own client against a real server, beside its HTTP port."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.clients import ask_driver, run_client
from tests.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image

    Start = Callable[..., Any]


@pytest.fixture(scope="module")
def served(start_server: Start) -> tuple[Any, str]:
    """The server, and the address of its gRPC port."""
    port = free_port()
    return start_server(LITESHIP_GRPC_PORT=str(port)), f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def told(served: tuple[Any, str], digit_png: bytes, digit_picture: Image.Image) -> dict[str, Any]:
    return ask_driver("triton_grpc_driver.py", served[1], digit_picture, digit_png)


def test_what_is_served(told: dict[str, Any]) -> None:
    assert told["live"]
    assert told["ready"]
    assert told["model ready"] == [True, True]
    name, extensions = told["server"]
    assert name == "liteship"
    assert "binary_tensor_data" in extensions
    assert told["model"][:2] == ["digits", ["1"]]
    assert told["inputs"] == [["image", "FP32", [-1, 8, 8, 1]]]
    assert told["health"] == [0x08, 1]  # field 1, SERVING
    assert told["index"] == [["digits", "1", "READY"]]


def test_answers_are_those_of_predict(
    told: dict[str, Any], served: tuple[Any, str], digit_png: bytes
) -> None:
    answer = httpx.post(
        f"{served[0].url}/predict?top=10",
        content=digit_png,
        headers={"content-type": "image/png"},
        trust_env=False,
    )
    best = {each["label"]: each["score"] for each in answer.json()["predictions"]}
    for name, items in told["answers"].items():
        assert len(items) == (2 if name in {"two items", "pictures"} else 1), name
        for scores in items:
            assert {label: scores[int(label)] for label in best} == best, name


def test_classes_and_the_callers_id(told: dict[str, Any]) -> None:
    score, index, label = told["classes"][0].split(":")
    assert (index, label) == ("7", "7")
    assert float(score) > 0.5
    assert len(told["classes"]) == 2
    assert told["id"] == "mine"


@pytest.mark.parametrize(
    ("what", "code", "words"),
    [
        ("load", "INVALID_ARGUMENT", "models.control"),
        ("model", "NOT_FOUND", "does not serve"),
        ("path", "NOT_FOUND", "does not serve"),
        ("version", "NOT_FOUND", "does not serve"),
        ("shape", "INVALID_ARGUMENT", "shape"),
        ("NaN", "INVALID_ARGUMENT", "finite"),
        ("typed NaN", "INVALID_ARGUMENT", "finite"),
        ("size", "RESOURCE_EXHAUSTED", "larger than max"),
        ("items", "RESOURCE_EXHAUSTED", "too many items"),
    ],
)
def test_refusals_have_grpcs_own_codes(told: dict[str, Any], what: str, code: str, words: str) -> None:
    refused = told["refused"][what]
    assert refused.startswith(f"StatusCode.{code}: ")
    assert words in refused


def test_a_refusal_has_its_reference_and_the_callers_request_id(told: dict[str, Any]) -> None:
    assert told["trailers"] == {"reference": "model-unknown", "x-request-id": "mine"}


def test_predictions_are_counted_and_logged(told: dict[str, Any], served: tuple[Any, str]) -> None:
    server, _ = served
    predicted = [line for line in server.log_lines() if line["message"] == "predicted"]
    assert len(predicted) >= len(told["answers"])
    text = httpx.get(f"{server.url}/metrics", trust_env=False).text
    assert 'liteship_requests_total{model="digits",version="1",status="413"} 1' in text


def test_both_ports_end_together(start_server: Start) -> None:
    server = start_server(LITESHIP_GRPC_PORT="0", LITESHIP_DRAIN_S="0")
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=30) == 0
    messages = [line["message"] for line in server.log_lines()]
    assert messages == ["model ready", "serving", "serving gRPC", "shutting down"]


def test_a_taken_port_is_told(
    start_server: Start, served: tuple[Any, str], function_folder: Path
) -> None:
    taken = served[1].rpartition(":")[2]
    done = subprocess.run(
        [sys.executable, "-m", "liteship.runtime", "app.handler"],
        cwd=function_folder,
        env={"PORT": str(free_port()), "LITESHIP_GRPC_PORT": taken},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"port {taken} cannot be opened for gRPC" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_library_it_says_what_to_install(function_folder: Path) -> None:
    script = """
import sys
sys.modules["grpc"] = None
from liteship.runtime import __main__
sys.exit(__main__.main([]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=function_folder,
        env={"PORT": str(free_port()), "LITESHIP_GRPC_PORT": "0"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "install liteship[grpc]" in done.stderr
    assert "Traceback" not in done.stderr


REPOSITORY = """
import sys
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException
with triton.InferenceServerClient(sys.argv[1]) as client:
    def index():
        models = client.get_model_repository_index().models
        return {(each.name, each.version): each.state for each in models}
    assert set(index().values()) == {"READY"}, index()
    client.unload_model("wine")
    assert index()["wine", "1"] == "UNAVAILABLE"
    assert not client.is_model_ready("wine")
    client.load_model("wine")
    assert client.is_model_ready("wine")
    assert [*client.get_model_metadata("digits").versions] == ["1", "2"]
"""


def test_a_repository_is_listed_loaded_and_unloaded(
    start_server: Start, repository_folder: Path
) -> None:
    port = free_port()
    models = json.dumps({"name": "digits", "version": "2", "control": True})
    start_server(repository_folder, LITESHIP_MODELS=models, LITESHIP_GRPC_PORT=str(port))
    run_client("-c", REPOSITORY, f"127.0.0.1:{port}")
