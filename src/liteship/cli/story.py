"""The steps of `liteship demo`, each of which does one real thing and returns one line about it."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from liteship.cli import convert, output, package
from liteship.deploy.local.emulator import LambdaEmulator, free_port, package_for_here
from liteship.deploy.local.events import http_event, s3_event
from liteship.errors import ConfigurationError, DeploymentError
from liteship.packaging.limits import check_limits, require_limits
from liteship.packaging.package import package_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from liteship.project import FunctionFolder

BUCKET = "liteship-demo"
KEY = "incoming/zwei drei+vier/é 7.png"
DIGIT = 7


class Story:
    """What the steps share; a context manager that ends what they started.

    Args:
        function: The digits function.
        quiet: Print nothing.
    """

    def __init__(self, function: FunctionFolder, *, quiet: bool) -> None:
        self.function = function
        self.quiet = quiet
        self.resources = contextlib.ExitStack()
        self.emulator: LambdaEmulator | None = None
        self.s3: Any = None
        self.prediction: list[dict[str, Any]] = []
        self.request_ms: float = 0.0

    def __enter__(self) -> Self:
        self.resources.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self.resources.close()

    @property
    def running(self) -> LambdaEmulator:
        """The emulator, which an earlier step started."""
        if self.emulator is None:
            msg = "the emulator is started by a step before"
            raise RuntimeError(msg)
        return self.emulator

    @property
    def picture(self) -> Path:
        """A held-out picture of a seven, written by train.py."""
        return self.function.folder / "trained" / "samples" / f"{DIGIT}.png"

    def waiting(self, text: str) -> contextlib.AbstractContextManager[object]:
        """A spinner for what takes long and has no steps to count."""
        return contextlib.nullcontext() if self.quiet else output.stderr.status(text)

    def say(self, text: str) -> None:
        """One line for the reader."""
        if not self.quiet:
            output.console.print(f"   {text}", highlight=False)


def train(story: Story) -> str:
    """Runs the function's train.py in a process of its own."""
    script = story.function.folder / "train.py"
    lines: list[str] = []
    with (
        output.progress_bars({"train": "stochastic gradient descent"}, quiet=story.quiet) as progress,
        subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            lines.append(line.strip())
            epoch = re.match(r"epoch (\d+)/(\d+)", line)
            if epoch:
                progress("train", int(epoch[1]), int(epoch[2]))
        problems = (process.stderr.read() if process.stderr else "").splitlines()[-3:]
    if process.returncode != 0:
        raise DeploymentError(
            "training-failed", f"{script} failed", problems=problems, hint="run it alone to see why"
        )
    return lines[-1]


def convert_model(story: Story) -> str:
    """Converts to int8; refuses what loses more than its budget."""
    convert.convert_function(story.function, quiet=story.quiet)
    manifest = json.loads((story.function.model_folder / "model.json").read_text())
    accuracy = manifest["provenance"]["accuracy"]
    ratio = manifest["size_bytes"] / manifest["provenance"]["source"]["float_tflite_bytes"]
    return (
        f"{manifest['size_bytes']:,} bytes ({ratio:.1%} of float32), "
        f"accuracy {accuracy['source']:.4f} → {accuracy['artifact']:.4f}"
    )


def package_function(story: Story) -> str:
    """Builds layers and bundle for Lambda, and passes the size gate."""
    with story.waiting("building layers and bundle for Lambda"):
        built = package_zip(story.function)
    checks = check_limits(story.function, built)
    if not story.quiet:
        package.print_package(built)
        package.print_limits(checks)
    require_limits(checks)
    total_bytes = sum(part.zipped_bytes for part in built.parts)
    return f"{total_bytes:,} bytes zipped, {len(checks)} limits kept"


def answer_https(story: Story) -> str:
    """Starts the packaged function under the emulator and sends an HTTP API event."""
    with story.waiting("building the same for this machine's Python, and starting an S3 server"):
        here = package_for_here(story.function)
        environment = {"AWS_ENDPOINT_URL_S3": _start_s3(story)}
    story.emulator = story.resources.enter_context(
        LambdaEmulator(story.function, here, environment=environment)
    )
    event = http_event("POST", "/predict", story.picture.read_bytes(), "image/png")
    start = time.perf_counter()
    answer = story.emulator.invoke(event)
    first_ms = (time.perf_counter() - start) * 1e3
    start = time.perf_counter()
    story.emulator.invoke(event)
    warm_ms = (time.perf_counter() - start) * 1e3
    if answer["statusCode"] != 200:
        raise DeploymentError(
            "demo-answer", f"the function answered {answer['body']}", hint="see the function's log"
        )
    content = json.loads(answer["body"])
    story.prediction = content["predictions"]
    log = story.emulator.log_lines()
    ready = next(line for line in log if line.get("message") == "model ready")
    invoke_ms = next(line["invoke_ms"] for line in log if line.get("message") == "predicted")
    story.say(f"HTTP {answer['statusCode']} {answer['body'].strip()}")
    story.say(
        f"version {content['version']}; init {ready['init_ms']:.0f} ms, invoke {invoke_ms:.2f} ms; the "
        f"whole answer {first_ms:.0f} ms cold, {warm_ms:.1f} ms warm"
    )
    return (
        f"label {content['predictions'][0]['label']} (it is a {DIGIT}), init {ready['init_ms']:.0f} ms"
    )


def answer_other_clients(story: Story) -> str:
    """Asks the same function as clients of Triton and of TensorFlow Serving do."""
    picture = base64.b64encode(story.picture.read_bytes()).decode()
    manifest = json.loads((story.function.model_folder / "model.json").read_text())
    name, output_name = manifest["name"], manifest["outputs"][0]["name"]
    tensor = {
        "name": manifest["inputs"][0]["name"],
        "shape": [1],
        "datatype": "BYTES",
        "data": [picture],
    }
    asked = {"name": output_name, "parameters": {"classification": 3}}
    requests: dict[str, object] = {
        f"/v2/models/{name}/infer": {"inputs": [tensor], "outputs": [asked]},
        f"/v1/models/{name}:predict": {"instances": [{"b64": picture}]},
    }
    answers = []
    for path, request in requests.items():
        event = http_event("POST", path, json.dumps(request).encode(), "application/json")
        answer = story.running.invoke(event)
        story.say(f"POST {path}: HTTP {answer['statusCode']} {answer['body'].strip()}")
        answers.append(json.loads(answer["body"]))
    classes, scores = answers[0]["outputs"][0]["data"], answers[1]["predictions"][0]
    best = [(each["label"], each["score"]) for each in story.prediction]
    told = [(label, float(score)) for score, _, label in (each.split(":") for each in classes)]
    labels = manifest["postprocessing"]["labels"]
    if told != best or any(scores[labels.index(label)] != score for label, score in best):
        raise DeploymentError(
            "demo-difference",
            "the protocols answer differently",
            expected=str(best),
            received=f"{told}, {scores}",
            hint="this must not happen: please report it",
        )
    return "Open Inference and TensorFlow Serving: the same scores"


def answer_upload(story: Story) -> str:
    """Uploads a picture, sends the notification that S3 would send, reads the result."""
    body = story.picture.read_bytes()
    story.s3.create_bucket(Bucket=BUCKET)
    etag = story.s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)["ETag"].strip('"')
    story.say(f"put      s3://{BUCKET}/{KEY}")
    event = s3_event(BUCKET, KEY, len(body), etag)
    story.say(f"notified {event['Records'][0]['s3']['object']['key']}")
    answer = story.running.invoke(event)
    key = answer["results"][0]["result"]
    story.say(f"result   s3://{BUCKET}/{key}")
    content = json.loads(story.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    story.say(json.dumps(content, ensure_ascii=False))
    return f"label {content['predictions'][0]['label']} in {key}"


def answer_http(story: Story) -> str:
    """Starts the HTTP server that Knative would run and compares its answer."""
    port = free_port()
    server = subprocess.Popen(  # the with below ends it
        [sys.executable, "-m", "liteship.runtime", "app.handler"],
        cwd=story.function.folder,
        env=os.environ
        | story.function.config.environment()
        | {"PORT": str(port), "LITESHIP_DRAIN_S": "0"},  # nobody routes requests to it
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    story.resources.callback(server.wait)
    story.resources.callback(server.terminate)
    url = f"http://127.0.0.1:{port}"
    _wait_until_ready(f"{url}/health/ready")
    request = urllib.request.Request(  # noqa: S310  # our own server
        f"{url}/predict", data=story.picture.read_bytes(), headers={"content-type": "image/png"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
        content = json.loads(response.read())
    story.say(f"HTTP 200 {json.dumps(content)}")
    if content["predictions"] != story.prediction:
        raise DeploymentError(
            "demo-difference",
            "the HTTP server and the Lambda function answer differently",
            expected=str(story.prediction),
            received=str(content["predictions"]),
            hint="this must not happen: please report it",
        )
    return "the same prediction as Lambda's, to the last digit"


STEPS: tuple[tuple[str, Callable[[Story], str]], ...] = (
    ("Train a CNN on 1,797 handwritten digits", train),
    ("Convert it to int8 and measure it as deployed", convert_model),
    ("Package it and check Lambda's limits", package_function),
    ("Answer an HTTPS event under the Lambda emulator", answer_https),
    ("Answer clients of Triton and TensorFlow Serving", answer_other_clients),
    ("Answer an S3 upload", answer_upload),
    ("Answer the same picture as a Knative container", answer_http),
)


def _start_s3(story: Story) -> str:
    """Starts moto's S3 server over HTTP, makes a client for it, and returns its address."""
    try:
        import boto3
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise ConfigurationError(
            "extra-missing",
            f"the demo needs a package that is not installed: {error.name}",
            hint="run it by: make demo",
        ) from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    story.resources.callback(server.stop)
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    credentials: Mapping[str, str] = {
        "region_name": "us-east-1",
        "aws_access_key_id": "demo",
        "aws_secret_access_key": "demo",
    }
    story.s3 = boto3.client("s3", endpoint_url=url, **credentials)
    return url


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):  # noqa: S310
            return
        time.sleep(0.05)
    raise DeploymentError("server-not-ready", f"{url} did not answer within 30 s", hint="see its log")
