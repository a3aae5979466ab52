"""From spawn to first answer under the Lambda emulator: what each choice costs, beside its floor.

    python -m benchmarks.cold_start [RUNS] [PART OF A NAME ...]

Each variant is a fresh emulator and a fresh process every time, all of them side by side in turn; the
table gives medians, and each variant's ratio to the echo handler and to its own floor, round by round.
CPU time is the emulator's and the function's together, up to the first answer. Other handlers run
on the packages as they are published, byte code included; ours on the layers. The S3 API is moto's.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3
import numpy as np
from benchmarks.comparison.models import SIDE, make_models
from benchmarks.comparison.process import family_cpu_ms
from benchmarks.ratios import median_ratio
from moto.server import ThreadedMotoServer
from PIL import Image

from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import Kind, create_event, http_event
from liteship.packaging.bundle import bundle
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liteship.packaging.package import Package
    from liteship.project import FunctionFolder

ROOT = Path(__file__).parents[1]
ECHO_NAME = "echo"
ECHO = "def handler(event, context):\n    return {'statusCode': 200, 'body': ''}\n"
BOTO3 = f"import boto3\n{ECHO}"
BOTO3_CLIENT = f"import boto3\nclient = boto3.client('s3')\n{ECHO}"
INTERPRETER = """
import numpy as np
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(model_path="model/model.tflite")
interpreter.allocate_tensors()
(given,), result = interpreter.get_input_details(), interpreter.get_output_details()[0]

def best(features):
    scale, zero = given["quantization"]
    values = np.rint(np.array(features, np.float32) / scale + zero).clip(-128, 127)
    interpreter.set_tensor(given["index"], values.astype(given["dtype"]).reshape(given["shape"]))
    interpreter.invoke()
    return int(interpreter.get_tensor(result["index"]).argmax())
"""
BARE = f"""import json
{INTERPRETER}
def handler(event, context):
    features = json.loads(event["body"])["inputs"]["features"]
    return {{"statusCode": 200, "body": json.dumps({{"best": best(features)}})}}
"""
WEB = """from fastapi import FastAPI
from mangum import Mangum
{first}
app = FastAPI()

@app.post("/own")
def own(body: dict) -> dict:
    return {{"best": {answer}}}

handler = Mangum(app, lifespan="off")
"""
WEB_ALONE = WEB.format(first="", answer=0)
WEB_AND_MODEL = WEB.format(first=INTERPRETER, answer='best(body["inputs"]["features"])')
OWN_ROUTE = """from liteship import Function

def extend(app):
    @app.post("/own")
    def own(body: dict) -> dict:
        answer = handler.predictor_for().predict(json.dumps(body).encode(), "application/json")
        return answer.fields

import json
handler = Function(__file__, extend=extend)
"""


class Variant(NamedTuple):
    """One kind of start: what runs, what it is asked, and the variant to be held against."""

    package: Package
    event: object
    floor: str = ECHO_NAME
    environ: dict[str, str] = {}  # noqa: RUF012  # never written to


class Start(NamedTuple):
    """From spawn to the first answer: milliseconds."""

    wall_ms: float
    cpu_ms: float


class Starts(NamedTuple):
    """Of one variant: one start a round, and the variant that it is held against."""

    measured: list[Start]
    floor: str

    @property
    def cpu_ms(self) -> list[float]:
        """Of each round."""
        return [each.cpu_ms for each in self.measured]


def main() -> None:
    """Measures every variant in turn and prints the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    starts = measure(runs, sys.argv[2:])
    print(f"{f'median of {runs}':42}{'wall, ms':>9}{'CPU, ms':>9}{'× echo':>8}  × its floor")
    for name, (measured, floor) in starts.items():
        wall_ms, cpu_ms = (statistics.median(each) for each in zip(*measured, strict=True))
        beside = "" if floor == ECHO_NAME else f"  {ratio(starts, name, floor):.2f} {floor}"
        to_echo = ratio(starts, name, ECHO_NAME)
        print(f"{name:42}{wall_ms:9.0f}{cpu_ms:9.0f}{to_echo:8.2f}{beside}")


def measure(runs: int, parts: list[str]) -> dict[str, Starts]:
    """Starts every variant in turn, in rounds.

    Args:
        runs: Rounds, after a first one that fills the page cache and is left out.
        parts: Only variants that have one of these in their names, and their floors; empty for all.
    """
    function = load_function("digits", ROOT)
    with tempfile.TemporaryDirectory() as folder, s3_with(_seven()) as uploaded:
        variants = all_variants(function, Path(folder), uploaded)
        chosen = {name for name in variants if not parts or any(part in name for part in parts)}
        chosen |= {variants[name].floor for name in chosen} | {ECHO_NAME}
        starts = {name: Starts([], each.floor) for name, each in variants.items() if name in chosen}
        for run in range(runs + 1):
            for name, (measured, _) in starts.items():
                start = _first_answer(function, variants[name])
                if run:
                    measured.append(start)
    return starts


def ratio(starts: dict[str, Starts], name: str, other: str) -> float:
    """How the CPU times of two variants compare."""
    return median_ratio(starts[name].cpu_ms, starts[other].cpu_ms)


def all_variants(function: FunctionFolder, folder: Path, uploaded: object) -> dict[str, Variant]:
    """Every kind of start; code and packages of floors are put into the folder."""
    digits = package_for_here(function)
    models = {name: _packed(digits, path, folder) for name, path in make_models().items()}
    tiny, mobilenet = models["tiny"], models["mobilenet"]
    published = _published(folder / "published")
    ours = functools.partial(_with_app, tiny, folder)
    theirs = functools.partial(
        _with_app, replace(tiny, python_path=(tiny.python_path[0], published)), folder
    )
    elements = [0.5] * 64
    asked = {"inputs": {"features": elements}}
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, 64], "data": elements}
    raw = http_event("POST", "/predict", bytes(64), "application/octet-stream")
    seven = http_event("POST", "/predict", _seven(), "image/png")
    return {
        ECHO_NAME: Variant(ours("echo", ECHO), {}),
        "tiny, raw tensor": Variant(tiny, raw),
        "tiny, JSON": Variant(tiny, _json_event("/predict", asked)),
        "tiny, Open Inference": Variant(
            tiny, _json_event("/v2/models/tiny/infer", {"inputs": [tensor]})
        ),
        "tiny, TensorFlow Serving": Variant(
            tiny, _json_event("/v1/models/tiny:predict", {"instances": [elements]})
        ),
        "tiny, NumPy and LiteRT's Python package": Variant(
            theirs("bare", BARE), _json_event("/predict", asked)
        ),
        "digits, PNG": Variant(digits, seven),
        "digits, PNG, Powertools": Variant(
            digits, seven, environ={"LITESHIP_OBSERVABILITY": "powertools"}
        ),
        "MobileNetV2, JPEG": Variant(mobilenet, http_event("POST", "/predict", _photo(), "image/jpeg")),
        "boto3 imported, echo": Variant(theirs("boto3", BOTO3), {}),
        "boto3, S3 client made, echo": Variant(theirs("client", BOTO3_CLIENT), {}),
        "digits, S3 upload": Variant(digits, uploaded, "boto3 imported, echo"),
        "FastAPI and Mangum alone": Variant(theirs("web", WEB_ALONE), _json_event("/own", asked)),
        "FastAPI, Mangum, NumPy, LiteRT": Variant(
            theirs("naive", WEB_AND_MODEL), _json_event("/own", asked)
        ),
        "tiny, own FastAPI route": Variant(
            ours("own", OWN_ROUTE), _json_event("/own", asked), "FastAPI, Mangum, NumPy, LiteRT"
        ),
        "tiny, /openapi.json": Variant(
            tiny, http_event("GET", "/openapi.json", b"", ""), "FastAPI, Mangum, NumPy, LiteRT"
        ),
    }


def _first_answer(function: FunctionFolder, variant: Variant) -> Start:
    """Wall and CPU milliseconds from the emulator's start to the first answer."""
    start = time.perf_counter()
    with LambdaEmulator(function, variant.package, environment=variant.environ) as emulator:
        answer = emulator.invoke(variant.event)
        wall_ms = (time.perf_counter() - start) * 1e3
        if answer.get("statusCode") != 200 and "result" not in answer.get("results", [()])[0]:
            sys.exit(f"no answer: {answer}")
        return Start(wall_ms, family_cpu_ms(emulator.pid))


def _packed(package: Package, source: Path, folder: Path) -> Package:
    """The package with another function's code and model, on the same layers."""
    target = folder / "packed" / source.name
    bundle(source, target)
    return replace(package, name=source.name, python_path=(target, *package.python_path[1:]))


def _with_app(package: Package, folder: Path, name: str, source: str) -> Package:
    """The package with another `app.py`."""
    code = folder / f"source-{name}"
    code.mkdir()
    (code / "app.py").write_text(source)
    (code / "model").symlink_to(make_models()["tiny"] / "model")
    packed = _packed(package, code, folder)
    os.sync()
    return packed


def _published(target: Path) -> Path:
    """The same versions as in the layers, nothing removed, with byte code for this Python.

    NumPy is this environment's: the layer's is for newer ones.
    """
    options = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    options += [f"--target={target}", "--no-compile"]
    options += [
        f"--requirement={ROOT}/layers/{name}/requirements.txt" for name in ("web", "aws", "litert")
    ]
    subprocess.run(options, check=True, stderr=subprocess.DEVNULL)
    for folder in Path(np.__file__).parent.parent.glob("numpy*"):
        shutil.copytree(folder, target / folder.name)
    compiled = (sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-f")
    subprocess.run([*compiled, str(target)], check=False, stdout=subprocess.DEVNULL)
    return target


@contextlib.contextmanager
def s3_with(content: bytes) -> Iterator[object]:
    """An S3 API that holds one object, and the event that tells of it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["AWS_ENDPOINT_URL_S3"] = f"http://{host}:{port}"  # the emulator passes it on
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    client = boto3.client("s3", **keys)
    client.create_bucket(Bucket="uploads")
    client.put_object(Bucket="uploads", Key="incoming/7.png", Body=content)
    yield create_event(Kind.S3, body=content, bucket="uploads", key="incoming/7.png")
    server.stop()


def _json_event(path: str, content: object) -> object:
    """As API Gateway sends it: text, not base64."""
    event = http_event("POST", path, b"", "application/json")
    return {**event, "body": json.dumps(content), "isBase64Encoded": False}


def _seven() -> bytes:
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images[digits.target == 7][0] * (255 / 16)).astype(np.uint8)
    return _saved(Image.fromarray(pixels), "PNG")


def _photo() -> bytes:
    """A picture of the model's size, of coarse noise, as a camera's JPEG holds it."""
    coarse = Image.frombytes("RGB", (14, 14), random.Random(7).randbytes(14 * 14 * 3))  # noqa: S311
    return _saved(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC), "JPEG")


def _saved(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
