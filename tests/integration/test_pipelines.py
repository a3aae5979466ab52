"""The guide's pipeline as it stands there: as a server, as a Lambda function, on the command line."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from PIL import Image
from tests.conftest import copy_function

from liteship import Artifact
from liteship.deploy.smoke import over_http
from liteship.project import read_config
from liteship.runtime.golden import ask_golden

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from tests.conftest import Server

    from liteship.config import FunctionConfig

    Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "pipelines.md"
WRITTEN = "3141592653"

LAMBDA = """
import base64, json, sys, types
from app import handler
event = json.loads(sys.stdin.read())
print("answer", json.dumps(handler(event, types.SimpleNamespace(aws_request_id="r"))))
"""


def line_of(text: str, digits: Digits, size: int = 32) -> bytes:
    """A line of real handwritten digits, as a PNG file; each is `size` pixels wide and high."""
    images, labels = digits
    gap = np.zeros((8, 4), np.uint8)
    parts = [gap]
    for place, label in enumerate(text):
        parts += [images[labels == int(label)][place], gap]
    line = np.hstack(parts)
    buffer = io.BytesIO()
    picture = Image.fromarray(line)
    picture.resize((line.shape[1] * size // 8, size), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def labels_of(answer: Any) -> str:
    return "".join(result["predictions"][0]["label"] for result in answer["results"])


def from_guide(language: str) -> str:
    """The first block of this language; TOML stands indented."""
    text = GUIDE.read_text()
    if language == "toml":
        found = re.search(r"\n\n((?:    .*\n)+)", text)
        assert found is not None
        return re.sub(r"^    ", "", found[1], flags=re.MULTILINE)
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def line_function(target: Path, *, more: str = "") -> tuple[Path, FunctionConfig]:
    """The digits function with the guide's pipeline, and `more` of function.toml."""
    folder = copy_function(target / "digits")
    (folder / "app.py").write_text(from_guide("python"))
    settings = (ROOT / "functions" / "digits" / "function.toml").read_text()
    (folder / "function.toml").write_text(f"{settings}\n{from_guide('toml')}{more}")
    return folder, read_config(folder / "function.toml")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, start_server: Callable[..., Server]) -> Server:
    folder, config = line_function(tmp_path_factory.mktemp("line"))
    return start_server(folder, **config.environment())


def ask(server: Server, body: bytes, query: str = "?model=line", kind: str = "image/png") -> Any:
    return httpx.post(f"{server.url}/predict{query}", content=body, headers={"content-type": kind})


@pytest.mark.parametrize("size", [16, 32, 80])
def test_a_line_of_digits_is_read(server: Server, digit_images: Digits, size: int) -> None:
    answer = ask(server, line_of(WRITTEN, digit_images, size))
    assert answer.status_code == 200, answer.text
    content = answer.json()
    assert labels_of(content) == WRITTEN
    assert (content["model"], content["version"]) == ("line", "1")
    steps = re.findall(r"(\w+);dur=[\d.]+", answer.headers["server-timing"])
    assert steps == ["preprocess", "digits_of", "digits", "invoke", "postprocess"]
    logged = server.log_lines()[-1]
    assert (logged["message"], logged["model"], logged["items"]) == ("predicted", "line", 10)


def test_one_digit_and_none_are_lists_too(server: Server, digit_images: Digits) -> None:
    assert labels_of(ask(server, line_of("7", digit_images)).json()) == "7"
    empty = io.BytesIO()
    Image.new("L", (40, 8)).save(empty, "PNG")
    answer = ask(server, empty.getvalue())
    assert answer.status_code == 200
    assert answer.json() == {"results": [], "model": "line", "version": "1"}


def test_the_functions_own_model_answers_as_before(server: Server, digit_png: bytes) -> None:
    for query in ("", "?model=digits"):
        content = ask(server, digit_png, query).json()
        assert (content["model"], content["predictions"][0]["label"]) == ("digits", "7")


@pytest.mark.parametrize(
    ("body", "status", "reference"),
    [
        (b"", 415, "image-format"),
        (b"no picture", 415, "image-format"),
        (b"\x89PNG\r\n\x1a\n broken", 400, "image-broken"),
    ],
)
def test_what_a_step_cannot_read_is_the_callers_mistake(
    server: Server, body: bytes, status: int, reference: str
) -> None:
    answer = ask(server, body)
    assert (answer.status_code, answer.json()["reference"]) == (status, reference)


def test_an_input_error_of_the_step_reaches_the_caller(server: Server) -> None:
    upright = io.BytesIO()
    Image.new("L", (8, 40)).save(upright, "PNG")
    answer = ask(server, upright.getvalue())
    assert answer.status_code == 400
    content = answer.json()
    assert (content["reference"], content["hint"]) == ("line-upright", "turn the picture")


def test_more_items_than_a_request_may_hold_are_refused(
    tmp_path: Path, start_server: Callable[..., Server], digit_images: Digits
) -> None:
    folder, config = line_function(tmp_path)
    small = start_server(folder, LITESHIP_MAX_BATCH="9", **config.environment())
    answer = ask(small, line_of(WRITTEN, digit_images))
    assert (answer.status_code, answer.json()["reference"]) == (413, "batch-too-large")
    assert ask(small, line_of(WRITTEN[:9], digit_images)).status_code == 200


@pytest.mark.parametrize(
    ("query", "reference"),
    [
        ("?model=lines", "model-unknown"),
        ("?model=line&version=2", "version-unknown"),
        ("?model=line&label=canary", "label-unknown"),
    ],
)
def test_a_pipeline_has_one_version_and_no_label(server: Server, query: str, reference: str) -> None:
    answer = ask(server, b"x", query)
    assert (answer.status_code, answer.json()["reference"]) == (404, reference)


def test_many_callers_at_once_get_their_own_answers(server: Server, digit_images: Digits) -> None:
    texts = [WRITTEN[start : start + 3] for start in range(8)]
    bodies = {text: line_of(text, digit_images) for text in texts}
    alone = {text: ask(server, body).json() for text, body in bodies.items()}
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda text: (text, ask(server, bodies[text]).json()), texts * 4)
        for text, answer in answers:
            assert answer == alone[text]


def test_a_default_pipeline_answers_what_names_no_model(
    tmp_path: Path, digit_images: Digits, digit_png: bytes
) -> None:
    folder, config = line_function(tmp_path, more="default = true\n")
    body = line_of(WRITTEN, digit_images)
    for path_parameters, expected in (("", "line"), ("model=digits", "digits")):
        sent = body if expected == "line" else digit_png
        answer = as_lambda(folder, config.environment(), sent, path_parameters)
        assert answer["statusCode"] == 200, answer
        content = json.loads(answer["body"])
        assert content["model"] == expected
    assert "default" in config.environment()["LITESHIP_PIPELINES"]


def test_a_deployment_with_a_default_pipeline_is_judged_by_the_functions_own_model(
    tmp_path: Path, start_server: Callable[..., Server]
) -> None:
    folder, config = line_function(tmp_path, more="default = true\n")
    server = start_server(folder, **config.environment())
    assert ask_golden(Artifact.load(folder / "model"), over_http(server.url)) == []


def test_the_document_is_the_default_pipelines(
    tmp_path: Path, start_server: Callable[..., Server], digit_images: Digits
) -> None:
    folder, config = line_function(tmp_path, more="default = true\n")
    server = start_server(folder, **config.environment())
    document = httpx.get(f"{server.url}/openapi.json").json()
    assert document["info"]["title"] == "line"
    assert '"examples": {"' not in json.dumps(document)  # a step in Python reads bodies of its own
    described = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]
    validator = Draft202012Validator(described["application/json"]["schema"])
    for text in (WRITTEN, "7"):
        answer = ask(server, line_of(text, digit_images), query="")
        assert answer.status_code == 200, answer.text
        validator.validate(answer.json())


def as_lambda(folder: Path, environ: dict[str, str], body: bytes, query: str = "") -> dict[str, Any]:
    event = {
        "version": "2.0",
        "rawQueryString": query,
        "headers": {"content-type": "image/png"},
        "requestContext": {"http": {"method": "POST", "path": "/predict"}},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    done = subprocess.run(
        [sys.executable, "-c", LAMBDA],
        input=json.dumps(event),
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (answer,) = (line for line in done.stdout.splitlines() if line.startswith("answer "))
    content: dict[str, Any] = json.loads(answer.removeprefix("answer "))
    return content


def test_a_step_in_another_module_that_fails_is_a_500_and_in_the_log(
    tmp_path: Path, start_server: Callable[..., Server], digit_png: bytes
) -> None:
    folder = copy_function(tmp_path / "digits")
    (folder / "cutting.py").write_text(
        "from app import handler\n"
        "def fail(step):\n    raise RuntimeError('the step is broken')\n"
        "def whole(step):\n    assert handler\n    return [(step.body, step.content_type)]\n"
        "def text(step):\n    return 'nothing that can be sent'\n"
    )
    pipelines = {
        "fails": {"steps": ["cutting:fail", "digits"]},
        "whole": {"steps": ["cutting:whole", "digits"]},
        "text": {"steps": ["cutting:text", "digits"]},
        "gone": {"steps": ["cutting:gone", "digits"]},
    }
    server = start_server(folder, LITESHIP_PIPELINES=json.dumps(pipelines))
    assert labels_of(ask(server, digit_png, "?model=whole").json()) == "7"
    for name, logged in (("fails", "the step is broken"), ("text", "text"), ("gone", "gone")):
        answer = ask(server, digit_png, f"?model={name}")
        assert answer.status_code == 500
        assert "broken" not in answer.text
        assert logged in json.dumps(server.log_lines()[-1])
    # `from app import handler` found the running function, and started no second one
    assert [line["message"] for line in server.log_lines()].count("model ready") == 1


def test_a_pipeline_of_models_that_do_not_fit_is_not_ready(
    tmp_path: Path, start_server: Callable[..., Server], digit_png: bytes
) -> None:
    folder = copy_function(tmp_path / "digits")
    pipelines = {"twice": {"steps": ["digits", "digits"]}, "none": {"steps": ["other", "digits"]}}
    server = start_server(folder, LITESHIP_PIPELINES=json.dumps(pipelines))
    for name, problem in (("twice", "10 elements"), ("none", "step other")):
        answer = ask(server, digit_png, f"?model={name}")
        assert (answer.status_code, answer.json()["reference"]) == (503, "pipeline-invalid")
        assert problem in "".join(answer.json()["problems"])
    assert httpx.get(f"{server.url}/health/ready").status_code == 200
    shutil.copytree(folder, tmp_path / "default")
    pipelines["twice"]["default"] = True  # type: ignore[assignment]
    server = start_server(tmp_path / "default", LITESHIP_PIPELINES=json.dumps(pipelines))
    ready = httpx.get(f"{server.url}/health/ready")
    assert (ready.status_code, ready.json()["reference"]) == (503, "pipeline-invalid")


def test_liteship_predict_answers_with_the_default_pipeline(
    tmp_path: Path, digit_images: Digits
) -> None:
    line_function(tmp_path / "functions", more="default = true\n")
    (tmp_path / "line.png").write_bytes(line_of("271", digit_images))
    done = subprocess.run(
        [sys.executable, "-m", "liteship", "predict", "digits", "line.png", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert labels_of(json.loads(done.stdout)) == "271"
