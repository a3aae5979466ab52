"""What `[lambda]`, `[knative]` and `[triggers.s3]` allow; the other sections: test_project."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from liteship.config import FunctionConfig, KnativeSection, LambdaSection, S3Trigger
from liteship.errors import ConfigurationError
from liteship.runtime.settings import Settings

CONFIG: dict[str, Any] = {
    "name": "wine",
    "version": "1",
    "model": {"source": "wine.keras", "calibration": "calibration.npz"},
    "input": {"kind": "tensor"},
}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"snap_start": True, "provisioned_concurrency": 1}, "exclude each other"),
        ({"snap_start": True, "tmp_mib": 1024}, "snap_start needs tmp_mib 512, not 1024"),
        (
            {"reserved_concurrency": 2, "provisioned_concurrency": 3},
            "3 is above reserved_concurrency 2",
        ),
        ({"rollout": "canary 20%/5m"}, "all-at-once"),
        ({"log_retention_days": 31}, "30"),
        ({"tmp_mib": 511}, "512"),
        ({"tags": {"aws:team": "ml"}}, "tags may not begin with aws:"),
        ({"tags": {"team": "a\nb"}}, "pattern"),
        ({"alarms": {"low_confidence_share": 0}}, "greater than 0"),
        ({"alarms": {"p99": 1}}, "Extra inputs"),
    ],
)
def test_settings_that_lambda_would_refuse_are_refused_here(
    settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        LambdaSection.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"min_scale": 3, "max_scale": 2}, "min_scale 3 is above max_scale 2"),
        ({"cpu_request": 2.0, "cpu_limit": 1.5}, "cpu_request 2.0 is above cpu_limit 1.5"),
        ({"cpu_limit": 0.05, "cpu_request": 0.05}, "0.1"),
        ({"container_concurrency": 2}, "is not what cpu_limit 1.0 runs at once: 1"),
        (
            {"container_concurrency": 3, "cpu_limit": 3.9, "target": 4},
            "4 is above container_concurrency 3",
        ),
        ({"container_concurrency": 1, "cpu_limit": 2}, "is not what cpu_limit 2.0 runs at once: 2"),
        ({"target_utilization_percent": 101}, "100"),
        ({"window_s": 5}, "6"),
        ({"window_s": 3601}, "3600"),
        ({"retention_s": -1}, "0"),
        ({"visibility": "private"}, "cluster-local"),
    ],
)
def test_settings_that_knative_would_refuse_are_refused_here(
    settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        KnativeSection.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "visibility"),
    [
        ({}, "public"),
        ({"triggers": {"s3": {}}}, "cluster-local"),
        ({"triggers": {"s3": {}}, "knative": {"min_scale": 1}}, "cluster-local"),
        ({"triggers": {"s3": {}}, "knative": {"visibility": "public"}}, "public"),
        ({"knative": {"visibility": "cluster-local"}}, "cluster-local"),
    ],
)
def test_events_are_not_for_everybody_to_send(settings: dict[str, Any], visibility: str) -> None:
    assert FunctionConfig.model_validate(CONFIG | settings).knative.visibility == visibility


@pytest.mark.parametrize(("cpu_limit", "at_once"), [(0.25, 1), (1.0, 1), (1.9, 1), (2, 2), (3.5, 3)])
def test_a_pod_takes_as_many_requests_as_its_processors_run(cpu_limit: float, at_once: int) -> None:
    section = KnativeSection.model_validate({"cpu_limit": cpu_limit, "cpu_request": 0.1})
    assert section.container_concurrency == section.target == at_once


def test_a_memory_request_is_within_the_limit() -> None:
    settings = {"runtime": {"memory_mib": 256}, "knative": {"memory_request_mib": 257}}
    with pytest.raises(ValidationError, match=r"257 is above runtime\.memory_mib 256"):
        FunctionConfig.model_validate(CONFIG | settings)


@pytest.mark.parametrize("prefix", ["", "in*/", "in?/", "${AWS::Region}/", "in\n/"])
def test_a_prefix_is_no_pattern(prefix: str) -> None:
    with pytest.raises(ValidationError, match="input_prefix"):
        S3Trigger.model_validate({"input_prefix": prefix})


def test_prefixes_may_hold_what_people_write() -> None:
    assert S3Trigger.model_validate({"input_prefix": "Eingänge 1/"}).input_prefix == "Eingänge 1/"


@pytest.mark.parametrize("bucket", ["UPPER", "a", "-a-b", "a_b"])
def test_a_bucket_has_a_name_that_s3_allows(bucket: str) -> None:
    with pytest.raises(ValidationError, match="bucket"):
        S3Trigger.model_validate({"bucket": bucket})


def test_the_threshold_of_low_confidence_reaches_the_runtime() -> None:
    config = FunctionConfig.model_validate(CONFIG | {"output": {"low_confidence": 0.75}})
    assert Settings(config.environment()).low_confidence == 0.75
    assert FunctionConfig.model_validate(CONFIG).environment() == {}


@pytest.mark.parametrize("text", ["nan", "-0.1", "1.5", "half"])
def test_a_threshold_is_a_share(text: str) -> None:
    with pytest.raises(ConfigurationError, match="LITESHIP_LOW_CONFIDENCE"):
        Settings({"LITESHIP_LOW_CONFIDENCE": text})


@pytest.mark.parametrize(
    ("name", "logical_id"), [("digits", "Digits"), ("my-model-2", "MyModel2"), ("a", "A")]
)
def test_resources_are_named_after_the_function(name: str, logical_id: str) -> None:
    assert FunctionConfig.model_validate(CONFIG | {"name": name}).logical_id == logical_id


@pytest.mark.parametrize(
    "location",
    [
        *(
            "",
            "Image",
            "models",
            "s3://",
            "s3://b",
            "s3://Bucket/m",
            "s3://bucket/",
            "s3://bucket/a//b",
        ),
        *("s3://bucket/a b", "s3://bucket/../x", "/", "/mnt", "/mnt/", "/opt/models", "/mnt/../etc"),
        *("/mnt/a\n", "file:///mnt/models"),
    ],
)
def test_a_location_that_is_none_is_refused(location: str) -> None:
    with pytest.raises(ValidationError, match=r"model\.location"):
        FunctionConfig.model_validate(with_location(location, {"volume_claim": "models"}))


@pytest.mark.parametrize(
    ("location", "knative", "problem"),
    [
        ("/mnt/models", None, "volume_claim must name what is mounted at model.location /mnt/models"),
        ("/mnt/models", {"secret": "aws"}, "volume_claim must name"),
        ("image", {"volume_claim": "models"}, "not for image"),
        ("s3://bucket", {"volume_claim": "models"}, "not for s3://bucket"),
        ("image", {"secret": "No"}, "knative.secret"),
        ("image", {"service_account": "a_b"}, "knative.service_account"),
        ("/mnt/m", {"volume_claim": "a" * 64}, "knative.volume_claim"),
    ],
)
def test_a_volume_belongs_to_a_mounted_model(
    location: str, knative: dict[str, Any] | None, problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        FunctionConfig.model_validate(with_location(location, knative))


def test_the_model_is_in_the_image_by_default() -> None:
    assert FunctionConfig.model_validate(CONFIG).located_model() is None


def with_location(location: str, knative: dict[str, Any] | None) -> dict[str, Any]:
    model = CONFIG["model"] | {"location": location}
    return CONFIG | {"model": model} | ({} if knative is None else {"knative": knative})


def test_pipelines_reach_the_runtime() -> None:
    pipelines = {
        "page": {"steps": ["detector@stable", "app:crop", "wine"], "default": True},
        "both": {"steps": ["scaler/2", "wine"]},
    }
    config = FunctionConfig.model_validate(CONFIG | {"pipelines": pipelines})
    environment = config.environment()
    assert environment["LITESHIP_PIPELINES"] == json.dumps(pipelines, separators=(",", ":"))
    assert Settings(environment).pipelines["page"].is_default


@pytest.mark.parametrize(
    ("pipelines", "problems"),
    [
        (
            {"page": {"steps": ["No", "app:crop"]}, "both": {"steps": ["a"], "other": 1}},
            ["'No' is not MODEL", "the last step must be a model", "Extra inputs"],
        ),
        ({"page": {"steps": []}}, ["at least 1 item"]),
        ({"page": {"steps": ["a"] * 33}}, ["at most 32 items"]),
        ({"page": {}}, ["Field required"]),
        ({"Page": {"steps": ["a"]}}, ["pattern"]),
        ({"wine": {"steps": ["a"]}}, ["pipeline wine has the name of the function's own model"]),
        ({"a": {"steps": ["b"]}, "b": {"steps": ["wine"]}}, ["step b of a is a pipeline"]),
        (
            {name: {"steps": ["wine"], "default": True} for name in "ab"},
            ["only one pipeline can be the default, not a and b"],
        ),
    ],
)
def test_pipelines_that_cannot_answer_are_refused(pipelines: Any, problems: list[str]) -> None:
    with pytest.raises(ValidationError) as raised:
        FunctionConfig.model_validate(CONFIG | {"pipelines": pipelines})
    for problem in problems:
        assert problem in str(raised.value)


def test_several_models_are_carried_to_the_runtime() -> None:
    models = {"labels": {"wine": {"stable": "1"}}, "memory_mib": 64, "control": True}
    environment = FunctionConfig.model_validate(CONFIG | {"models": models}).environment()
    setting = Settings(environment).models
    assert setting is not None
    assert (setting.name, setting.version, setting.labels) == ("wine", "1", models["labels"])
    assert (setting.memory_mib, setting.control) == (64, True)
    bare = FunctionConfig.model_validate(CONFIG | {"models": {}}).environment()
    assert bare == {"LITESHIP_MODELS": '{"name":"wine","version":"1"}'}
    assert "LITESHIP_MODELS" not in FunctionConfig.model_validate(CONFIG).environment()


@pytest.mark.parametrize(
    ("models", "problem"),
    [
        ({"memory_mib": 0}, "greater than or equal to 1"),
        ({"memory_mib": "64"}, "valid integer"),
        ({"control": 1}, "valid boolean"),
        ({"labels": {"wine": {"stable": 1}}}, "valid string"),
        ({"labels": {"wine": "1"}}, "valid dictionary"),
        ({"labels": {"../wine": {"stable": "1"}}}, "pattern"),
        ({"labels": {"wine": {"a b": "1"}}}, "pattern"),
        ({"labels": {"wine": {"stable": ".1"}}}, "pattern"),
        ({"labels": {"wine": {"stable": "1\n"}}}, "pattern"),
        ({"more": 1}, "Extra inputs"),
    ],
)
def test_what_several_models_may_say(models: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        FunctionConfig.model_validate(CONFIG | {"models": models})


def test_several_models_are_in_the_image() -> None:
    model = CONFIG["model"] | {"location": "s3://bucket/models"}
    with pytest.raises(ValidationError, match=r"several models need model\.location"):
        FunctionConfig.model_validate(CONFIG | {"model": model, "models": {}})


@pytest.mark.parametrize(
    ("runtime", "environment", "batching", "threads"),
    [
        ({}, {}, None, 1),
        ({"batching": "auto", "threads": 1}, {}, None, 1),
        ({"batching": "off"}, {"LITESHIP_BATCHING": "off"}, 1, 1),
        (
            {"batching": 16, "threads": 2},
            {"LITESHIP_BATCHING": "16", "LITESHIP_THREADS": "2"},
            16,
            2,
        ),
    ],
)
def test_batching_and_threads_reach_the_runtime(
    runtime: dict[str, Any], environment: dict[str, str], batching: int | None, threads: int
) -> None:
    config = FunctionConfig.model_validate(CONFIG | {"runtime": runtime})
    assert config.environment() == environment
    settings = Settings(environment)
    assert (settings.batching, settings.threads) == (batching, threads)


@pytest.mark.parametrize(
    "runtime",
    [{"batching": 1}, {"batching": 1025}, {"batching": "on"}, {"threads": 0}, {"threads": 65}],
)
def test_other_batching_and_threads_are_refused(runtime: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FunctionConfig.model_validate(CONFIG | {"runtime": runtime})
