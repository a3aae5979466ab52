"""S3 notifications against a real S3 API over HTTP."""

from __future__ import annotations

import json
import shutil
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from tests.conftest import ROOT

from liteship import Function
from liteship.errors import InputError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.triggers.conftest import Bucket

    Make = Callable[..., Function]

AWKWARD_KEY = "incoming/zwei drei+vier/é 7.png"
MAX_OBJECT_BYTES = 50_000


@pytest.fixture
def function(make_function: Make) -> Iterator[Function]:
    function = make_function(LITESHIP_MAX_OBJECT_BYTES=str(MAX_OBJECT_BYTES))
    yield function
    function.s3.close()


@pytest.fixture
def notify(
    function: Function, lambda_context: Callable[[], object]
) -> Callable[..., list[dict[str, Any]]]:
    """Delivers records to the function; gives what was done with each."""

    def notify(*records: dict[str, Any]) -> list[dict[str, Any]]:
        answer: Any = function({"Records": list(records)}, lambda_context())
        json.dumps(answer)  # Lambda would
        results: list[dict[str, Any]] = answer["results"]
        return results

    return notify


def test_an_object_with_an_awkward_key_is_answered(
    bucket: Bucket, notify: Any, function: Function, digit_png: bytes
) -> None:
    record = bucket.put(AWKWARD_KEY, digit_png)
    assert record["s3"]["object"]["key"] == "incoming/zwei+drei%2Bvier/%C3%A9+7.png"
    etag = record["s3"]["object"]["eTag"]
    result_key = f"results/zwei drei+vier/é 7.png.{etag}.json"
    assert notify(record) == [{"bucket": bucket.name, "key": AWKWARD_KEY, "result": result_key}]

    expected = function.require_predictor().predict(digit_png, "image/png").fields
    assert bucket.results() == {result_key: {"bucket": bucket.name, "key": AWKWARD_KEY, **expected}}
    content_type = bucket.client.head_object(Bucket=bucket.name, Key=result_key)["ContentType"]
    assert content_type == "application/json"
    assert "é" in bucket.get(result_key).decode()


def test_a_result_whose_key_would_be_too_long_gets_a_digest(
    bucket: Bucket, notify: Any, digit_png: bytes
) -> None:
    key = "incoming/" + "é" * 490  # 989 of the 1,024 bytes that a key may have
    record = bucket.put(key, digit_png)
    (first,) = notify(record)
    assert notify(record) == [first]
    (result_key,) = bucket.results()
    assert len(result_key) == len("results/") + 64 + len(".json")
    assert bucket.results()[result_key]["key"] == key


def test_delivered_twice_is_answered_once(bucket: Bucket, notify: Any, digit_png: bytes) -> None:
    record = bucket.put("incoming/7.png", digit_png)
    (first,) = notify(record)
    before = bucket.contents()
    assert notify(record, record) == [first, first]
    assert bucket.contents() == before
    assert len(before) == 2


def test_another_content_under_the_same_key_has_a_result_of_its_own(
    bucket: Bucket, notify: Any, digit_png: bytes
) -> None:
    notify(bucket.put("incoming/7.png", digit_png))
    notify(bucket.put("incoming/7.png", digit_png + b"\0"))
    assert len(bucket.results()) == 2


def test_a_result_in_a_versioned_bucket_is_named_after_the_version(
    bucket: Bucket, notify: Any, digit_png: bytes
) -> None:
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    record = bucket.put("incoming/7.png", digit_png)
    version = record["s3"]["object"]["versionId"]
    (first,) = notify(record)
    assert first["result"] == f"results/7.png.{version}.json"
    # The same content again is another version, and has another result.
    (second,) = notify(bucket.put("incoming/7.png", digit_png))
    assert first["result"] != second["result"]
    assert set(bucket.results()) == {first["result"], second["result"]}


@pytest.mark.parametrize("minor", range(10))
def test_any_event_version_2_is_accepted(
    minor: int, bucket: Bucket, notify: Any, digit_png: bytes
) -> None:
    record = bucket.put("incoming/7.png", digit_png) | {"eventVersion": f"2.{minor}"}
    (result,) = notify(record)
    assert bucket.results()[result["result"]]["predictions"][0]["label"] == "7"


@pytest.mark.parametrize("version", ["3.0", "1.0", "20.1", "", None])
def test_any_other_event_version_is_refused(
    version: str | None, bucket: Bucket, notify: Any, digit_png: bytes
) -> None:
    record = bucket.put("incoming/7.png", digit_png) | {"eventVersion": version}
    with pytest.raises(InputError) as raised:
        notify(record)
    assert raised.value.reference == "event-version"
    assert bucket.results() == {}


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"s3": None},
        {"s3": {"bucket": {"name": "b"}}},
        {"s3": {"bucket": {"name": "b"}, "object": {"key": None}}},
        {"s3": {"bucket": {"name": "b"}, "object": {"key": "%FF"}}},
        {"s3": {"bucket": {"name": "b"}, "object": {"key": "k", "size": "many"}}},
        {"s3": {"bucket": "b", "object": {"key": "k"}}},
    ],
)
def test_a_record_that_cannot_be_read_is_refused(record: dict[str, Any], notify: Any) -> None:
    with pytest.raises(InputError) as raised:
        notify({"eventSource": "aws:s3", "eventVersion": "2.1", **record})
    assert raised.value.reference == "event-invalid"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("results/7.png.0.json", "output prefix"),
        ("elsewhere/7.png", "input prefix"),
        ("incoming", "input prefix"),
        ("incoming/", "folder"),
        ("incoming/deeper/", "folder"),
    ],
)
def test_what_is_no_upload_is_ignored_with_a_warning(
    key: str,
    reason: str,
    bucket: Bucket,
    notify: Any,
    digit_png: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = bucket.put(key, digit_png)
    before = bucket.keys()
    capsys.readouterr()
    (result,) = notify(record)
    assert reason in result["ignored"]
    assert bucket.keys() == before
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (warning,) = [line for line in lines if line.get("level") == "WARNING"]
    assert (warning["message"], warning["key"]) == ("object ignored", key)
    assert warning["reason"] == result["ignored"]


def error_result(bucket: Bucket, answer: dict[str, Any]) -> dict[str, Any]:
    content = bucket.results()[answer["result"]]
    assert content["hint"]
    assert (content["bucket"], content["key"]) == (bucket.name, answer["key"])
    assert "predictions" not in content
    return content


def test_an_object_that_is_gone_has_an_error_for_a_result(bucket: Bucket, notify: Any) -> None:
    (answer,) = notify(bucket.record("incoming/gone.png"))
    content = error_result(bucket, answer)
    assert content["reference"] == "object-gone"
    assert answer["result"] == f"results/gone.png.{'0' * 32}.json"


def test_an_object_deleted_from_a_versioned_bucket_is_gone(
    bucket: Bucket, notify: Any, digit_png: bytes
) -> None:
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    record = bucket.put("incoming/7.png", digit_png)
    bucket.client.delete_object(Bucket=bucket.name, Key="incoming/7.png")
    (answer,) = notify(record)
    assert error_result(bucket, answer)["reference"] == "object-gone"
    assert record["s3"]["object"]["versionId"] in answer["result"]


def test_an_empty_object_has_an_error_for_a_result(bucket: Bucket, notify: Any) -> None:
    (answer,) = notify(bucket.put("incoming/empty.png", b""))
    assert error_result(bucket, answer)["reference"] == "object-empty"


def test_an_object_that_the_event_says_is_too_large_is_never_asked_for(
    bucket: Bucket, notify: Any
) -> None:
    # There is no such object: had it been asked for, the result would say that it is gone.
    (answer,) = notify(bucket.record("incoming/large.png", MAX_OBJECT_BYTES + 1))
    content = error_result(bucket, answer)
    assert content["reference"] == "object-too-large"
    assert content["received"] == f"{MAX_OBJECT_BYTES + 1:,} bytes"


@pytest.mark.parametrize("said", [10, 0, -5])
def test_an_event_that_lies_about_the_size_is_found_out(said: int, bucket: Bucket, notify: Any) -> None:
    record = bucket.put("incoming/large.png", bytes(MAX_OBJECT_BYTES + 1))
    record["s3"]["object"]["size"] = said
    (answer,) = notify(record)
    content = error_result(bucket, answer)
    assert content["reference"] == "object-too-large"
    assert content["received"] == f"{MAX_OBJECT_BYTES + 1:,} bytes"


def test_the_limit_itself_is_allowed(bucket: Bucket, notify: Any, digit_png: bytes) -> None:
    (answer,) = notify(bucket.put("incoming/7.png", digit_png.ljust(MAX_OBJECT_BYTES, b"\0")))
    assert "predictions" in bucket.results()[answer["result"]]


@pytest.mark.parametrize(
    ("content", "reference"),
    [
        (b"%PDF-1.7", "tensor-size"),
        (b"\x89PNG\r\n\x1a\nbroken", "image-broken"),
        (b'{"inputs": [NaN]}', "json-not-finite"),
        (b'{"inputs": {"\\ud800": 1}}', "tensor-names"),
    ],
)
def test_a_broken_object_has_an_error_for_a_result(
    content: bytes, reference: str, bucket: Bucket, notify: Any
) -> None:
    (answer,) = notify(bucket.put("incoming/7.png", content))
    assert error_result(bucket, answer)["reference"] == reference


def test_an_object_of_any_form_is_answered(
    bucket: Bucket, notify: Any, digit_png: bytes, function: Function
) -> None:
    golden = function.require_predictor().artifact.golden_inputs[0]
    inputs = json.dumps({"inputs": [[[0.0]] * 8] * 8}).encode()
    records = [
        bucket.put(f"incoming/{name}", body)
        for name, body in {"no-suffix": digit_png, "raw.png": golden, "x.json": inputs}.items()
    ]
    for answer in notify(*records):
        assert "predictions" in bucket.results()[answer["result"]]


def test_an_object_of_several_items_has_several_results(
    bucket: Bucket, function_folder: Path, lambda_context: Callable[[], Any]
) -> None:
    model = function_folder / "model"
    shutil.rmtree(model)
    shutil.copytree(ROOT / "functions" / "wine" / "model", model)
    function = Function(str(function_folder / "app.py"), environ={})
    row = ",".join(["1.5"] * 13)
    events = [
        bucket.put(f"incoming/{name}", body.encode())
        for name, body in {
            "one.csv": row,
            "two.csv": f"{row}\n{row}\n",
            "broken.csv": f"{row}\n{row[:-3]}\n",
        }.items()
    ]
    answered: Any = function({"Records": events}, lambda_context())
    one, two, broken = (bucket.results()[each["result"]] for each in answered["results"])
    assert two["results"] == [{"predictions": one["predictions"]}] * 2
    assert two["model"] == "wine"
    assert broken["reference"] == "csv-values"
    assert broken["error"].startswith("item 1: ")
    function.s3.close()


def test_an_outage_raises(
    bucket: Bucket,
    make_function: Make,
    digit_png: bytes,
    closed_port: int,
    lambda_context: Callable[[], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = bucket.put("incoming/7.png", digit_png)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{closed_port}")
    function = make_function()
    with pytest.raises(BotoCoreError):
        function({"Records": [record]}, lambda_context())
    function.s3.close()
    assert bucket.results() == {}


def test_one_record_that_fails_keeps_no_other_waiting(
    bucket: Bucket, notify: Any, digit_png: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [bucket.put(f"incoming/{number}.png", digit_png) for number in range(3)]
    records[1]["s3"]["bucket"]["name"] = "there-is-no-such-bucket"
    with pytest.raises(ClientError, match="NoSuchBucket"):
        notify(*records)
    assert [json.loads(bucket.get(key))["key"] for key in bucket.results()] == [
        "incoming/0.png",
        "incoming/2.png",
    ]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (failure,) = [line for line in lines if line.get("level") == "ERROR"]
    assert "NoSuchBucket" in failure["error"]
    # What Lambda sends again is answered into the same objects.
    records[1]["s3"]["bucket"]["name"] = bucket.name
    notify(*records)
    assert len(bucket.results()) == 3


def test_a_result_that_cannot_be_written_raises(bucket: Bucket, notify: Any, digit_png: bytes) -> None:
    record = bucket.put("incoming/7.png", digit_png)
    record["s3"]["bucket"]["name"] = "not-there"
    record["s3"]["object"]["size"] = MAX_OBJECT_BYTES + 1  # nothing is read: only the result is put
    with pytest.raises(ClientError):
        notify(record)


def test_a_function_that_is_not_ready_raises(
    bucket: Bucket,
    function_folder: Path,
    make_function: Make,
    digit_png: bytes,
    lambda_context: Callable[[], object],
) -> None:
    (function_folder / "model" / "golden.bin.zlib").write_bytes(b"")
    record = bucket.put("incoming/7.png", digit_png)
    with pytest.raises(NotReadyError):
        make_function()({"Records": [record]}, lambda_context())
    assert bucket.results() == {}


def test_prefixes_are_the_environments(
    bucket: Bucket, make_function: Make, digit_png: bytes, lambda_context: Callable[[], object]
) -> None:
    function = make_function(LITESHIP_S3_INPUT_PREFIX="up/", LITESHIP_S3_OUTPUT_PREFIX="down/")
    record = bucket.put("up/a/7.png", digit_png)
    function({"Records": [record]}, lambda_context())
    function.s3.close()
    assert bucket.keys() == [f"down/a/7.png.{record['s3']['object']['eTag']}.json", "up/a/7.png"]


def test_the_default_pipeline_answers_uploads(
    bucket: Bucket,
    make_function: Callable[..., Function],
    lambda_context: Callable[[], object],
    monkeypatch: pytest.MonkeyPatch,
    digit_png: bytes,
) -> None:
    steps = ModuleType("pipeline_of_uploads")
    steps.twice = lambda step: [(step.body, step.content_type)] * 2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, steps.__name__, steps)
    pipelines = {"pair": {"steps": [f"{steps.__name__}:twice", "digits"], "default": True}}
    function = make_function(LITESHIP_PIPELINES=json.dumps(pipelines))
    function({"Records": [bucket.put("incoming/7.png", digit_png)]}, lambda_context())
    function.s3.close()
    ((_, result),) = bucket.results().items()
    assert (result["model"], result["version"]) == ("pair", "1")
    assert [each["predictions"][0]["label"] for each in result["results"]] == ["7", "7"]
