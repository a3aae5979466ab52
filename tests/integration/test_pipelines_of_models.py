"""Models of a repository that answer as one, as a server and as a Lambda function."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.conftest import DIGITS, ROOT, copy_version

from liteship import Function
from liteship.packaging.bundle import bundle
from liteship.project import read_config
from liteship.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Server

PIPELINES = """
[models]
memory_mib = 1

[models.labels.features]
canary = "1"

[pipelines.both]
steps = ["features", "classifier"]

[pipelines.labelled]
steps = ["features@canary", "classifier/1"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("functions") / "digits"
    folder.mkdir()
    shutil.copy(DIGITS / "app.py", folder)
    text = (DIGITS / "function.toml").read_text()
    (folder / "function.toml").write_text(f"{text}\n{PIPELINES}")
    copy_version(DIGITS / "model", folder / "model" / "digits" / "1")
    for name in ("features", "classifier"):
        shutil.copytree(ROOT / "tests" / "data" / "pipeline" / name, folder / "model" / name)
    return folder


def test_models_of_a_repository_answer_as_one(
    folder: Path, start_server: Callable[..., Server], digit_png: bytes, tmp_path: Path
) -> None:
    environment = read_config(folder / "function.toml").environment()
    bundle(folder, tmp_path / "packed", "3.99")  # every step is there
    server = start_server(folder, **environment)
    for name in ("both", "labelled"):
        answer = httpx.post(
            f"{server.url}/predict?model={name}",
            content=digit_png,
            headers={"content-type": "image/png"},
        )
        assert answer.status_code == 200, answer.text
        content: Any = answer.json()
        assert (content["model"], content["version"]) == (name, "1")
        assert content["predictions"][0]["label"] == "7"
        assert "features;dur=" in answer.headers["server-timing"]
    function = Function(str(folder / "app.py"), environ=environment)
    assert function.predictor_for("both").predict(digit_png, "image/png").fields["model"] == "both"
    assert function.served.versions("both") == ["1"]
    assert function.served.refusal("both") is None
    assert (
        json.loads(environment["LITESHIP_PIPELINES"]).keys() == Settings(environment).pipelines.keys()
    )
