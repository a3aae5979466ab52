"""The one option whose value may be left out, and options of the other platform."""

from __future__ import annotations

import json

import pytest

from liteship.cli.deploy import spelled_out
from liteship.cli.main import run


def test_a_dry_run_without_a_value_gets_an_empty_one() -> None:
    words = ["deploy", "digits", "--dry-run", "--to", "lambda"]
    assert spelled_out(words) == ["deploy", "digits", "--dry-run=", "--to", "lambda"]
    words[2] = "--dry-run=server"
    assert spelled_out(words) == words
    assert spelled_out(["demo", "--dry-run"]) == ["demo", "--dry-run"]
    assert spelled_out([]) == []


def test_another_value_is_no_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", "digits", "--to", "knative", "--dry-run=both"]) == 2
    assert "client or server" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("platform", "arguments", "named"),
    [
        ("lambda", ["--dry-run=server"], "--dry-run=server"),
        ("lambda", ["-o", "yaml"], "--output"),
        ("lambda", ["--no-traffic"], "--no-traffic"),
        ("lambda", ["--ingress", "http://127.0.0.1:31080"], "--ingress"),
        ("knative", ["--stage", "prod"], "--stage"),
        ("knative", ["--requests-per-month", "5"], "--requests-per-month"),
        ("kubernetes", ["--no-traffic"], "--no-traffic"),
    ],
)
def test_options_of_another_platform_are_refused(
    capsys: pytest.CaptureFixture[str], platform: str, arguments: list[str], named: str
) -> None:
    assert run(["deploy", "digits", "--to", platform, *arguments, "--json"]) == 3
    error = json.loads(capsys.readouterr().out)
    assert error["reference"] == "option-unused"
    assert named in error["error"]


def test_an_ingress_of_the_environment_is_no_option_of_lambdas(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITESHIP_INGRESS", "http://127.0.0.1:31080")
    assert run(["deploy", "nobody", "--to", "lambda", "--dry-run", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["reference"] == "function-missing"
