"""`liteship kn`, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

IMAGE = f"registry.example.com/digits@sha256:{'a' * 64}"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "liteship", "kn", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_what_is_printed_can_be_pasted() -> None:
    done = run("digits", "--image", IMAGE)
    assert done.returncode == 0, done.stderr
    comments, command = done.stdout.split("kn service create digits \\\n")
    assert all(line.startswith("#") for line in comments.splitlines())
    assert "readOnlyRootFilesystem: true" in comments
    assert f"--image {IMAGE} \\\n" in command
    echo = "kn() { printf '%s\\0' kn \"$@\"; }\n"
    shell = subprocess.run(["sh", "-c", echo + done.stdout], capture_output=True, text=True, check=True)
    as_json = json.loads(run("digits", "--image", IMAGE, "--json").stdout)
    assert shell.stdout.split("\0")[:-1] == as_json["arguments"]


def test_without_an_image_it_is_the_one_of_the_rendered_files() -> None:
    words = json.loads(run("digits", "--update", "--json").stdout)["arguments"]
    assert words[:4] == ["kn", "service", "update", "digits"]
    revision = words[words.index("--revision-name") + 1]
    text = (ROOT / "knative" / "base" / "digits" / "service.yaml").read_text()
    assert f"name: {revision}\n" in text


def test_an_unknown_function_is_refused() -> None:
    done = run("digit")
    assert done.returncode == 3
    assert "function-missing" in done.stderr
