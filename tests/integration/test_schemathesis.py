"""schemathesis sends what the OpenAPI document allows and what it forbids; nothing may be amiss.

All its checks run, but for what `schemathesis.toml` in `tests/data` says. `schemathesis_hooks.py` there
gives it pictures and rows to send: those that it makes up itself are none, and a 400 for them is right.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from liteship.artifact import Artifact

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = shutil.which("schemathesis", path=ROOT / ".tools" / "schemathesis" / "bin")
CONFIG = f"--config-file={ROOT}/tests/data/schemathesis.toml"
FLAGS = (
    "--phases=examples,coverage,fuzzing",  # no request makes anything that a later one could use
    "--max-examples=5",
    "--seed=1",
    "--generation-database=none",
    "--no-color",
)


def samples(document: dict[str, Any], artifact: Artifact) -> dict[str, bytes]:
    """A body that works for each content type that `/predict` reads."""
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    found = {"application/octet-stream": b"".join(artifact.golden_inputs)}
    if "text/csv" in content:
        found["text/csv"] = content["text/csv"]["example"].encode()
    if "image/png" in content:
        picture = content["application/json"]["examples"]["picture"]["value"]["image"]["b64"]
        pictures = [name for name in content if name.startswith("image/")]
        found |= dict.fromkeys(pictures, base64.b64decode(picture))
    return found


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        # What is said of a model is said of each of its versions (liteship.runtime.openapi)
        ("wine", "--exclude-path-regex=/(versions|labels)/"),
        ("digits", "--include-path-regex=^/predict$"),
    ],
)
def test_nothing_is_amiss(
    name: str, paths: str, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    assert SCHEMATHESIS is not None, "make .tools/schemathesis installs it"
    folder = ROOT / "functions" / name
    url = start_server(folder).url
    document = httpx.get(f"{url}/openapi.json", trust_env=False).json()
    bodies = samples(document, Artifact.load(folder / "model"))
    encoded = {media_type: base64.b64encode(body).decode() for media_type, body in bodies.items()}
    environ = {
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(ROOT / "tests" / "data"),
        "SAMPLES": json.dumps(encoded),
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
    }
    done = subprocess.run(
        [SCHEMATHESIS, CONFIG, "run", f"{url}/openapi.json", f"--url={url}", paths, *FLAGS],
        cwd=tmp_path,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) generated, \1 passed", done.stdout), done.stdout
