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
BUILD_HALF = ("liteship.cli", "liteship.conversion", "liteship.packaging", "liteship.deploy")

# What the interpreter itself loads for an editable installation is no start's doing.
SCRIPT = """
import sys
before = set(sys.modules)
{start}
for name in sorted(set(sys.modules) - before):
    top = name.partition(".")[0]
    if getattr(sys.modules[name], "__file__", None) is None:
        continue  # aliases, and namespaces that only other packages of this environment made
    if name.startswith("_sysconfigdata"):
        continue  # of the standard library, and named after the machine
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


WITH_ROUTE = """
from liteship import Function

def extend(app):
    @app.get("/own")
    async def own(number: int = 1) -> dict[str, int]:
        return {"number": number}

handler = Function(__file__, extend=extend)
"""
MODELS_DEFERRED = """
from fastapi.openapi.models import Contact, OpenAPI
assert not OpenAPI.__pydantic_complete__ and not Contact.__pydantic_complete__
"""
SERVER_START = """
import os, socket, threading
from liteship.runtime import __main__ as entry_point
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
os.environ.update(PORT=str(port), LITESHIP_DRAIN_S="0")
body = bytes.fromhex(sys.argv[1])
head = "POST /predict HTTP/1.1\\r\\nhost: h\\r\\ncontent-type: application/octet-stream\\r\\n"
request = f"{head}content-length: {len(body)}\\r\\n\\r\\n".encode() + body
def ask():
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 60)
        except ConnectionRefusedError:
            continue
        break
    connection.sendall(request)
    answer = connection.recv(65536)
    connection.close()
    os.kill(os.getpid(), 15 if answer.startswith(b"HTTP/1.1 200 ") else 9)
threading.Thread(target=ask).start()
assert entry_point.main([]) == 0
"""
COUNT = """
print("loaded", *(name for name, module in sys.modules.items() if module))
"""
UVICORN_HELLO = "uvicorn, uvicorn.lifespan.on, uvicorn.protocols.http.httptools_impl"
STANDARD_AND_COSTLY = {"multiprocessing", "unittest", "xml", "urllib.request", "http.client", "sqlite3"}


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


def http_event(body: bytes, content_type: str, path: str = "/predict", method: str = "POST") -> str:
    http = {"method": method, "path": path, "sourceIp": "192.0.2.1"}
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
    event = http_event(golden_input(artifact_folder), "application/octet-stream")
    modules = loaded(run_python, LAMBDA_START, event)
    assert "PIL" not in modules
    check_run_half(modules)
    compare("https_tensor", modules, update_golden)


def test_the_open_inference_protocol(run_python: Run, update_golden: bool) -> None:
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 8, 8, 1], "data": [0.5] * 64}
    body = json.dumps({"inputs": [tensor]}).encode()
    event = http_event(body, "application/json", "/v2/models/digits/infer")
    modules = loaded(run_python, LAMBDA_START, event)
    assert "PIL" not in modules
    check_run_half(modules)
    compare("https_open_inference", modules, update_golden)


def test_tensorflow_serving(run_python: Run, update_golden: bool) -> None:
    body = json.dumps({"instances": [[[[0.5]] * 8] * 8]}).encode()
    event = http_event(body, "application/json", "/v1/models/digits:predict")
    modules = loaded(run_python, LAMBDA_START, event)
    assert "PIL" not in modules
    check_run_half(modules)
    compare("https_tf_serving", modules, update_golden)


def test_the_openapi_document(run_python: Run, update_golden: bool) -> None:
    modules = loaded(run_python, LAMBDA_START, http_event(b"", "", "/openapi.json", "GET"))
    check_run_half(modules)
    compare("https_openapi", modules, update_golden)


def test_a_route_of_its_own(run_python: Run, function_folder: Path, update_golden: bool) -> None:
    (function_folder / "app.py").write_text(WITH_ROUTE)
    modules = loaded(run_python, LAMBDA_START + MODELS_DEFERRED, http_event(b"", "", "/own", "GET"))
    assert {"fastapi", "mangum", "liteship.runtime.app"} <= {*modules}
    assert not {"numpy", "uvicorn", "fastapi_offline", "ai_edge_litert", "PIL", "botocore"} & {*modules}
    compare("https_own_route", modules, update_golden)


def test_one_of_several_models_over_https(
    run_python: Run, function_folder: Path, artifact_folder: Path, update_golden: bool
) -> None:
    (function_folder / "model").rename(function_folder / "1")
    (function_folder / "model" / "digits").mkdir(parents=True)
    (function_folder / "1").rename(function_folder / "model" / "digits" / "1")
    event = http_event(golden_input(artifact_folder), "application/octet-stream")
    models = '{"name":"digits","version":"1"}'
    modules = loaded(run_python, LAMBDA_START, event, LITESHIP_MODELS=models)
    check_run_half(modules)
    compare("https_models", modules, update_golden)


def test_the_http_server(run_python: Run, artifact_folder: Path, update_golden: bool) -> None:
    modules = loaded(run_python, SERVER_START, golden_input(artifact_folder).hex())
    assert "PIL" not in modules
    assert "click" not in modules  # uvicorn's command line
    check_run_half(modules, uvicorn=True)
    compare("http_server", modules, update_golden)


def test_the_http_server_loads_less_than_a_hello_of_uvicorn(
    run_python: Run, artifact_folder: Path
) -> None:
    served = names(
        run_python(f"import sys\n{SERVER_START}{COUNT}", golden_input(artifact_folder).hex())
    )
    hello = names(run_python(f"import sys, {UVICORN_HELLO}{COUNT}"))
    assert {"asyncio", "httptools"} <= served & hello
    assert not STANDARD_AND_COSTLY & served
    others = {name for name in served if name.partition(".")[0] != "liteship"}
    assert "ctypes" in others
    assert len(others) < len(hello)


def test_an_upload_to_s3(run_python: Run, s3: tuple[str, dict[str, str]], update_golden: bool) -> None:
    event, environ = s3
    modules = loaded(run_python, LAMBDA_START, event, **environ)
    check_run_half(modules, botocore=True)
    compare("s3", modules, update_golden)


def test_a_golden_file_that_differs_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.modules[__name__], "GOLDEN", tmp_path)
    compare("some", ["a"], update=True)
    compare("some", ["a"], update=False)
    with pytest.raises(AssertionError, match="--update-golden"):
        compare("some", ["a", "b"], update=False)


def names(output: str) -> set[str]:
    (line,) = (line for line in output.splitlines() if line.startswith("loaded "))
    return {*line.split()[1:]}


def golden_input(artifact_folder: Path) -> bytes:
    from liteship import Artifact

    (golden,) = Artifact.load(artifact_folder).golden_inputs
    return golden


def check_run_half(modules: list[str], *, botocore: bool = False, uvicorn: bool = False) -> None:
    assert "liteship.runtime.predictor" in modules
    assert HEAVY & set(modules) == ({"uvicorn"} if uvicorn else set())
    assert "ai_edge_litert" not in modules  # its Python package needs NumPy
    assert "boto3" not in modules  # botocore's client does all that is needed
    assert ("botocore" in modules) == botocore
    assert not [name for name in modules if name.startswith(BUILD_HALF)]
