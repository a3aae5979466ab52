from __future__ import annotations

import io
import json
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from liteship import Artifact, PipelineInput, Predictor
from liteship.errors import (
    ConfigurationError,
    InputError,
    NotFoundError,
    NotReadyError,
    PayloadTooLargeError,
    UnsupportedMediaError,
)
from liteship.runtime.pipeline import Pipeline, build_pipeline
from liteship.runtime.pipeline_steps import declare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]
    Build = Callable[..., Pipeline]

ARTIFACTS = Path(__file__).parents[2] / "data" / "pipeline"
CODE = "pipeline_test_code"


@pytest.fixture(scope="module")
def models(artifact_folder: Path) -> dict[str, Predictor]:
    """Features of a digit, a classifier of features, and the digits function's model."""
    folders = [ARTIFACTS / "features" / "1", ARTIFACTS / "classifier" / "1", artifact_folder]
    loaded = map(Predictor.load, folders)
    return {each.manifest.name: each for each in loaded}


@pytest.fixture
def code() -> Iterator[ModuleType]:
    """A module that a test puts steps into."""
    module = ModuleType(CODE)
    sys.modules[CODE] = module
    yield module
    del sys.modules[CODE]


@pytest.fixture
def build(models: dict[str, Predictor]) -> Build:
    def make(
        *steps: str, max_batch: int = 8, max_pixels: int = 10_000, **others: Predictor
    ) -> Pipeline:
        problems: list[str] = []
        declared = declare({"joined": {"steps": [*steps]}}, problems)
        assert problems == []

        def find(name: str, version: str, label: str) -> Predictor:
            found = (models | others).get(name)
            if found is None or version not in {"", "1"} or label:
                raise NotFoundError("model-unknown", f"no model {name}", hint="name another")
            return found

        limits = {"max_batch": max_batch, "max_pixels": max_pixels}
        return build_pipeline("joined", "7", declared["joined"], find, **limits)

    return make


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def labels(prediction: Any) -> list[str]:
    fields = prediction.fields
    return [each["predictions"][0]["label"] for each in fields.get("results", [fields])]


def test_two_models_recognise_real_digits(build: Build, digit_images: Digits) -> None:
    pipeline = build("features", "classifier")
    images, classes = digit_images
    right = 0
    for pixels, label in zip(images[::3], classes[::3], strict=True):
        (best,) = labels(pipeline.predict(png(pixels), "image/png"))
        right += best == str(label)
    assert right / len(images[::3]) > 0.98


def test_it_answers_as_a_model_does(build: Build, digit_png: bytes) -> None:
    prediction = build("features", "classifier").predict(digit_png, "image/png")
    predictions: Any = prediction.fields["predictions"]
    assert predictions[0]["label"] == "7"
    assert (prediction.fields["model"], prediction.fields["version"]) == ("joined", "7")
    inference = prediction.inference
    assert (inference.model, inference.version) == ("joined", "7")
    assert inference.confidences == [predictions[0]["score"]]
    assert [*inference.timings_ms] == ["preprocess", "features", "classifier", "invoke", "postprocess"]
    timings = inference.timings_ms
    assert timings["invoke"] == pytest.approx(timings["features"] + timings["classifier"])
    json.dumps(prediction.fields, allow_nan=False)


def test_it_is_the_models_by_hand(build: Build, models: dict[str, Predictor], digit_png: bytes) -> None:
    features, classifier = models["features"], models["classifier"]
    (tensors,) = features.prepare(digit_png, "image/png")
    real = np.array(features.invoke(tensors)["features"])
    spec = classifier.manifest.inputs[0]
    quantized = np.clip(np.rint(real / spec.scale) + spec.zero_point, -128, 127).astype(np.int8)
    expected = classifier.run({"features": quantized.tobytes()})
    pipeline = build("features", "classifier")
    assert pipeline.run(tensors) == expected
    assert pipeline.prepare(digit_png, "image/png") == [tensors]
    assert pipeline.infer(lambda: [tensors, tensors]).outputs == [expected, expected]
    outputs = pipeline.read(expected)
    assert outputs == classifier.read(expected)
    assert pipeline.scores(outputs) == classifier.scores(outputs)
    assert pipeline.hooks == []


def test_the_manifest_has_the_inputs_of_the_first_and_the_outputs_of_the_last(
    build: Build, models: dict[str, Predictor]
) -> None:
    manifest = build("features/1", "classifier").manifest
    first, last = models["features"].manifest, models["classifier"].manifest
    assert (manifest.name, manifest.version, manifest.scheme) == ("joined", "7", "int8")
    assert (manifest.inputs, manifest.preprocessing) == (first.inputs, first.preprocessing)
    assert (manifest.outputs, manifest.postprocessing) == (last.outputs, last.postprocessing)
    assert manifest.size_bytes == first.size_bytes + last.size_bytes
    assert manifest.is_batched
    assert len(manifest.sha256) == 64
    steps: Any = json.loads(manifest.to_json())["provenance"]["pipeline"]
    assert [step["model"] for step in steps] == ["features", "classifier"]
    assert steps[0]["sha256"] == first.sha256
    assert build("features", f"{CODE}:step", "features").manifest.sha256 != manifest.sha256


def test_several_items_are_answered_each(build: Build, models: dict[str, Predictor]) -> None:
    pipeline = build("features", "classifier", max_batch=2)
    golden = models["features"].artifact.golden_inputs[0]
    one = pipeline.run({"image": golden})
    other = pipeline.run({"image": golden[::-1]})
    assert one != other
    inference = pipeline.infer(lambda: [{"image": golden}, {"image": golden[::-1]}])
    assert inference.outputs == [one, other]
    assert len(inference.confidences) == 2
    with pytest.raises(PayloadTooLargeError) as raised:
        pipeline.infer(lambda: [{"image": golden}] * 3)
    assert raised.value.reference == "batch-too-large"


def test_models_that_do_not_fit_are_told_when_it_is_built(build: Build) -> None:
    with pytest.raises(NotReadyError) as raised:
        build("digits", "features", "digits", "classifier")
    assert raised.value.reference == "pipeline-invalid"
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "output output_0 int8 [?×10] of digits to input image int8 [?×8×8×1] of features",
        "output features int8 [?×32] of features to input image int8 [?×8×8×1] of digits",
        "output output_0 int8 [?×10] of digits to input features int8 [?×32] of classifier",
    ]


def test_models_that_are_not_there_are_told_all(build: Build) -> None:
    with pytest.raises(NotReadyError) as raised:
        build("none", "features@canary", f"{CODE}:step", "classifier/2")
    assert raised.value.problems == (
        "step none: no model none",
        "step features@canary: no model features",
        "step classifier/2: no model classifier",
    )


def test_a_step_in_python_gives_as_many_items_as_it_finds(
    build: Build, code: Any, digit_images: Digits
) -> None:
    images, classes = digit_images
    seen: list[PipelineInput] = []

    def crop(step: PipelineInput) -> list[tuple[bytes, str]]:
        seen.append(step)
        page = step.picture("L")
        boxes = [(left, 0, left + 8, 8) for left in range(0, page.width, 8)]
        return [(png(np.asarray(page.crop(box))), "image/png") for box in boxes]

    code.crop = crop
    pipeline = build(f"{CODE}:crop", "features", "classifier")
    for count in (5, 1):
        page = png(np.hstack(list(images[:count])))
        prediction = pipeline.predict(page, "image/png")
        assert labels(prediction) == [str(label) for label in classes[:count]]
        assert len(prediction.inference.confidences) == count
        results: Any = prediction.fields["results"]  # a list, also of one
        assert len(results) == count
        assert (seen[-1].body, seen[-1].content_type, seen[-1].outputs) == (page, "image/png", {})
        assert [*prediction.inference.timings_ms] == [
            *("preprocess", "crop", "features", "classifier", "invoke", "postprocess")
        ]
    assert pipeline.manifest.provenance["pipeline"][0] == {"code": f"{CODE}:crop"}  # type: ignore[index]


def test_nothing_found_is_an_empty_answer(build: Build, code: Any) -> None:
    code.nothing = lambda _: []
    prediction = build(f"{CODE}:nothing", "features", "classifier").predict(b"x", "text/plain")
    assert prediction.fields == {"results": [], "model": "joined", "version": "7"}
    assert prediction.inference.outputs == []
    assert prediction.inference.confidences == []


def test_a_step_between_models_sees_the_item_and_the_real_outputs(
    build: Build, code: Any, models: dict[str, Predictor], digit_png: bytes
) -> None:
    seen: list[PipelineInput] = []

    def between(step: PipelineInput) -> list[tuple[bytes, str]]:
        seen.append(step)
        body = json.dumps({"inputs": [step.outputs["features"]]}).encode()
        return [(body, "application/json")]

    code.between = between
    joined = build("features", "classifier").predict(digit_png, "image/png")
    prediction = build("features", f"{CODE}:between", "classifier").predict(digit_png, "image/png")
    assert prediction.fields["results"] == [{"predictions": joined.fields["predictions"]}]
    (step,) = seen
    assert (step.body, step.content_type) == (digit_png, "image/png")
    (tensors,) = models["features"].prepare(digit_png, "image/png")
    assert step.outputs == models["features"].invoke(tensors)


def test_a_second_step_sees_what_the_first_one_gave(
    build: Build, code: Any, digit_images: Digits
) -> None:
    pictures = [png(pixels) for pixels in digit_images[0][:3]]
    seen: list[bytes] = []

    def again(step: PipelineInput) -> list[tuple[bytes, str]]:
        seen.append(step.body)
        assert len(step.outputs["logits"]) == 10
        return [(step.body, step.content_type)] * 2

    code.cut = lambda _: [(picture, "image/png") for picture in pictures]
    code.again = again
    steps = (f"{CODE}:cut", "features", "classifier", f"{CODE}:again", "digits")
    prediction = build(*steps).predict(b"page", "text/plain")
    assert seen == pictures
    assert labels(prediction) == ["0", "0", "1", "1", "2", "2"]
    with pytest.raises(PayloadTooLargeError):
        build(*steps, max_batch=5).predict(b"page", "text/plain")


def test_an_endless_step_is_stopped_before_its_items_are_decoded(build: Build, code: Any) -> None:
    code.many = lambda _: [(b"not decoded", "image/png")] * 9
    with pytest.raises(PayloadTooLargeError) as raised:
        build(f"{CODE}:many", "digits").predict(b"x", "")
    assert (raised.value.reference, raised.value.received) == ("batch-too-large", "9")


def test_what_a_step_gives_is_decoded_as_what_callers_send(build: Build, code: Any) -> None:
    code.bad = lambda _: [(b"not a picture", "text/plain")]
    with pytest.raises(UnsupportedMediaError) as raised:
        build(f"{CODE}:bad", "digits").predict(b"x", "")
    assert raised.value.reference == "media-type-unsupported"


@pytest.mark.parametrize(
    "given", [None, "text", (b"x", "y"), [b"x"], [("x", "y")], [(b"x",)], [(b"x", None)]]
)
def test_a_step_that_gives_anything_else_is_the_functions_mistake(
    build: Build, code: Any, given: object
) -> None:
    code.odd = lambda _: given
    with pytest.raises(ConfigurationError) as raised:
        build(f"{CODE}:odd", "digits").predict(b"x", "")
    assert raised.value.reference == "pipeline-code"


def test_a_step_that_is_not_there_is_the_functions_mistake(build: Build, code: Any) -> None:
    code.number = 7
    for name in ("gone", "number"):
        with pytest.raises(ConfigurationError) as raised:
            build(f"{CODE}:{name}", "digits").predict(b"x", "")
        assert raised.value.reference == "pipeline-code"


def test_what_a_step_raises_passes(build: Build, code: Any) -> None:
    def refuse(step: PipelineInput) -> list[tuple[bytes, str]]:
        raise InputError("odd", "no", hint="send another")

    code.refuse = refuse
    code.fail = lambda step: step.nothing
    with pytest.raises(InputError, match="no"):
        build(f"{CODE}:refuse", "digits").predict(b"x", "")
    with pytest.raises(AttributeError):
        build(f"{CODE}:fail", "digits").predict(b"x", "")


def test_pictures_are_read_with_care(build: Build, code: Any, digit_png: bytes) -> None:
    code.read = lambda step: [(png(np.asarray(step.picture("L"))), "image/png")]
    pipeline = build(f"{CODE}:read", "digits", max_pixels=64)
    assert labels(pipeline.predict(digit_png, "image/png")) == ["7"]
    large = png(np.zeros((8, 9), np.uint8))
    for body, reference in ((large, "image-too-large"), (b"x", "image-format"), (b"", "image-format")):
        with pytest.raises(InputError) as raised:
            pipeline.predict(body, "image/png")
        assert raised.value.reference == reference
    step = PipelineInput(digit_png, "image/png", {}, 64)
    assert (step.picture().mode, step.picture().size) == ("RGB", (8, 8))


def test_steps_in_python_take_no_tensors(build: Build, digit_png: bytes) -> None:
    pipeline = build("features", f"{CODE}:step", "classifier")
    attempts: list[Callable[[], object]] = [
        lambda: pipeline.infer(lambda: [{"image": bytes(64)}]),
        lambda: pipeline.run({"image": bytes(64)}),
        lambda: pipeline.prepare(digit_png, "image/png"),
    ]
    for attempt in attempts:
        with pytest.raises(UnsupportedMediaError) as raised:
            attempt()
        assert raised.value.reference == "pipeline-bodies"
        assert "/predict?model=joined" in raised.value.hint


def test_a_step_in_python_takes_one_item_a_request(
    build: Build, models: dict[str, Predictor], code: Any
) -> None:
    class Several(Predictor):
        """A model to whom a body is several items."""

        def prepare(self, body: bytes, content_type: str) -> list[dict[str, bytes]]:
            del body, content_type
            return [{"image": bytes(64)}] * 2

    several = Several(models["features"].artifact)
    code.step = lambda _: []
    with pytest.raises(InputError) as raised:
        build("several", f"{CODE}:step", "digits", several=several).predict(b"x", "")
    assert raised.value.reference == "pipeline-items"
    prediction = build("several", "classifier", several=several).predict(b"x", "")
    results: Any = prediction.fields["results"]
    assert len(results) == 2


def test_the_functions_own_hooks_act_where_its_model_reads_or_answers(
    build: Build, code: Any, models: dict[str, Predictor], digit_png: bytes
) -> None:
    artifact = models["digits"].artifact
    golden = {"image": artifact.golden_inputs[0]}
    hooked = Predictor(
        artifact,
        preprocess=lambda *_: golden,
        postprocess=lambda outputs: {"greatest": max(outputs["output_0"])},
    )
    code.step = lambda _: [(b"for the hook alone", "text/plain")]
    pipeline = build("features", f"{CODE}:step", "hooked", hooked=hooked)
    assert pipeline.hooks == ["preprocess", "postprocess"]
    results: Any = pipeline.predict(digit_png, "image/png").fields["results"]
    assert [each.keys() for each in results] == [{"greatest"}]
    assert build("hooked", f"{CODE}:step", "features", hooked=hooked).hooks == ["preprocess"]
    assert build("features", "classifier", hooked=hooked).hooks == []


def test_the_same_model_twice_is_timed_as_one(build: Build, code: Any, digit_png: bytes) -> None:
    code.step = lambda step: [(step.body, step.content_type)]
    timings = (
        build("digits", f"{CODE}:step", "digits").predict(digit_png, "image/png").inference.timings_ms
    )
    assert [*timings] == ["preprocess", "digits", "step", "invoke", "postprocess"]
    assert timings["invoke"] == pytest.approx(timings["digits"])


def test_threads_get_their_own_answers(build: Build, code: Any, digit_images: Digits) -> None:
    code.step = lambda step: [(step.body, step.content_type)]
    pipelines = [build("features", "classifier"), build(f"{CODE}:step", "features", "classifier")]
    bodies = [png(pixels) for pixels in digit_images[0][:30]]
    expected = [[each.predict(body, "image/png").fields for body in bodies] for each in pipelines]
    wrong: list[int] = []

    def ask(offset: int) -> None:
        for index in range(len(bodies)):
            place = (index + 7 * offset) % len(bodies)
            fields = pipelines[offset % 2].predict(bodies[place], "image/png").fields
            if fields != expected[offset % 2][place]:
                wrong.append(place)

    threads = [threading.Thread(target=ask, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_artifacts_are_whole() -> None:
    for folder in sorted(ARTIFACTS.glob("*/*")):
        manifest = Artifact.load(folder).manifest
        assert (manifest.name, manifest.version) == (folder.parent.name, folder.name)
