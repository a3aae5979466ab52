"""The image classifier: pictures of any size, normalised as VGG16's, through all that answers."""

from __future__ import annotations

import base64
import io
import json
import math
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image, ImageDraw

from liteship import Artifact, Predictor
from liteship.deploy.local.emulator import LambdaEmulator, package_for_here
from liteship.deploy.local.events import http_event
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
SHAPES = ROOT / "functions" / "shapes"
LABELS = ("circle", "cross", "square", "star", "triangle")
GROUND, FIGURE = (30, 60, 20), (240, 170, 200)
SIDE = 300


def draw(label: str, size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """A clean picture of a shape, drawn by other code than the training's."""
    picture = Image.new("RGB", (SIDE, SIDE), GROUND)
    canvas = ImageDraw.Draw(picture)
    middle, reach = SIDE / 2, SIDE / 3
    low, high = middle - reach, middle + reach
    if label == "circle":
        canvas.ellipse((low, low, high, high), FIGURE)
    elif label == "square":
        canvas.rectangle((middle - 70, middle - 70, middle + 70, middle + 70), FIGURE)
    elif label == "cross":
        canvas.rectangle((middle - 30, low, middle + 30, high), FIGURE)
        canvas.rectangle((low, middle - 30, high, middle + 30), FIGURE)
    else:
        radii = [1, 0.4] * 5 if label == "star" else [1] * 3
        turns = [math.tau * index / len(radii) - math.pi / 2 for index in range(len(radii))]
        canvas.polygon(
            [
                (middle + reach * radius * math.cos(turn), middle + reach * radius * math.sin(turn))
                for radius, turn in zip(radii, turns, strict=True)
            ],
            FIGURE,
        )
    return picture.resize(size)


def encode(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    return Artifact.load(SHAPES / "model")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load(SHAPES / "model")


@pytest.fixture(scope="module")
def emulator() -> Iterator[LambdaEmulator]:
    function = load_function("shapes", ROOT)
    with LambdaEmulator(function, package_for_here(function)) as emulator:
        yield emulator


def best(predictor: Predictor, body: bytes, content_type: str) -> dict[str, Any]:
    predictions: Any = predictor.predict(body, content_type).fields["predictions"]
    first: dict[str, Any] = predictions[0]
    return first


def test_the_artifact_is_what_function_toml_says(artifact: Artifact) -> None:
    manifest, config = artifact.manifest, load_function("shapes", ROOT).config
    assert manifest.scheme == "int8"
    assert [spec.name for spec in manifest.inputs] == ["image"]
    assert manifest.inputs[0].item_shape == (1, 224, 224, 3)
    assert manifest.postprocessing.labels == config.output.labels == LABELS
    assert manifest.preprocessing.as_dict() == config.preprocessing().as_dict()
    assert manifest.preprocessing.color == "BGR"
    assert manifest.preprocessing.mean == (103.939, 116.779, 123.68)


def test_the_classes_of_train_py_are_in_the_order_of_the_labels() -> None:
    assert f"LABELS = {LABELS!r}".replace("'", '"') in (SHAPES / "train.py").read_text()


def test_the_accuracy_was_kept(artifact: Artifact) -> None:
    stated: Any = artifact.manifest.provenance["accuracy"]
    assert stated["samples"] == 250
    assert stated["source"] >= 0.95
    assert stated["source"] - stated["artifact"] <= stated["max_drop"] == 0.01


def test_what_is_shipped_is_a_twentieth_of_float32(artifact: Artifact) -> None:
    source: Any = artifact.manifest.provenance["source"]
    assert source["float_tflite_bytes"] > 44_000_000
    assert len(artifact.model) > 11_000_000
    assert 20 * len(zlib.compress(artifact.model, 9)) <= source["float_tflite_bytes"]


@pytest.mark.parametrize("label", LABELS)
def test_a_drawn_shape_is_recognised(predictor: Predictor, label: str) -> None:
    answer = best(predictor, encode(draw(label)), "image/png")
    assert answer["label"] == label
    assert answer["score"] > 0.5


@pytest.mark.parametrize("size", [(64, 64), (224, 224), (1500, 1400)])
def test_pictures_of_any_size_and_format_are_resized(
    predictor: Predictor, size: tuple[int, int]
) -> None:
    picture = draw("cross", size)
    bodies = [
        (encode(picture), "image/png"),
        (encode(picture, "JPEG", quality=95), "image/jpeg"),
        (encode(picture, "WEBP", lossless=True), "image/webp"),
        (encode(picture.convert("RGBA")), "image/png"),
    ]
    for body, content_type in bodies:
        assert best(predictor, body, content_type)["label"] == "cross"


def test_predict_answers_a_file(tmp_path: Path) -> None:
    path = tmp_path / "star.png"
    path.write_bytes(encode(draw("star")))
    command = [sys.executable, "-m", "liteship", "predict", "shapes", str(path), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    predictions = json.loads(done.stdout)["predictions"]
    assert predictions[0]["label"] == "star"
    assert len(predictions) == 3  # top-k


def test_http_and_lambda_give_one_answer(
    start_server: Callable[..., Any], emulator: LambdaEmulator
) -> None:
    server = start_server(SHAPES)
    picture = encode(draw("triangle"))
    as_json = json.dumps({"image": {"b64": base64.b64encode(picture).decode()}}).encode()
    answers = []
    for body, content_type in ((picture, "image/png"), (as_json, "application/json")):
        headers = {"content-type": content_type}
        response = httpx.post(f"{server.url}/predict", content=body, headers=headers, timeout=60)
        invoked = emulator.invoke(http_event("POST", "/predict", body, content_type))
        assert (response.status_code, invoked["statusCode"]) == (200, 200)
        answers += [response.json(), json.loads(invoked["body"])]
    assert answers[0]["predictions"][0]["label"] == "triangle"
    assert all(answer == answers[0] for answer in answers)


def test_a_row_of_a_table_is_no_picture(start_server: Callable[..., Any]) -> None:
    url = f"{start_server(SHAPES).url}/predict"
    response = httpx.post(url, content=b"1,2,3", headers={"content-type": "text/csv"})
    assert response.status_code == 415
    assert "csv" not in response.json()["expected"]
