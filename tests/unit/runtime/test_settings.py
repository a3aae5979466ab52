from __future__ import annotations

import pytest

from liteship.errors import ConfigurationError
from liteship.runtime import settings as module
from liteship.runtime.server import GRACEFUL_SHUTDOWN_S
from liteship.runtime.settings import Settings, prefixes_overlap


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        Settings(environ)
    assert raised.value.reference == "environment-invalid"
    return raised.value.problems


def test_every_setting_has_a_default() -> None:
    settings = Settings({})
    assert settings.backend == "litert-c"
    assert settings.observability == "lean"
    assert settings.max_body_bytes == module.MAX_BODY_BYTES
    assert settings.max_object_bytes == module.MAX_OBJECT_BYTES
    assert settings.max_pixels == module.MAX_PIXELS
    assert (settings.input_prefix, settings.output_prefix) == ("incoming/", "results/")
    assert (settings.port, settings.workers, settings.queue) == (8080, None, None)
    assert settings.drain_s == module.DRAIN_S
    assert (settings.batching, settings.threads) == (None, 1)
    assert (settings.model, settings.model_sha256) == ("", "")


def test_an_empty_number_or_choice_is_the_default() -> None:
    settings = Settings({"PORT": "", "LITESHIP_BACKEND": "", "LITESHIP_OBSERVABILITY": ""})
    assert (settings.port, settings.backend, settings.observability) == (8080, "litert-c", "lean")


def test_the_environment_decides() -> None:
    settings = Settings(
        {
            "LITESHIP_BACKEND": "litert",
            "LITESHIP_MAX_BODY_BYTES": "1",
            "LITESHIP_MAX_OBJECT_BYTES": "2",
            "LITESHIP_MAX_PIXELS": "3",
            "LITESHIP_OBSERVABILITY": "powertools",
            "LITESHIP_S3_INPUT_PREFIX": "in/",
            "LITESHIP_S3_OUTPUT_PREFIX": "out/",
            "LITESHIP_WORKERS": "4",
            "LITESHIP_QUEUE": "0",
            "LITESHIP_DRAIN_S": "0",
            "PORT": "65535",
        }
    )
    assert (settings.max_body_bytes, settings.max_object_bytes, settings.max_pixels) == (1, 2, 3)
    assert (settings.workers, settings.port) == (4, 65535)
    assert (settings.queue, settings.drain_s) == (0, 0)
    assert (settings.input_prefix, settings.output_prefix) == ("in/", "out/")
    assert (settings.backend, settings.observability) == ("litert", "powertools")


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "1e3", "many", " 8", "٣", "9" * 5000])
@pytest.mark.parametrize("name", ["PORT", "LITESHIP_WORKERS", "LITESHIP_MAX_BODY_BYTES"])
def test_a_number_is_whole_and_above_zero(name: str, text: str) -> None:
    (problem,) = problems(**{name: text})
    assert problem.startswith(f"{name}: expected a whole number")


def test_a_port_is_a_port() -> None:
    (problem,) = problems(PORT="65536")
    assert problem.startswith("PORT: expected a whole number")
    assert "65535" in problem


def test_draining_ends_before_the_grace_period_does() -> None:
    assert Settings({"LITESHIP_DRAIN_S": str(module.MOST_DRAIN_S)}).drain_s < GRACEFUL_SHUTDOWN_S
    (problem,) = problems(LITESHIP_DRAIN_S=str(module.MOST_DRAIN_S + 1))
    allowed = f"a whole number from 0 to {module.MOST_DRAIN_S}"
    assert problem.startswith(f"LITESHIP_DRAIN_S: expected {allowed}")


def test_every_problem_is_told_at_once() -> None:
    found = problems(
        LITESHIP_BACKEND="onnx",
        LITESHIP_OBSERVABILITY="loud",
        LITESHIP_MAX_PIXELS="lots",
        LITESHIP_S3_INPUT_PREFIX="x/",
        LITESHIP_S3_OUTPUT_PREFIX="x/y/",
    )
    assert len(found) == 4
    assert "expected one of litert-c, litert, tflite-runtime, received 'onnx'" in found[0]
    assert "overlap" in found[-1]


@pytest.mark.parametrize("name", ["LITESHIP_S3_INPUT_PREFIX", "LITESHIP_S3_OUTPUT_PREFIX"])
def test_an_empty_prefix_overlaps_with_every_other(name: str) -> None:
    (problem,) = problems(**{name: ""})
    assert "overlap" in problem


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [("a/", "b/", False), ("a/", "a/", True), ("a/", "a/b", True), ("a", "ab/", True), ("", "", True)],
)
def test_overlap_is_symmetric(first: str, second: str, overlap: bool) -> None:
    assert prefixes_overlap(first, second) == prefixes_overlap(second, first) == overlap


def test_a_model_in_another_place() -> None:
    place, digest = "s3://bucket/models/digits/3", "a1" * 32
    settings = Settings(
        {"LITESHIP_MODEL": place, "LITESHIP_MODEL_SHA256": digest, "TMPDIR": "/scratch"}
    )
    assert (settings.model, settings.model_sha256) == (place, digest)
    assert settings.model_cache == "/scratch/liteship/models"
    assert Settings({"LITESHIP_MODEL": "/mnt/models/digits/3"}).model_sha256 == ""


@pytest.mark.parametrize(
    ("place", "digest", "problem"),
    [
        ("models/digits", "", "expected s3://BUCKET/KEY or a whole path, received 'models/digits'"),
        ("s3://bucket", "a" * 64, "expected s3://BUCKET/KEY"),
        ("s3:///key", "a" * 64, "expected s3://BUCKET/KEY"),
        ("s3://bucket/key", "", "loaded by its digest alone"),
        ("/mnt/models", "a" * 63, "expected 64 hexadecimal digits"),
        ("", "G" * 64, "expected 64 hexadecimal digits"),
    ],
)
def test_a_place_that_holds_no_model_is_refused(place: str, digest: str, problem: str) -> None:
    (told,) = problems(LITESHIP_MODEL=place, LITESHIP_MODEL_SHA256=digest)
    assert problem in told


@pytest.mark.parametrize(
    "place",
    [
        {"LITESHIP_S3_INPUT_PREFIX": "in/"},
        {"LITESHIP_MODEL": "s3://b/k", "LITESHIP_MODEL_SHA256": "a" * 64},
    ],
)
@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIASECRET\n"),
        ("AWS_SECRET_ACCESS_KEY", " secret"),
        ("AWS_SESSION_TOKEN", "secret\nsecret"),
        ("AWS_ENDPOINT_URL_S3", "http://user:secret@minio:9000"),
    ],
)
def test_credentials_that_cannot_be_sent_are_told_and_not_shown(
    place: dict[str, str], name: str, secret: str
) -> None:
    """botocore's own error quotes them, and it would stand in the log."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(place | {name: secret})
    assert name in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "AKIA" not in str(caught.value)
    Settings({name: secret})  # of no use here


@pytest.mark.parametrize(
    ("text", "items"), [("", None), ("auto", None), ("off", 1), ("1", 1), ("32", 32), ("1024", 1024)]
)
def test_batching_is_a_word_or_a_number(text: str, items: int | None) -> None:
    assert Settings({"LITESHIP_BATCHING": text}).batching == items


@pytest.mark.parametrize("name", ["LITESHIP_BATCHING", "LITESHIP_THREADS"])
@pytest.mark.parametrize("text", ["0", "on", "-1", "1025", "2.5"])
def test_other_batching_and_threads_are_refused(name: str, text: str) -> None:
    (told,) = problems(**{name: text})
    assert name in told
    assert repr(text) in told
