"""`sam build` of everything in template.yaml, and what was built, run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.e2e

EVENT = Path(__file__).parents[1] / "data" / "events" / "http_v2.json"
LAYERS = ("LitertLayer", "ImageLayer", "WebLayer")


@pytest.fixture(scope="module")
def built(
    base_image: str, run_sam: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """SAM's build folder, made on the local base image."""
    folder = tmp_path_factory.mktemp("sam") / "build"
    run_sam("build", f"--build-dir={folder}", f"--parameter-overrides=BaseImage={base_image}")
    return folder


def predictions(answer: str) -> Any:
    """Of the Lambda answer in the last line."""
    response = json.loads(answer.splitlines()[-1])
    assert response["statusCode"] == 200
    return json.loads(response["body"])["predictions"]


def test_the_image_function_answers_under_sam_local(built: Path, run_sam: Callable[..., str]) -> None:
    answer = run_sam(
        *("local", "invoke", "DigitsFunction", f"--template={built / 'template.yaml'}"),
        *(f"--event={EVENT}", "--skip-pull-image"),
    )
    assert predictions(answer)[0]["label"] == "7"


def test_each_layer_holds_its_own(built: Path) -> None:
    modules = {"LitertLayer": "ai_edge_litert", "ImageLayer": "PIL", "WebLayer": "fastapi"}
    assert modules.keys() == set(LAYERS)
    for layer, module in modules.items():
        assert [path.name for path in (built / layer).iterdir()] == ["python"]
        assert (built / layer / "python" / module).is_dir()


def test_the_zip_function_holds_code_and_artifact_alone(built: Path) -> None:
    entries = {path.name for path in (built / "DigitsZipFunction").iterdir()}
    assert entries - {"__pycache__"} == {"app.py", "liteship", "model"}


ANSWER = "import app, json, sys; print(json.dumps(app.handler(json.load(sys.stdin), None)))"


def test_the_zip_function_answers_on_its_python(
    built: Path, base_image: str, run_command: Callable[..., str]
) -> None:
    """As Lambda lays it out: code in /var/task, every layer's content in /opt."""
    folders = {built / "DigitsZipFunction": "/var/task"}
    folders |= {built / layer: f"/opt/{layer}" for layer in LAYERS}
    path = ["/var/task", *(f"/opt/{layer}/python" for layer in LAYERS)]
    answer = run_command(
        *("docker", "run", "--rm", "--interactive", "--read-only", "--user=65532:65532"),
        *(f"--volume={folder}:{target}:ro" for folder, target in folders.items()),
        *("--workdir=/var/task", f"--env=PYTHONPATH={':'.join(path)}", "--network=none"),
        *(base_image, "python3", "-S", "-c", ANSWER),
        stdin=EVENT.read_text(),
    )
    assert predictions(answer)[0]["label"] == "7"
