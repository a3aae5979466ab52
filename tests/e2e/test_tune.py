"""`liteship tune`: real containers in Lambda's sizes, and nothing left of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from liteship.artifact import Artifact
from liteship.deploy.local.events import http_event
from liteship.deploy.measuring.container import LambdaContainer, OutOfMemoryError, count_processors
from liteship.deploy.measuring.measure import typical_event
from liteship.deploy.measuring.tune import image_reference, tuned_image
from liteship.deploy.measuring.worst_inputs import worst_inputs
from liteship.errors import DeploymentError, PackagingError
from liteship.packaging.quotas import MIB
from liteship.project import FunctionFolder, load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "liteship", "tune", "digits")


def containers(process: int) -> list[str]:
    """What a process has started and not removed."""
    found = subprocess.run(
        ["docker", "ps", "--all", "--quiet", f"--filter=name=liteship-tune-{process}-"],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split()


def tune(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    with subprocess.Popen(
        [*COMMAND, *options],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        output, errors = process.communicate()
    assert containers(process.pid) == []
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.fixture(scope="module")
def function() -> FunctionFolder:
    return load_function("digits", ROOT)


@pytest.fixture(scope="module")
def tuned(image: str) -> dict[str, Any]:
    """Measured at two sizes, and at one that this engine has not processors enough for."""
    too_large = min(10_240, count_processors() * 1769 + 1)
    done = tune(f"--image={image}", f"--sizes=128,1024,{too_large}", "--samples=20", "--json")
    assert done.returncode == 0, done.stderr
    fields: dict[str, Any] = json.loads(done.stdout)
    return fields


def test_every_size_is_measured_or_says_why_not(tuned: dict[str, Any]) -> None:
    *measured, too_large = tuned["sizes"]
    for size in measured:
        assert 0 < size["p50_ms"] <= size["p99_ms"]
        assert size["init_p50_ms"] > 0
        # an interpreter with LiteRT and Pillow, not the emulator or the page cache with it
        assert 15 < size["peak_mib"] < 60
        assert size["usd_per_month"] > 0
        assert size["samples"] >= 20
    assert "processors" in too_large["problem"]
    assert "p50_ms" not in too_large


def test_a_smaller_share_of_a_processor_is_slower_to_start(tuned: dict[str, Any]) -> None:
    smallest, larger = tuned["sizes"][:2]
    assert smallest["init_p50_ms"] > larger["init_p50_ms"]
    assert smallest["cpus"] == pytest.approx(128 / 1769, abs=0.001)


def test_what_is_recommended_holds_the_worst_input(tuned: dict[str, Any]) -> None:
    worst_mib = tuned["assumptions"]["worst_peak_mib"]
    assert worst_mib > max(size.get("peak_mib", 0) for size in tuned["sizes"])
    assert tuned["recommended"]["memory_mib"] == 1024
    assert 128 * 0.8 < worst_mib < 1024 * 0.8
    assert len(tuned["alternatives"]) == 3


def test_people_get_a_table_and_a_recommendation(image: str) -> None:
    done = tune(f"--image={image}", "--sizes=512", "--samples=10", "--target-p99-ms=0.001")
    assert done.returncode == 0, done.stderr
    assert "USD a month" in done.stdout
    assert "No recommendation: no measured size keeps to 0.001 ms" in " ".join(done.stdout.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_removes_its_container(image: str, number: signal.Signals) -> None:
    command = [*COMMAND, f"--image={image}", "--sizes=128", "--samples=100000", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not containers(process.pid):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert b"Traceback" not in errors
    assert containers(process.pid) == []


def test_too_little_memory_is_told_from_other_failures(
    function: FunctionFolder, image: str, emulator: Path
) -> None:
    runtime = function.config.runtime
    artifact = Artifact.load(function.model_folder)
    *_, worst = worst_inputs(function.config, artifact, runtime.max_body_bytes)
    event = http_event("POST", "/predict", worst.body, worst.media_type)
    with (
        LambdaContainer(function, image, emulator, memory_mib=128) as container,
        pytest.raises(OutOfMemoryError),
    ):
        container.invoke(event)
    with LambdaContainer(function, image, emulator, memory_mib=512) as container:
        assert container.invoke(event)["statusCode"] == 200
        with pytest.raises(DeploymentError, match="has no form"):
            container.invoke({"detail": "something else"})
        assert container.peak_bytes() > 128 * MIB


def test_an_image_of_something_else_is_told(
    function: FunctionFolder, base_image: str, emulator: Path
) -> None:
    event, _ = typical_event(function)
    with (
        LambdaContainer(function, base_image, emulator, memory_mib=512) as container,
        pytest.raises(DeploymentError, match="No module named") as caught,
    ):
        container.invoke(event)
    assert caught.value.reference == "image-fails"
    assert containers(os.getpid()) == []


@pytest.fixture
def another_version(function: FunctionFolder) -> Iterator[FunctionFolder]:
    """The same function under a version that nobody built."""
    version = f"tune-{uuid.uuid4().hex[:8]}"
    config = function.config.model_copy(update={"version": version})
    copy = FunctionFolder(folder=function.folder, config=config)
    yield copy
    subprocess.run(
        ["docker", "image", "rm", "--no-prune", image_reference(copy)], capture_output=True, check=False
    )


def test_a_missing_image_is_built(
    another_version: FunctionFolder, base_image: str, run_command: Callable[..., str]
) -> None:
    reference = tuned_image(another_version, None, base_image)
    assert reference == image_reference(another_version)
    assert run_command("docker", "image", "inspect", reference)
    assert tuned_image(another_version, None, None) == reference


def test_a_stale_image_is_refused(
    another_version: FunctionFolder, base_image: str, run_command: Callable[..., str]
) -> None:
    run_command("docker", "tag", base_image, image_reference(another_version))
    with pytest.raises(PackagingError) as caught:
        tuned_image(another_version, None, base_image)
    assert caught.value.reference == "image-stale"


@pytest.mark.parametrize(
    ("options", "environment", "reference"),
    [
        (("--image=liteship/nothing:v0",), {}, "image-missing"),
        (("--sizes=64",), {}, "sizes-invalid"),
        (("--region=mars-north-1",), {}, "price-unknown"),
        ((), {"DOCKER_HOST": "tcp://127.0.0.1:1"}, "docker-unreachable"),
        ((), {"PATH": "/nonexistent"}, "docker-missing"),
        (("--image=liteship/nothing:v0",), {"LITESHIP_LAMBDA_RIE": "/nonexistent"}, "image-missing"),
    ],
)
def test_what_is_missing_is_named_at_once(
    options: tuple[str, ...], environment: dict[str, str], reference: str
) -> None:
    done = tune(*options, "--json", **environment)
    assert done.returncode in {3, 9, 11}
    assert json.loads(done.stdout)["reference"] == reference
    assert "Traceback" not in done.stderr
