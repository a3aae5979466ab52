"""What `liteship bench --write` changes of a function.toml, and what it leaves."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from liteship.config.writing import write_runtime
from liteship.errors import ConfigurationError

VALUES: dict[str, int | str] = {"threads": 2, "batching": 16}
FUNCTIONS = Path(__file__).parents[2] / "functions"


def written(text: str, path: Path, values: dict[str, int | str] = VALUES) -> str:
    path.write_text(text, encoding="utf-8")
    write_runtime(path, values)
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["digits", "shapes", "wine"])
def test_two_lines_more_and_every_other_line_as_it_was(name: str, tmp_path: Path) -> None:
    text = (FUNCTIONS / name / "function.toml").read_text(encoding="utf-8")
    changed = written(text, tmp_path / "function.toml")
    lines = changed.splitlines()
    assert [line for line in lines if line not in {"threads = 2", "batching = 16"}] == text.splitlines()
    assert len(lines) == len(text.splitlines()) + 2
    assert tomllib.loads(changed)["runtime"] == tomllib.loads(text)["runtime"] | VALUES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[runtime]\nthreads = 1 # one\n", "[runtime]\nthreads = 2 # one\nbatching = 16\n"),
        (
            '[runtime] # where\n  batching="off"#ever\n\n# next\n[lambda]\nthreads = 9\n',
            "[runtime] # where\n  batching=16#ever\nthreads = 2\n\n# next\n[lambda]\nthreads = 9\n",
        ),
        ("a = 1\n", "a = 1\n\n[runtime]\nthreads = 2\nbatching = 16\n"),
        ("[runtime]", "[runtime]\nthreads = 2\nbatching = 16\n"),
    ],
)
def test_keys_are_set_where_they_are_or_added(text: str, expected: str, tmp_path: Path) -> None:
    changed = written(text, tmp_path / "function.toml")
    if "lambda" in text:  # the same file again is the same file
        assert written(changed, tmp_path / "function.toml") == changed
        assert tomllib.loads(changed)["lambda"] == {"threads": 9}
        assert changed == expected
    assert changed == expected


def test_words_are_written_as_toml_has_them(tmp_path: Path) -> None:
    changed = written("[runtime]\n", tmp_path / "function.toml", {"batching": "off"})
    assert changed == '[runtime]\nbatching = "off"\n'


@pytest.mark.parametrize(
    "text",
    [
        "runtime = { memory_mib = 256 }\n",
        "runtime.memory_mib = 256\n",
        '[runtime]\n"threads" = 1\n',
        'a = """\n[runtime]\n"""\n',
    ],
)
def test_what_is_written_otherwise_is_left_to_a_person(text: str, tmp_path: Path) -> None:
    path = tmp_path / "function.toml"
    with pytest.raises(ConfigurationError) as caught:
        written(text, path)
    assert caught.value.reference == "function-toml-unusual"
    assert "threads = 2, batching = 16" in str(caught.value.hint)
    assert path.read_text(encoding="utf-8") == text
