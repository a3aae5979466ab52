"""Where a function may be on a cluster, the next step says how to name that."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from liteship.cli.main import run
from liteship.cli.platforms import place, with_cluster_hint
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from pathlib import Path

ELSEWHERE = "; where it is on a cluster: --on knative or --on kubernetes"


def hint(reference: str, *arguments: str) -> str:
    error = DeploymentError(reference, "it is not there", hint="set AWS_REGION")
    return with_cluster_hint(error, arguments).hint


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("command", ["versions", "traffic", "promote", "rollback", "logs", "delete"])
def test_a_kubeconfig_makes_a_cluster_likely(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    assert hint("region-missing", command, "digits") == "set AWS_REGION"
    (home / ".kube").mkdir()
    (home / ".kube" / "config").touch()
    assert hint("region-missing", command, "digits") == f"set AWS_REGION{ELSEWHERE}"
    monkeypatch.setenv("KUBECONFIG", "elsewhere")
    assert hint("stack-missing", command, "digits") == f"set AWS_REGION{ELSEWHERE}"


def test_who_chose_lambda_is_told_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "elsewhere")
    for words in (["versions", "--on", "lambda"], ["logs", "--on=lambda"], ["publish", "digits"]):
        assert hint("region-missing", *words) == "set AWS_REGION"
    assert hint("access-denied", "versions", "digits") == "set AWS_REGION"


def test_the_next_command_names_the_same_place() -> None:
    assert place(None, None) == ""
    assert place("models", "kind-kind") == " --namespace models --context kind-kind"


@pytest.mark.parametrize("platform", ["knative", "lambda"])
def test_rollback_takes_no_platform_for_a_version(
    capsys: pytest.CaptureFixture[str], platform: str
) -> None:
    assert run(["rollback", "digits", "--to", platform, "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["hint"] == f"liteship rollback digits --on {platform}"


def test_a_canary_that_nobody_watches_has_no_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["canary", "digits", "v3", "--max-errors", "1%", "--max-p99-ms", "0", "--json"]
    assert run(words) == 3
    error = json.loads(capsys.readouterr().out)
    assert error["reference"] == "option-unused"
    assert error["error"].startswith("--max-errors, --max-p99-ms: ")
