"""The gate on the packaged digits function, measured under the emulator."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from liteship.deploy.local import emulator
from liteship.deploy.local.emulator import package_for_here
from liteship.deploy.measuring.gate import MEASURED, gate
from liteship.deploy.measuring.measure import measure
from liteship.deploy.measuring.object_server import ObjectServer
from liteship.errors import DeploymentError
from liteship.packaging.quotas import MIB
from liteship.project import FunctionFolder, load_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.packaging.package import Package

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def digits() -> Callable[..., FunctionFolder]:
    """The digits function with other settings in `[runtime]`, and a trigger less where asked."""

    def make(*, s3: bool = True, **runtime: Any) -> FunctionFolder:
        function = load_function("digits", ROOT)
        config = function.config
        update: dict[str, Any] = {"runtime": config.runtime.model_copy(update=runtime)}
        if not s3:
            update["triggers"] = config.triggers.model_copy(update={"s3": None})
        return FunctionFolder(folder=function.folder, config=config.model_copy(update=update))

    return make


@pytest.fixture(scope="module")
def package(digits: Callable[..., FunctionFolder]) -> Package:
    """What all of these run: settings travel in the environment."""
    return package_for_here(digits())


def test_more_pixels_take_more_memory_and_more_time(
    digits: Callable[..., FunctionFolder], package: Package
) -> None:
    limits = {"max_body_bytes": MIB, "max_object_bytes": MIB}
    small = measure(digits(s3=False, max_pixels=250_000, **limits), package)
    large = measure(digits(s3=False, max_pixels=4_000_000, **limits), package)
    # four bytes a pixel are the least that a decoded colour picture takes
    assert large.peak_bytes - small.peak_bytes > 4 * (4_000_000 - 250_000)
    assert large.request_ms > small.request_ms
    assert "2,000 x 2,000 pixels" in large.largest
    assert 0 < large.init_ms < 10_000
    assert large.typical_ms < large.request_ms
    assert 100 < large.answer_bytes < MIB


def test_an_upload_is_measured_through_boto3(
    digits: Callable[..., FunctionFolder], package: Package
) -> None:
    limits = {"max_pixels": 250_000, "max_body_bytes": MIB}
    without = measure(digits(s3=False, **limits), package)
    with_s3 = measure(digits(max_object_bytes=16 * MIB, **limits), package)
    assert with_s3.peak_bytes - without.peak_bytes > 16 * MIB
    assert with_s3.largest.endswith("from S3")


def test_the_gate_measures_what_it_counts(digits: Callable[..., FunctionFolder]) -> None:
    checks = {check.name: check for check in gate(digits(s3=False, max_pixels=250_000))}
    assert set(MEASURED) <= checks.keys()
    assert [name for name, check in checks.items() if not check.ok] == []
    assert "pixels" in checks["peak-memory"].basis
    counted = {check.name for check in gate(digits(), measured=False)}
    assert counted.isdisjoint(MEASURED)
    assert {"http-payload", "python", "glibc", "input-memory", "s3-event"} <= counted


def test_too_little_memory_for_the_largest_picture_is_refused(
    digits: Callable[..., FunctionFolder],
) -> None:
    """Seven million pixels fit into 128 MiB by count, and do not in fact."""
    checks = {
        check.name: check for check in gate(digits(s3=False, memory_mib=128, max_pixels=7_000_000))
    }
    assert checks["input-memory"].ok
    assert not checks["peak-memory"].ok
    assert "memory_mib" in checks["peak-memory"].hint


def test_what_cannot_fit_is_not_measured(digits: Callable[..., FunctionFolder]) -> None:
    checks = {check.name: check for check in gate(digits(max_pixels=10**9))}
    assert not checks["input-memory"].ok
    assert {checks[name].value for name in MEASURED} == {"not measured"}


def test_without_the_emulator_the_next_step_is_named(
    digits: Callable[..., FunctionFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LITESHIP_LAMBDA_RIE", raising=False)
    monkeypatch.setattr(emulator, "_RIE", "nowhere/aws-lambda-rie-{machine}")
    checks = {check.name: check for check in gate(digits(s3=False))}
    for name in MEASURED:
        assert checks[name].ok
        assert checks[name].verdict == "note"
        assert "make .tools/sam" in checks[name].note


def test_a_function_that_does_not_start_is_not_measured(
    digits: Callable[..., FunctionFolder], package: Package
) -> None:
    with pytest.raises(DeploymentError, match="LITESHIP_MAX_BODY_BYTES"):
        measure(digits(max_body_bytes=0), package)


def test_the_object_server_speaks_with_boto3() -> None:
    with ObjectServer() as server:
        server.body = b"picture"
        client = boto3.client(
            "s3",
            endpoint_url=server.url,
            region_name="eu-west-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",  # noqa: S106  # no secret
        )
        assert client.get_object(Bucket="measured", Key="a b")["Body"].read() == b"picture"
        client.put_object(Bucket="measured", Key="result", Body=b"x" * MIB)
        address = server.url
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=5)  # noqa: S310  # ours
