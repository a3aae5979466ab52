"""A place that is none in S3 is refused before region and credentials are asked for."""

from __future__ import annotations

import json

import pytest

from liteship.cli.main import run


@pytest.mark.parametrize(
    "location",
    ["", "https://bucket/x", "s3://", "s3://b", "s3://Bad_Bucket!/x", "s3://bucket/x y", "image"],
)
def test_what_is_no_place_in_s3_is_refused_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    assert run(["publish", "digits", location, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["reference"] == "location-invalid"
