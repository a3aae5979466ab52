"""A model from S3 and from a volume: real HTTP, a real server process, Lambda's emulator."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from liteship.cli.main import run
from liteship.deploy.aws.client import Aws
from liteship.deploy.aws.publishing import publish as put_in_s3
from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import http_event
from liteship.errors import DeploymentError, LiteshipError
from liteship.project import load_function
from liteship.runtime import model_source
from liteship.runtime.model_source import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]

BUCKET = "models-of-ours"

URI = f"s3://{BUCKET}/models/digits/1"

PNG = {"content-type": "image/png"}

PATIENCE_S = 60


@pytest.fixture(scope="module")
def digest(artifact_folder: Path) -> str:
    return hashlib.sha256((artifact_folder / "model.json").read_bytes()).hexdigest()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, str]]:
    """Makes the environment that leads to an S3 server, for this process too."""

    def make(address: str) -> dict[str, str]:
        variables = {
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return variables

    return make


# ---- moto's S3, and `liteship publish` -------------------------------------------------------------


class S3:
    """A bucket at moto's server."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.client = boto3.client("s3")
        self.client.create_bucket(Bucket=BUCKET)

    def names(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"] for each in listed]

    def get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return body

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def put_artifact(self, folder: Path) -> None:
        for path in folder.iterdir():
            self.put(f"models/digits/1/{path.name}", path.read_bytes())


@pytest.fixture
def s3(environment: Callable[..., dict[str, str]]) -> Iterator[S3]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    httpx.post(f"http://{host}:{port}/moto-api/reset")
    s3 = S3(environment(f"http://{host}:{port}"))
    yield s3
    s3.client.close()
    server.stop()


@pytest.fixture
def project(tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The digits function in a project of its own, whose model is in S3."""
    folder = tmp_path / "functions" / "digits"
    shutil.copytree(artifact_folder, folder / "model")
    text = (artifact_folder.parent / "function.toml").read_text()
    location = f'[model]\nlocation = "s3://{BUCKET}/models"\n'
    (folder / "function.toml").write_text(text.replace("[model]\n", location))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return tmp_path


@pytest.fixture
def publish(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs the command; gives its exit code, and what it printed."""

    def command(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run(["publish", "digits", *arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return command


def test_what_was_published_is_what_the_runtime_loads(
    s3: S3, project: Path, publish: Callable[..., Any], digest: str, tmp_path: Path
) -> None:
    code, told = publish()
    assert code == 0
    assert (told["uri"], told["manifest_sha256"]) == (URI, digest)
    # model.json last: where it is, the others are
    assert told["uploaded"] == ["golden.bin.zlib", "model.tflite", "model.json"]
    artifact, folder = fetch(URI, digest, str(tmp_path / "cache"))
    local = project / "functions" / "digits" / "model"
    assert artifact.model == (local / "model.tflite").read_bytes()
    assert contents(Path(folder)) == contents(local)
    assert publish() == (0, told | {"uploaded": []})


def test_a_version_is_never_overwritten(
    s3: S3, project: Path, publish: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    publish()
    before = {key: s3.get(key) for key in s3.names()}
    manifest = project / "functions" / "digits" / "model" / "model.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text())))
    code, told = publish()
    assert (code, told["reference"]) == (11, "version-taken")
    assert {key: s3.get(key) for key in s3.names()} == before
    assert run(["publish", "digits"]) == 11
    assert "raise version in function.toml" in " ".join(capsys.readouterr().err.split())


def test_an_upload_that_was_interrupted_is_completed(
    s3: S3, project: Path, publish: Callable[..., Any]
) -> None:
    s3.put("models/digits/1/model.tflite", b"half")
    assert publish()[1]["uploaded"] == ["golden.bin.zlib", "model.tflite", "model.json"]
    s3.client.delete_object(Bucket=BUCKET, Key="models/digits/1/golden.bin.zlib")
    assert publish()[1]["uploaded"] == ["golden.bin.zlib"]
    assert publish()[1]["uploaded"] == []


def test_another_place_can_be_given(s3: S3, project: Path, publish: Callable[..., Any]) -> None:
    assert publish(f"s3://{BUCKET}/other/")[1]["uri"] == f"s3://{BUCKET}/other/digits/1"
    assert "other/digits/1/model.json" in s3.names()


class Overtaken(Aws):
    """Somebody else publishes another model of the same version while the own one is uploaded."""

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "put_object" and parameters["Key"].endswith("model.json"):
            super().call(service, operation, **parameters | {"Body": b"another"})
        return super().call(service, operation, **parameters)


def test_of_two_who_publish_one_version_the_first_wins(s3: S3, project: Path) -> None:
    with Overtaken() as aws, pytest.raises(DeploymentError) as raised:
        put_in_s3(aws, load_function("digits", project), f"s3://{BUCKET}/models")
    assert raised.value.reference == "version-taken"
    assert s3.get("models/digits/1/model.json") == b"another"


class Damaging(Aws):
    """What arrives is not what was sent."""

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "put_object" and parameters["Key"].endswith("model.tflite"):
            parameters["Body"] = parameters["Body"][:-1]
        return super().call(service, operation, **parameters)


def test_what_was_uploaded_is_read_again(s3: S3, project: Path) -> None:
    with Damaging() as aws, pytest.raises(DeploymentError) as raised:
        put_in_s3(aws, load_function("digits", project), f"s3://{BUCKET}/models")
    assert raised.value.reference == "upload-damaged"
    assert "model.tflite" in raised.value.message
    # Without it, nobody takes the rest for an artifact
    assert "models/digits/1/model.json" not in s3.names()


@pytest.mark.parametrize(
    ("place", "code", "reference"),
    [
        ("s3://no-such-bucket/models", 11, "bucket-missing"),
        ("/mnt/models", 3, "location-invalid"),
        ("s3://", 3, "location-invalid"),
    ],
)
def test_a_place_that_takes_nothing(
    s3: S3, project: Path, publish: Callable[..., Any], place: str, code: int, reference: str
) -> None:
    found, told = publish(place)
    assert (found, told["reference"]) == (code, reference)


def test_what_was_not_converted_is_not_published(
    s3: S3, project: Path, publish: Callable[..., Any]
) -> None:
    path = project / "functions" / "digits" / "function.toml"
    path.write_text(path.read_text().replace('version = "1"', 'version = "2"'))
    code, told = publish()
    assert (code, told["reference"]) == (8, "artifact-version")
    assert s3.names() == []


# ---- An S3 that fails ------------------------------------------------------------------------------


class Store:
    """Objects by key over S3's REST, as far as downloads need it, and what can go wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.objects = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.asked: list[str] = []
        self.refusal: tuple[int, str] | None = None
        self.stop_after: int | None = None
        self.declares = True
        self.location = ""
        self.waits = threading.Event()
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.partition("?")[0].rpartition("/")[2]
                store.asked.append(name)
                if store.refusal is not None:
                    status, code = store.refusal
                    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
                else:
                    status, body = 200, store.objects[name]
                self.send_response(status)
                if store.location:
                    self.send_header("Location", store.location)
                if store.declares:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if status != 200 or store.stop_after is None or name != "model.tflite":
                    self.wfile.write(body)
                    return
                self.wfile.write(body[: store.stop_after])
                self.wfile.flush()
                store.waits.wait(PATIENCE_S)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.waits.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def store(artifact_folder: Path, environment: Callable[..., dict[str, str]]) -> Iterator[Store]:
    store = Store(artifact_folder)
    environment(store.address)
    yield store
    store.close()


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


def refusal(digest: str, cache: str) -> LiteshipError:
    with pytest.raises(LiteshipError) as raised:
        fetch(URI, digest, cache)
    assert os.listdir(cache) == []
    return raised.value


def test_what_is_kept_is_not_downloaded_again(store: Store, digest: str, cache: str) -> None:
    first, folder = fetch(URI, digest, cache)
    assert store.asked == ["model.json", "golden.bin.zlib", "model.tflite"]
    assert os.listdir(cache) == [digest]
    second, again = fetch(URI, digest, cache)
    assert len(store.asked) == 3
    assert (second.model, again) == (first.model, folder)


@pytest.mark.parametrize("name", ["model.json", "golden.bin.zlib", "model.tflite"])
def test_what_is_kept_is_verified(store: Store, digest: str, cache: str, name: str) -> None:
    _, folder = fetch(URI, digest, cache)
    Path(folder, name).write_bytes(b"damaged")
    artifact, _ = fetch(URI, digest, cache)
    assert artifact.model == store.objects["model.tflite"]
    assert Path(folder, name).read_bytes() == store.objects[name]


@pytest.mark.parametrize(
    ("status", "code", "reference"),
    [
        (404, "NoSuchKey", "model-missing"),
        (404, "NoSuchBucket", "model-missing"),
        (403, "AccessDenied", "model-forbidden"),
        (403, "SignatureDoesNotMatch", "model-credentials"),
        (400, "ExpiredToken", "model-credentials"),
        (503, "SlowDown", "model-unreachable"),
        (500, "InternalError", "model-unreachable"),
        (400, "KeyTooLongError", "model-refused"),
    ],
)
def test_what_s3_refuses_is_told_in_words(
    store: Store, digest: str, cache: str, status: int, code: str, reference: str
) -> None:
    store.refusal = status, code
    error = refusal(digest, cache)
    assert error.reference == reference
    assert f"{URI}/model.json" in error.message
    assert code in str(error.received)


def test_another_artifact_is_refused_before_its_model_is_downloaded(
    store: Store, digest: str, cache: str
) -> None:
    store.objects["model.json"] += b" "
    error = refusal(digest, cache)
    assert error.reference == "artifact-other"
    assert digest in str(error.expected)
    assert hashlib.sha256(store.objects["model.json"]).hexdigest() in str(error.received)
    assert store.asked == ["model.json"]


@pytest.mark.parametrize("damage", ["longer", "changed"])
def test_another_model_below_the_same_manifest_is_refused(
    store: Store, digest: str, cache: str, damage: str
) -> None:
    model = store.objects["model.tflite"]
    store.objects["model.tflite"] = model + b"x" if damage == "longer" else model[:-1] + b"x"
    assert refusal(digest, cache).reference == "artifact-digest"


def test_a_download_that_breaks_off_leaves_nothing(store: Store, digest: str, cache: str) -> None:
    store.stop_after = 100
    store.waits.set()
    assert refusal(digest, cache).reference == "model-unreachable"
    store.stop_after = None
    fetch(URI, digest, cache)


@pytest.mark.parametrize("name", ["model.json", "golden.bin.zlib", "model.tflite"])
@pytest.mark.parametrize("declares", [True, False])
def test_of_a_file_that_is_too_large_little_is_kept(
    store: Store, digest: str, cache: str, name: str, declares: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_source, "MOST_MANIFEST_BYTES", 100_000)
    store.objects[name] += bytes(10_000_000)
    store.declares = declares
    error = refusal(digest, cache)
    assert error.reference == "artifact-digest"
    assert name in error.message


def test_a_redirection_is_not_followed(store: Store, digest: str, cache: str) -> None:
    store.refusal = 307, "TemporaryRedirect"
    store.location = "http://127.0.0.1:1/elsewhere"
    error = refusal(digest, cache)
    assert error.reference in {"model-refused", "model-unreachable"}
    assert "TemporaryRedirect" in str(error.received)


def test_a_download_that_takes_too_long_ends(store: Store, digest: str, cache: str) -> None:
    with pytest.raises(LiteshipError) as raised:
        fetch(URI, digest, cache, 0)
    assert raised.value.reference == "model-unreachable"
    assert os.listdir(cache) == []


def test_a_download_that_stands_still_ends(
    store: Store, digest: str, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_source, "READ_TIMEOUT_S", 0.2)
    store.stop_after = 100
    assert refusal(digest, cache).reference == "model-unreachable"


def test_nobody_answers(
    environment: Callable[..., dict[str, str]], closed_port: int, digest: str, cache: str
) -> None:
    environment(f"http://127.0.0.1:{closed_port}")
    assert refusal(digest, cache).reference == "model-unreachable"
    environment("no address")
    assert refusal(digest, cache).reference == "model-unreachable"


def test_without_credentials(
    store: Store, digest: str, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert refusal(digest, cache).reference == "model-credentials"
    assert store.asked == []


def test_a_cache_that_cannot_be_written(store: Store, digest: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LiteshipError) as raised:
        fetch(URI, digest, str(tmp_path / "file" / "cache"))
    assert raised.value.reference == "model-cache"


FETCH = "import sys; from liteship.runtime.model_source import fetch; fetch(*sys.argv[1:])"


def start_fetch(digest: str, cache: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FETCH, URI, digest, cache])


def test_of_several_processes_one_downloads(store: Store, digest: str, cache: str) -> None:
    processes = [start_fetch(digest, cache) for _ in range(3)]
    assert [process.wait(PATIENCE_S) for process in processes] == [0, 0, 0]
    assert sorted(store.asked) == ["golden.bin.zlib", "model.json", "model.tflite"]


def test_a_process_that_is_killed_leaves_no_half_artifact(
    store: Store, digest: str, cache: str
) -> None:
    store.stop_after = 100
    process = start_fetch(digest, cache)
    wait_until(lambda: Path(cache, f"{digest}.new", "model.tflite").exists())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert digest not in os.listdir(cache)
    store.stop_after = None
    fetch(URI, digest, cache)
    assert os.listdir(cache) == [digest]


# ---- The server ------------------------------------------------------------------------------------


def test_the_server_serves_the_model_from_s3(
    s3: S3,
    start_server: Callable[..., Any],
    function_folder: Path,
    artifact_folder: Path,
    digest: str,
    digit_png: bytes,
    tmp_path: Path,
) -> None:
    shutil.rmtree(function_folder / "model")
    variables = {"LITESHIP_MODEL": URI, "LITESHIP_MODEL_SHA256": digest, "TMPDIR": str(tmp_path)}
    server = start_server(function_folder, **s3.environment, **variables)
    refused = httpx.get(f"{server.url}/health/ready")
    assert (refused.status_code, refused.json()["reference"]) == (503, "model-missing")
    assert httpx.get(f"{server.url}/health/live").status_code == 200
    s3.put_artifact(artifact_folder)
    wait_until(lambda: httpx.get(f"{server.url}/health/ready").status_code == 200)
    answer = httpx.post(f"{server.url}/predict", content=digit_png, headers=PNG)
    assert answer.json()["predictions"][0]["label"] == "7"
    # It keeps what it has loaded
    s3.client.delete_object(Bucket=BUCKET, Key="models/digits/1/model.tflite")
    assert httpx.post(f"{server.url}/predict", content=digit_png, headers=PNG).status_code == 200
    messages = [line["message"] for line in server.log_lines()]
    assert messages[0] == "model not ready"
    assert messages.count("model ready") == 1


def test_what_s3_says_is_for_the_log_alone(
    store: Store, start_server: Callable[..., Any], digest: str, tmp_path: Path
) -> None:
    """It names accounts, roles and addresses, and anybody can ask."""
    store.refusal = 403, "AccessDenied"
    variables = {"LITESHIP_MODEL": URI, "LITESHIP_MODEL_SHA256": digest, "TMPDIR": str(tmp_path)}
    server = start_server(**variables)
    refused = httpx.get(f"{server.url}/health/ready").json()
    assert refused["reference"] == "model-forbidden"
    assert "AccessDenied" not in str(refused)
    assert "AccessDenied" in server.log_lines()[0]["received"]


def test_the_server_waits_for_a_volume_whose_content_is_replaced(
    start_server: Callable[..., Any], artifact_folder: Path, digest: str, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    shutil.copytree(artifact_folder, volume)
    model = (volume / "model.tflite").read_bytes()
    (volume / "model.tflite").write_bytes(model[:-1] + b"x")
    variables = {"LITESHIP_MODEL": str(volume), "LITESHIP_MODEL_SHA256": digest}
    server = start_server(**variables)
    refused = httpx.get(f"{server.url}/health/ready")
    assert (refused.status_code, refused.json()["reference"]) == (503, "artifact-digest")
    (volume / "model.tflite").write_bytes(model)
    wait_until(lambda: httpx.get(f"{server.url}/health/ready").status_code == 200)


def test_the_server_refuses_the_artifact_of_another_version_on_a_volume(
    start_server: Callable[..., Any], artifact_folder: Path, tmp_path: Path
) -> None:
    variables = {"LITESHIP_MODEL": str(artifact_folder), "LITESHIP_MODEL_SHA256": "a" * 64}
    refused = httpx.get(f"{start_server(**variables).url}/health/ready").json()
    assert (refused["reference"], refused["expected"]) == ("artifact-other", f"sha256 {'a' * 64}")


def test_a_model_on_a_volume_needs_no_boto3(
    run_python: Callable[..., str], artifact_folder: Path, digest: str
) -> None:
    script = """
import sys
from app import handler
handler.require_predictor()
print(*(name in sys.modules for name in ("boto3", "liteship.runtime.model_source")))
"""
    variables = {"LITESHIP_MODEL": str(artifact_folder), "LITESHIP_MODEL_SHA256": digest}
    assert run_python(script, **variables).splitlines()[-1] == "False False"


# ---- Lambda ----------------------------------------------------------------------------------------


def test_lambda_loads_the_model_from_s3_once_it_is_there(
    s3: S3, artifact_folder: Path, digest: str, digit_png: bytes, tmp_path: Path
) -> None:
    function = load_function("digits", ROOT)
    variables = {
        "LITESHIP_MODEL": URI,
        "LITESHIP_MODEL_SHA256": digest,
        "TMPDIR": str(tmp_path),
        "AWS_ENDPOINT_URL_S3": s3.environment["AWS_ENDPOINT_URL_S3"],
    }
    event = http_event("POST", "/predict", digit_png, "image/png")
    with LambdaEmulator(function, package_for_here(function), environment=variables) as emulator:
        refused = emulator.invoke(event)
        assert refused["statusCode"] == 503
        assert json.loads(refused["body"])["reference"] == "model-missing"
        s3.put_artifact(artifact_folder)
        wait_until(lambda: emulator.invoke(event)["statusCode"] == 200)
        answer = json.loads(emulator.invoke(event)["body"])
    assert answer["predictions"][0]["label"] == "7"
    assert os.listdir(tmp_path / "liteship" / "models") == [digest]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
