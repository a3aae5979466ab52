"""The packaged digits function under AWS's runtime interface emulator, with nothing else in reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import http_event
from liteship.errors import DeploymentError
from liteship.project import FunctionFolder, load_function

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
EVENTS = ROOT / "tests" / "data" / "events"
KEY = "incoming/zwei drei+vier/é 7.png"


@pytest.fixture(scope="module")
def function() -> FunctionFolder:
    return load_function("digits", ROOT)


@pytest.fixture(scope="module")
def emulator(function: FunctionFolder) -> Iterator[LambdaEmulator]:
    with LambdaEmulator(function, package_for_here(function)) as emulator:
        yield emulator


def test_every_http_event_form_is_answered_alike(emulator: LambdaEmulator) -> None:
    bodies = set()
    for name in ("http_v1", "http_v2", "function_url"):
        answer = emulator.invoke(json.loads((EVENTS / f"{name}.json").read_text()))
        assert answer["statusCode"] == 200
        bodies.add(answer["body"])
    assert len(bodies) == 1


@pytest.fixture(scope="module")
def bucket(digit_png: bytes) -> Iterator[tuple[str, Any]]:
    """A real S3 API's address, and its client; the picture was uploaded there."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    credentials = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **credentials)
    client.create_bucket(Bucket="liteship-uploads")
    client.put_object(Bucket="liteship-uploads", Key=KEY, Body=digit_png)
    yield address, client
    client.close()
    server.stop()


def test_every_kind_of_event_is_answered_or_refused_in_words(
    function: FunctionFolder, bucket: tuple[str, Any]
) -> None:
    address, client = bucket
    environment = {"AWS_ENDPOINT_URL_S3": address}
    with LambdaEmulator(function, package_for_here(function), environment=environment) as emulator:
        for path in sorted(EVENTS.glob("*.json")):
            event = json.loads(path.read_text())
            if path.stem == "cloudevent":  # Knative sends it, over HTTP
                with pytest.raises(DeploymentError, match="has no form that this function answers"):
                    emulator.invoke(event)
                continue
            answer = emulator.invoke(event)
            if path.stem.startswith(("http", "function")):
                assert answer["statusCode"] == 200, path
            elif path.stem == "sqs":
                assert answer == {"batchItemFailures": []}
            elif path.stem == "s3_test":
                assert answer == {"results": []}
            else:
                assert answer["results"][0]["key"] == KEY, path
                assert answer["results"][0]["result"].startswith("results/"), path
    # Three of them told of the same upload: its result was written three times, and is one object.
    found = client.list_objects_v2(Bucket="liteship-uploads", Prefix="results/")["Contents"]
    content = client.get_object(Bucket="liteship-uploads", Key=found[0]["Key"])["Body"].read()
    assert len(found) == 1
    assert json.loads(content)["predictions"][0]["label"] == "7"


def test_paths_beyond_the_short_list_reach_fastapi(emulator: LambdaEmulator) -> None:
    answer = emulator.invoke(http_event("PUT", "/predict", b"", ""))
    assert (answer["statusCode"], answer["headers"]["allow"]) == (405, "POST")
    assert json.loads(answer["body"])["reference"] == "route-unknown"


def test_a_mistake_is_an_answer_and_leaves_the_function_alive(
    emulator: LambdaEmulator, digit_png: bytes
) -> None:
    broken = emulator.invoke(http_event("POST", "/predict", digit_png[:60], "image/png"))
    assert broken["statusCode"] == 400
    assert json.loads(broken["body"])["reference"] == "image-broken"
    whole = emulator.invoke(http_event("POST", "/predict", digit_png, "image/png"))
    assert whole["statusCode"] == 200


def test_an_unknown_event_says_what_is_answered(emulator: LambdaEmulator) -> None:
    with pytest.raises(DeploymentError, match="has no form that this function answers"):
        emulator.invoke({"detail": "something else"})


def test_the_test_event_of_a_new_bucket_is_acknowledged(emulator: LambdaEmulator) -> None:
    assert emulator.invoke(json.loads((EVENTS / "s3_test.json").read_text())) == {"results": []}


def test_the_log_says_when_the_model_was_ready(emulator: LambdaEmulator) -> None:
    emulator.invoke(http_event("GET", "/health/ready", b"", ""))
    ready = next(line for line in emulator.log_lines() if line.get("message") == "model ready")
    assert ready["model"] == "digits"
    assert ready["init_ms"] > 0


def test_powertools_serves_from_the_packaged_layers(function: FunctionFolder, digit_png: bytes) -> None:
    environment = {"LITESHIP_OBSERVABILITY": "powertools"}
    with LambdaEmulator(function, package_for_here(function), environment=environment) as emulator:
        answer = emulator.invoke(http_event("POST", "/predict", digit_png, "image/png"))
        line = next(line for line in emulator.log_lines() if line.get("message") == "predicted")
    assert answer["statusCode"] == 200
    assert line["cold_start"] is True
    assert line["function_name"] == "digits"


def test_nothing_but_the_package_is_on_the_path(function: FunctionFolder) -> None:
    package = package_for_here(function)
    code = "import sys, liteship, PIL; print(liteship.__file__, PIL.__file__, *sys.path, sep='\\n')"
    found = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": os.pathsep.join(map(str, package.python_path))},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "site-packages" not in found
    assert str(package.python_path[0]) in found


def test_a_missing_emulator_says_how_to_get_it(
    function: FunctionFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LITESHIP_LAMBDA_RIE", raising=False)
    package = package_for_here(function)
    elsewhere = FunctionFolder(folder=tmp_path / "functions" / "digits", config=function.config)
    with pytest.raises(DeploymentError) as caught:
        LambdaEmulator(elsewhere, package)
    assert caught.value.reference == "emulator-missing"
    assert ".tools/sam" in caught.value.hint
