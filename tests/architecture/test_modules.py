"""What is imported up to the first answer: each start in a fresh process, against a golden file.

After a change on purpose: pytest tests/architecture/test_modules.py --update-golden, and read the diff.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., str]

GOLDEN = Path(__file__).parents[1] / "golden" / "modules"
HEAVY = {"numpy", "fastapi", "starlette", "mangum", "pydantic", "tensorflow", "keras", "uvicorn"}
BUILD_HALF = ("liteship.cli", "liteship.convert", "liteship.packaging", "liteship.deploy")

# What the interpreter itself loads for an editable installation is no start's doing.
SCRIPT = """
import sys
before = set(sys.modules)
{start}
for name in sorted(set(sys.modules) - before):
    top = name.partition(".")[0]
    if getattr(sys.modules[name], "__file__", None) is None:
        continue  # aliases, and namespaces that only other packages of this environment made
    if top == "liteship" or (name == top and name not in sys.stdlib_module_names):
        print("loaded", name)
"""
LAMBDA_START = """
import json, types
from app import handler
event = json.loads(sys.argv[1])
answer = handler(event, types.SimpleNamespace(aws_request_id="r"))
assert answer.get("statusCode", 200) == 200, answer
assert "statusCode" in answer or "result" in answer["results"][0], answer
"""


def loaded(run: Run, start: str, *arguments: str, **environ: str) -> list[str]:
    lines = run(SCRIPT.format(start=start), *arguments, **environ).splitlines()
    return [line.removeprefix("loaded ") for line in lines if line.startswith("loaded ")]


def compare(name: str, modules: list[str], update: bool) -> None:
    path = GOLDEN / f"{name}.txt"
    text = "".join(f"{module}\n" for module in modules)
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), "if this is on purpose: pytest --update-golden"


def http_event(body: bytes, content_type: str) -> str:
    http = {"method": "POST", "path": "/predict", "sourceIp": "192.0.2.1"}
    event = {
        "version": "2.0",
        "headers": {"content-type": content_type},
        "requestContext": {"http": http},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
    return json.dumps(event)


@pytest.fixture(scope="module")
def s3(digit_png: bytes) -> Iterator[tuple[str, dict[str, str]]]:
    """A notification of an uploaded picture, and the environment that leads to its bucket."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environ = {
        "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="modules")
        client.put_object(Bucket="modules", Key="incoming/7.png", Body=digit_png)
        client.close()
    s3_object = {"key": "incoming/7.png", "size": len(digit_png), "eTag": "0"}
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "s3": {"bucket": {"name": "modules"}, "object": s3_object},
    }
    yield json.dumps({"Records": [record]}), environ
    server.stop()


def test_a_bare_import_loads_nothing_outside_the_standard_library(
    run_python: Run, update_golden: bool
) -> None:
    modules = loaded(run_python, "import liteship")
    assert modules == ["liteship"]
    compare("import", modules, update_golden)


def test_a_picture_over_https(run_python: Run, digit_png: bytes, update_golden: bool) -> None:
    modules = loaded(run_python, LAMBDA_START, http_event(digit_png, "image/png"))
    assert "PIL" in modules
    check_run_half(modules)
    compare("https_image", modules, update_golden)


def test_a_tensor_over_https(run_python: Run, artifact_folder: Path, update_golden: bool) -> None:
    from liteship import Artifact

    (golden,) = Artifact.load(artifact_folder).golden_inputs
    modules = loaded(run_python, LAMBDA_START, http_event(golden, "application/octet-stream"))
    assert "PIL" not in modules
    check_run_half(modules)
    compare("https_tensor", modules, update_golden)


def test_an_upload_to_s3(run_python: Run, s3: tuple[str, dict[str, str]], update_golden: bool) -> None:
    event, environ = s3
    modules = loaded(run_python, LAMBDA_START, event, **environ)
    check_run_half(modules, boto3=True)
    compare("s3", modules, update_golden)


def test_a_golden_file_that_differs_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.modules[__name__], "GOLDEN", tmp_path)
    compare("some", ["a"], update=True)
    compare("some", ["a"], update=False)
    with pytest.raises(AssertionError, match="--update-golden"):
        compare("some", ["a", "b"], update=False)


def check_run_half(modules: list[str], *, boto3: bool = False) -> None:
    assert "liteship.runtime.predictor" in modules
    assert not HEAVY & set(modules)
    assert "ai_edge_litert" not in modules  # its Python package needs NumPy
    assert ("boto3" in modules) == boto3
    assert ("botocore" in modules) == boto3
    assert not [name for name in modules if name.startswith(BUILD_HALF)]
