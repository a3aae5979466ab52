"""Sets keys of a `function.toml` and leaves everything else as it is, comments included."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from liteship.errors import ConfigurationError
from liteship.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TABLE = re.compile(r"\s*\[")


def write_runtime(path: Path, values: Mapping[str, int | str]) -> None:
    """Sets keys of `[runtime]`, which is added where it is missing.

    Args:
        path: The file.
        values: By key.

    Raises:
        ConfigurationError: `function-toml-unusual` where `runtime` is not a table of lines.
    """
    text = path.read_text(encoding="utf-8")
    wanted = tomllib.loads(text)
    wanted["runtime"] = wanted.get("runtime", {}) | values
    changed = _with_lines(text, {key: _toml(value) for key, value in values.items()})
    if _parsed(changed) != wanted:
        lines = ", ".join(f"{key} = {_toml(value)}" for key, value in values.items())
        raise ConfigurationError(
            "function-toml-unusual",
            f"{path} is written in a way that only a person can change",
            expected="a table [runtime] with one key a line",
            hint=f"set in it yourself: {lines}",
        )
    replace_file(path, changed.encode())


def _with_lines(text: str, values: Mapping[str, str]) -> str:
    lines = text.rstrip("\n").split("\n")
    start = next((at for at, line in enumerate(lines) if re.match(r"\s*\[runtime\]", line)), None)
    if start is None:
        lines += ["", "[runtime]"]
        start = len(lines) - 1
    for key, value in values.items():
        end = next((at for at in range(start + 1, len(lines)) if _TABLE.match(lines[at])), len(lines))
        given = re.compile(rf"(\s*{key}\s*=\s*)[^#]*?(\s*#.*)?$")
        for at in range(start + 1, end):
            if match := given.match(lines[at]):
                lines[at] = f"{match[1]}{value}{match[2] or ''}"
                break
        else:
            # Comments at the end belong to the next table
            last = max(at for at in range(start, end) if lines[at].strip()[:1] not in {"", "#"})
            lines.insert(last + 1, f"{key} = {value}")
    return "\n".join(lines) + "\n"


def _toml(value: int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _parsed(text: str) -> object:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
