from __future__ import annotations

import base64
import io
import json
import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from liteship import Artifact, Predictor
from liteship.artifact import Golden, Manifest, Postprocessing
from liteship.errors import ArtifactError, InputError, NotReadyError, PayloadTooLargeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Digits = tuple[NDArray[np.uint8], NDArray[np.int64]]


@pytest.fixture(scope="module")
def predictor(artifact_folder: Path) -> Predictor:
    return Predictor.load(artifact_folder)


def with_manifest(artifact: Artifact, **changes: Any) -> Artifact:
    fields = {name: getattr(artifact.manifest, name) for name in Manifest.__slots__}
    return Artifact(Manifest(**(fields | changes)), artifact.model, artifact.golden_inputs)


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_seven_is_a_seven(predictor: Predictor, digit_png: bytes) -> None:
    prediction = predictor.predict(digit_png, "image/png")
    assert prediction.fields.keys() == {"predictions", "model", "version"}
    predictions: Any = prediction.fields["predictions"]
    best = predictions[0]
    assert best["label"] == "7"
    assert prediction.inference.confidences == [best["score"]]
    assert best["score"] > 0.5
    scores = [each["score"] for each in predictions]
    assert len(scores) == predictor.manifest.postprocessing.top_k
    assert scores == sorted(scores, reverse=True)
    assert (prediction.fields["model"], prediction.fields["version"]) == ("digits", "1")
    assert prediction.inference.timings_ms.keys() == {"preprocess", "invoke", "postprocess"}
    json.dumps(prediction.fields, allow_nan=False)


def test_real_digits_are_recognised_as_the_manifest_says(
    predictor: Predictor, digit_images: Digits
) -> None:
    right = 0
    images, labels = digit_images
    for pixels, label in zip(images, labels, strict=True):
        best = predictor.predict(png(pixels), "image/png").fields["predictions"][0]  # type: ignore[index]
        right += best["label"] == str(label)
    # Most of these were trained on, so the share is at least the held-out one.
    accuracy: Any = predictor.manifest.provenance["accuracy"]
    assert right / len(labels) >= accuracy["artifact"]


def test_three_forms_of_one_input_give_one_answer(predictor: Predictor, digit_png: bytes) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(digit_png)))
    spec = predictor.manifest.inputs[0]
    real = (pixels / 255).reshape(spec.item_shape)
    raw = np.rint(real / spec.scale) + spec.zero_point
    answers = [
        predictor.predict(digit_png, "image/png"),
        predictor.predict(json.dumps({"inputs": real.tolist()}).encode(), "application/json"),
        predictor.predict(raw.astype(np.int8).tobytes(), "application/octet-stream"),
    ]
    assert answers[0].fields == answers[1].fields == answers[2].fields


@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
def test_activations_are_the_formulas(activation: str, artifact_folder: Path, digit_png: bytes) -> None:
    artifact = Artifact.load(artifact_folder)
    labels = artifact.manifest.postprocessing.labels
    predictor = Predictor(
        with_manifest(artifact, postprocessing=Postprocessing(activation, labels, top_k=99))
    )
    scores: Any = predictor.predict(digit_png, "image/png").fields["predictions"]
    raw = Predictor(with_manifest(artifact, postprocessing=Postprocessing(labels=[])))
    outputs: Any = raw.predict(digit_png, "image/png").fields["outputs"]
    values = np.array(outputs[0]["data"])
    expected = {
        "none": values,
        "softmax": np.exp(values) / np.exp(values).sum(),
        "sigmoid": 1 / (1 + np.exp(-values)),
    }[activation]
    assert len(scores) == len(labels)
    assert {each["label"]: each["score"] for each in scores} == pytest.approx(
        dict(zip(labels, expected.tolist(), strict=True))
    )


def test_equal_scores_keep_the_order_of_the_labels(artifact_folder: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    predictor = Predictor(
        with_manifest(artifact, postprocessing=Postprocessing("none", list("abcdefghij"), top_k=10))
    )
    inference = predictor.conclude(
        predictor.manifest, [{artifact.manifest.outputs[0].name: bytes(10)}], {}
    )
    fields = predictor.tell(inference, None, is_list=False).fields
    predictions: Any = fields["predictions"]
    assert [each["label"] for each in predictions] == list("abcdefghij")


def test_without_labels_the_tensors_are_the_answer(artifact_folder: Path, digit_png: bytes) -> None:
    artifact = with_manifest(Artifact.load(artifact_folder), postprocessing=Postprocessing(labels=[]))
    prediction = Predictor(artifact).predict(digit_png, "image/png")
    outputs: Any = prediction.fields["outputs"]
    (output,) = outputs
    assert output["shape"] == [1, 10]
    assert math.fsum(output["data"]) == pytest.approx(1, abs=0.02)
    assert prediction.inference.confidences == []


def test_hooks_replace_both_ends(artifact_folder: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    seen: list[tuple[bytes, str]] = []

    def preprocess(body: bytes, content_type: str) -> Mapping[str, bytes]:
        seen.append((body, content_type))
        return {"image": artifact.golden_inputs[0]}

    def postprocess(outputs: Mapping[str, Sequence[float]]) -> dict[str, object]:
        return {"greatest": max(outputs["output_0"])}

    predictor = Predictor(artifact, preprocess=preprocess, postprocess=postprocess)
    prediction = predictor.predict(b"anything", "text/plain")
    (spec,) = artifact.manifest.outputs
    greatest = max(np.frombuffer(artifact.manifest.golden.outputs[0], np.int8).tolist())
    assert prediction.fields == {
        "greatest": (greatest - spec.zero_point) * spec.scale,
        "model": "digits",
        "version": "1",
    }
    assert seen == [(b"anything", "text/plain")]


@pytest.mark.parametrize("backend", ["litert-c", "litert"])
def test_the_self_test_passes_on_the_committed_artifact(backend: str, artifact_folder: Path) -> None:
    Predictor.load(artifact_folder, backend=backend)


def test_a_wrong_golden_output_is_a_failed_self_test(artifact_folder: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    golden = artifact.manifest.golden
    (output,) = golden.outputs
    damaged = Golden(golden.file, [bytes([output[0] ^ 0x7F]) + output[1:]])
    with pytest.raises(NotReadyError) as raised:
        Predictor(with_manifest(artifact, golden=damaged)).warm_up()
    assert raised.value.reference == "self-test-failed"
    assert "digits" in raised.value.message


def test_rounding_of_another_processor_passes(artifact_folder: Path) -> None:
    """Two steps off is another processor's rounding, far off is not."""
    artifact = Artifact.load(artifact_folder)
    golden = artifact.manifest.golden
    output = np.frombuffer(golden.outputs[0], np.int8)
    peak = int(output.argmax())
    allowed = (int(output[peak]) + 128) // 11  # a tenth of what is left after it is subtracted
    assert allowed > 2
    for steps, passes in ((2, True), (allowed, True), (allowed + 1, False)):
        changed = output.copy()
        changed[peak] -= steps
        predictor = Predictor(with_manifest(artifact, golden=Golden(golden.file, [changed.tobytes()])))
        if passes:
            predictor.warm_up()
        else:
            with pytest.raises(NotReadyError):
                predictor.warm_up()


def test_tensors_that_the_model_does_not_have_are_refused(artifact_folder: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    (spec,) = artifact.manifest.inputs
    for field, value in (
        ("name", "picture"),
        ("dtype", "uint8"),
        ("shape", (-1, 4, 16, 1)),
        ("scale", spec.scale * 2),
        ("zero_point", 0),
    ):
        fields: dict[str, Any] = spec.as_dict() | {field: value}
        with pytest.raises(ArtifactError) as raised:
            Predictor(with_manifest(artifact, inputs=[type(spec)(**fields)])).warm_up()
        assert raised.value.reference == "tensors-differ", field
        assert raised.value.expected != raised.value.received


def test_an_input_error_leaves_the_predictor_whole(predictor: Predictor, digit_png: bytes) -> None:
    expected = predictor.predict(digit_png, "image/png").fields
    with pytest.raises(InputError):
        predictor.predict(b"x", "image/png")
    assert predictor.predict(digit_png, "image/png").fields == expected


def test_threads_never_share_an_interpreter(predictor: Predictor, digit_images: Digits) -> None:
    bodies = [png(pixels) for pixels in digit_images[0][:40]]
    expected = [predictor.predict(body, "image/png").fields for body in bodies]
    wrong: list[int] = []

    def ask(offset: int) -> None:
        for index in range(len(bodies)):
            place = (index + offset) % len(bodies)
            if predictor.predict(bodies[place], "image/png").fields != expected[place]:
                wrong.append(place)

    threads = [threading.Thread(target=ask, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 1 <= len(predictor._idle) <= len(threads) + 1


def test_several_items_are_answered_one_by_one(artifact_folder: Path, digit_png: bytes) -> None:
    predictor = Predictor.load(artifact_folder)
    (item,) = predictor.prepare(digit_png, "image/png")
    inference = predictor.infer(lambda: [item, item, item])
    assert inference.outputs == [predictor.run(item)] * 3
    assert (inference.model, inference.version) == ("digits", "1")
    assert len(inference.confidences) == 3


@pytest.mark.parametrize(
    ("batching", "says", "sizes"),
    [
        (None, 1, [1] * 7),
        (None, 4, [4, 3]),
        (1, 4, [1] * 7),  # off
        (3, 1, [3, 3, 1]),
        (99, 1, [7]),
    ],
)
def test_a_run_has_as_many_items_as_the_setting_or_else_the_artifact_says(
    artifact_folder: Path, digit_png: bytes, batching: int | None, says: int, sizes: list[int]
) -> None:
    artifact = with_manifest(Artifact.load(artifact_folder), batching=says)
    predictor = Predictor(artifact, batching=batching)
    predictor.warm_up()
    (first,) = predictor.prepare(digit_png, "image/png")
    pixels = first["image"]
    items = [{"image": pixels[turn:] + pixels[:turn]} for turn in range(7)]
    expected = [predictor.run(item) for item in items]
    (interpreter,) = predictor._idle
    found: list[int] = []
    invoke = interpreter.invoke

    def count(inputs: Mapping[str, bytes], items: int = 1) -> dict[str, bytes]:
        found.append(items)
        return invoke(inputs, items)

    interpreter.invoke = count  # type: ignore[method-assign]
    assert predictor.infer(lambda: items).outputs == expected
    assert found == sizes


def test_a_back_end_of_one_item_is_given_one(artifact_folder: Path, digit_png: bytes) -> None:
    predictor = Predictor(Artifact.load(artifact_folder), backend="litert", batching=4)
    (item,) = predictor.prepare(digit_png, "image/png")
    assert predictor.infer(lambda: [item, item]).outputs == [predictor.run(item)] * 2


def test_more_workers_than_cpus_share_runs_and_get_their_own_answers(
    artifact_folder: Path, digit_images: Digits
) -> None:
    predictor = Predictor(Artifact.load(artifact_folder), batching=8, workers=16)
    alone = Predictor.load(artifact_folder)
    bodies = [png(pixels) for pixels in digit_images[0][:64]]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda body: predictor.predict(body, "image/png").fields, bodies))
    assert found == [alone.predict(body, "image/png").fields for body in bodies]


def test_a_predictor_that_is_dropped_is_gone_at_once(artifact_folder: Path) -> None:
    """No cycle holds it until the garbage collector comes: its memory is another model's."""
    predictor = Predictor(Artifact.load(artifact_folder), batching=8, workers=2)
    predictor.warm_up()
    gone = weakref.ref(predictor)
    del predictor
    assert gone() is None


def test_a_batch_has_its_limit(artifact_folder: Path) -> None:
    predictor = Predictor(Artifact.load(artifact_folder), max_batch=2)
    item = dict(zip(["image"], predictor.artifact.golden_inputs, strict=True))
    assert len(predictor.infer(lambda: [item] * 2).outputs) == 2
    with pytest.raises(PayloadTooLargeError) as caught:
        predictor.infer(lambda: [item] * 3)
    assert caught.value.reference == "batch-too-large"


def test_top_is_how_many_labels_are_answered(artifact_folder: Path, digit_png: bytes) -> None:
    predictor = Predictor.load(artifact_folder)
    for top, expected in ((None, 3), (1, 1), (10, 10), (999_999_999, 10)):
        predictions: Any = predictor.predict(digit_png, "image/png", top).fields["predictions"]
        assert len(predictions) == expected
        assert predictions[0]["label"] == "7"


def test_several_items_are_results_and_a_list_of_one_is_too(
    artifact_folder: Path, digit_png: bytes
) -> None:
    predictor = Predictor.load(artifact_folder)
    one = predictor.predict(digit_png, "image/png").fields
    item = {"predictions": one["predictions"]}
    identity = {"model": "digits", "version": "1"}
    encoded = {"b64": base64.b64encode(digit_png).decode()}
    for count in (1, 3):
        body = json.dumps({"images": [encoded] * count}).encode()
        answer = predictor.predict(body, "application/json").fields
        assert answer == {"results": [item] * count, **identity}
    (tensors,) = predictor.prepare(digit_png, "image/png")
    raw = predictor.predict(tensors["image"] * 2, "application/octet-stream").fields
    assert raw == {"results": [item] * 2, **identity}
    assert predictor.predict(tensors["image"], "application/octet-stream").fields == one


def test_a_preprocess_of_the_functions_own_gives_one_item(artifact_folder: Path) -> None:
    artifact = Artifact.load(artifact_folder)
    asked = []

    def preprocess(body: bytes, content_type: str) -> dict[str, bytes]:
        asked.append((body, content_type))
        return {"image": artifact.golden_inputs[0]}

    predictor = Predictor(artifact, preprocess=preprocess)
    form = "multipart/form-data; boundary=b"
    assert "predictions" in predictor.predict(b"--b", form).fields
    assert asked == [(b"--b", form)]
