"""What is printed for pasting and for programs comes out as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liteship.cli.confirmation import require_person
from liteship.cli.main import run
from liteship.cli.output import print_line, print_table
from liteship.errors import ConfigurationError

LONG = "liteship deploy digits --to knative --image registry.example.com/digits@sha256:" + "1" * 64


def test_lines_are_not_broken_and_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(f"containers[digits] [/red] {LONG}")
    assert capsys.readouterr().out == f"containers[digits] [/red] {LONG}\n"


def test_brackets_in_a_table_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("reasons", ["why"], [["denied by [policy] and [/policy]"]])
    assert "denied by [policy] and [/policy]" in capsys.readouterr().out


def test_an_errors_next_step_can_be_pasted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["kn", "digits", "--image", f"{'x' * 100} y"]) == 3
    assert f"received: '{'x' * 100} y'\n" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["kn", "deploy", "versions", "render"])
def test_help_shows_each_example_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run([command, "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    begin = lines.index("Examples:")
    assert next(filter(None, lines[begin + 1 :])).startswith(f"liteship {command}")
    assert not any(line.count("liteship ") > 1 for line in lines)


def test_a_file_that_cannot_be_written_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "functions" / "digits").mkdir(parents=True)
    source = Path("functions/digits")
    for name in ("function.toml", "app.py", "train.py"):
        (tmp_path / "functions" / "digits" / name).write_bytes((source / name).read_bytes())
    (tmp_path / "functions" / "digits" / "model").symlink_to((source / "model").resolve())
    (tmp_path / "knative").write_text("a file where a folder has to be")
    monkeypatch.chdir(tmp_path)
    assert run(["render", "--json"]) == 3
    error = json.loads(capsys.readouterr().out)
    assert error["reference"] in {"file-refused", "images-invalid"}
    assert "knative" in error["error"]


@pytest.mark.parametrize("json", [True, False])
def test_nobody_can_be_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch, *, json: bool) -> None:
    monkeypatch.setattr("sys.stdin", None)  # as with `<&-`
    with pytest.raises(ConfigurationError) as raised:
        require_person("a deployment", json=json)
    assert raised.value.reference == "confirmation-missing"
