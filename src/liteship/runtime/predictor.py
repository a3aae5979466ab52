"""Preprocess → invoke → postprocess. Knows no HTTP and no cloud.

The conversion measures accuracy through this very code, so what is measured is what is deployed.
"""

from __future__ import annotations

import math
from time import perf_counter

from liteship.artifact.folder import Artifact
from liteship.artifact.tensors import real_numbers
from liteship.errors import ArtifactError
from liteship.quantization import sigmoid, softmax
from liteship.runtime.codecs import Listed, decode, require_batch_size
from liteship.runtime.interpreter import create_interpreter
from liteship.runtime.self_test import require_golden_answer
from liteship.runtime.settings import MAX_BATCH, MAX_PIXELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from liteship.runtime.interpreter import Interpreter

    Preprocess = Callable[[bytes, str], Mapping[str, bytes]]
    """Body and content type in; each input tensor's bytes by name out."""
    Postprocess = Callable[[Mapping[str, Sequence[float]]], dict[str, object]]
    """Real outputs by name in; the answer's fields out."""


class Inference:
    """What the model made of one request's items, and what logs and metrics are told of it.

    Args:
        model: Its name.
        version: Its version.
        outputs: Each item's output tensors: their bytes by name, as the model gives them.
        timings_ms: Milliseconds spent in `preprocess` and `invoke`; whoever forms the answer adds
            `postprocess`.
        confidences: Best score of each item; empty where the model does not classify.
    """

    __slots__ = ("confidences", "model", "outputs", "timings_ms", "version")

    def __init__(
        self,
        model: str,
        version: str,
        outputs: list[dict[str, bytes]],
        timings_ms: dict[str, float],
        confidences: list[float],
    ) -> None:
        self.model = model
        self.version = version
        self.outputs = outputs
        self.timings_ms = timings_ms
        self.confidences = confidences


class Prediction:
    """One answer of liteship's own protocol.

    Args:
        fields: JSON-ready: `predictions` or `outputs`, or `results` with these of each item; then
            `model` and `version`.
        inference: What it was made of.
    """

    __slots__ = ("fields", "inference")

    def __init__(self, fields: dict[str, object], inference: Inference) -> None:
        self.fields = fields
        self.inference = inference


class Predictor:
    """A loaded model.

    May be called by several threads at once: each call borrows an interpreter of its own, and a
    new one is made when all are in use. The caller bounds how many calls run at once.

    Args:
        artifact: The verified model.
        backend: One of `interpreter.BACKENDS`.
        max_pixels: Largest picture to decode.
        max_batch: Most items of one request.
        preprocess: Replaces the manifest's preprocessing.
        postprocess: Replaces the manifest's postprocessing.
    """

    takes_tensors = True
    """Whether protocols of tensors can ask it."""

    def __init__(
        self,
        artifact: Artifact,
        *,
        backend: str = "litert-c",
        max_pixels: int = MAX_PIXELS,
        max_batch: int = MAX_BATCH,
        preprocess: Preprocess | None = None,
        postprocess: Postprocess | None = None,
    ) -> None:
        self.artifact = artifact
        self.manifest = artifact.manifest
        self._backend = backend
        self._max_pixels = max_pixels
        self._max_batch = max_batch
        self._preprocess = preprocess
        self._postprocess = postprocess
        self._idle: list[Interpreter] = []  # append and pop are atomic

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, backend: str = "litert-c") -> Predictor:
        """Reads, verifies and warms up the model in an artifact folder.

        Raises:
            ArtifactError: The artifact cannot be used.
            NotReadyError: The runtime cannot run it, or runs it wrongly.
        """
        predictor = cls(Artifact.load(folder), backend=backend)
        predictor.warm_up()
        return predictor

    def warm_up(self) -> None:
        """Runs the golden input and compares: the first inference, and the self-test.

        Raises:
            NotReadyError: `self-test-failed` if the outputs are not the golden ones.
            ArtifactError: `tensors-differ` if the model is not what the manifest says.
        """
        interpreter = self._borrow()
        require_golden_answer(interpreter, self.artifact, self._backend)
        self._idle.append(interpreter)

    def predict(self, body: bytes, content_type: str, top: int | None = None) -> Prediction:
        """Answers one request.

        Args:
            body: Pictures, raw tensors, JSON, CSV or a form; see `liteship.runtime.codecs`.
            content_type: Which of these it is.
            top: Labels in each answer, the best ones; None for as many as the manifest says.

        Raises:
            InputError: The body is not what this model takes.
        """
        items: list[dict[str, bytes]] = []

        def prepare() -> list[dict[str, bytes]]:
            nonlocal items
            items = self.prepare(body, content_type)
            return items

        inference = self.infer(prepare)
        start = perf_counter()
        identity: dict[str, object] = {"model": inference.model, "version": inference.version}
        answers = [self.answer(outputs, top) for outputs in inference.outputs]
        is_one = len(answers) == 1 and not isinstance(items, Listed)
        fields: dict[str, object] = answers[0] if is_one else {"results": answers}
        inference.timings_ms["postprocess"] = (perf_counter() - start) * 1e3
        return Prediction(fields | identity, inference)

    def prepare(self, body: bytes, content_type: str) -> list[dict[str, bytes]]:
        """Each item's input tensors, their bytes by name, from what a caller sent; as `predict`."""
        if self._preprocess is not None:
            return [dict(self._preprocess(body, content_type))]
        return decode(body, content_type, self.manifest, self._max_pixels, self._max_batch)

    def infer(self, prepare: Callable[[], Sequence[Mapping[str, bytes]]]) -> Inference:
        """Runs the model on each item of one request.

        Args:
            prepare: Gives each item's input tensors: their bytes by name.

        Raises:
            InputError: `batch-empty`.
            PayloadTooLargeError: `batch-too-large`.
            ArtifactError: `output-not-finite`.
        """
        start = perf_counter()
        items = prepare()
        require_batch_size(len(items), self._max_batch)
        prepared = perf_counter()
        outputs = [self.run(item) for item in items]
        timings_ms = {
            "preprocess": (prepared - start) * 1e3,
            "invoke": (perf_counter() - prepared) * 1e3,
        }
        confidences = self.confidences(outputs)
        manifest = self.manifest
        return Inference(manifest.name, manifest.version, outputs, timings_ms, confidences)

    def invoke(self, tensors: Mapping[str, bytes]) -> dict[str, list[float]]:
        """Runs the model once.

        Args:
            tensors: Each input tensor's bytes by name.

        Returns:
            Each output tensor's elements as real numbers, row-major, by name.

        Raises:
            ArtifactError: `output-not-finite`.
        """
        return self.read(self.run(tensors))

    def read(self, tensors: Mapping[str, bytes]) -> dict[str, list[float]]:
        """Each output tensor's elements as real numbers, row-major, by name.

        Args:
            tensors: What `run` gives.

        Raises:
            ArtifactError: `output-not-finite`.
        """
        outputs = {spec.name: real_numbers(tensors[spec.name], spec) for spec in self.manifest.outputs}
        for name, values in outputs.items():
            if not all(map(math.isfinite, values)):
                raise ArtifactError(
                    "output-not-finite",
                    f"model {self.manifest.name} gave NaN or infinity at output {name}",
                    hint="look at the input that did it; the model may divide by zero",
                )
        return outputs

    def run(self, tensors: Mapping[str, bytes]) -> dict[str, bytes]:
        """Runs the model once.

        Args:
            tensors: Each input tensor's bytes by name.

        Returns:
            Each output tensor's bytes by name, as the model gives them.
        """
        interpreter = self._borrow()
        outputs = interpreter.invoke(tensors)
        self._idle.append(interpreter)
        return outputs

    @property
    def example(self) -> list[bytes] | None:
        """Input tensors that it answers, in the model's order; None where it reads other bodies."""
        return self.artifact.golden_inputs if self._preprocess is None else None

    @property
    def hooks(self) -> list[str]:
        """The steps that the function replaced: of `preprocess` and `postprocess`."""
        steps = {"preprocess": self._preprocess, "postprocess": self._postprocess}
        return [name for name, hook in steps.items() if hook is not None]

    def scores(self, outputs: Mapping[str, Sequence[float]]) -> list[float]:
        """The score of each label, from the real outputs of a model that classifies."""
        values = outputs[self.manifest.outputs[0].name]
        activation = self.manifest.postprocessing.activation
        if activation == "softmax":
            return softmax(values)
        return sigmoid(values) if activation == "sigmoid" else list(values)

    def confidences(self, outputs: Sequence[Mapping[str, bytes]]) -> list[float]:
        """Best score of each item; none where the model does not classify.

        Args:
            outputs: What `run` gives for each item.

        Raises:
            ArtifactError: `output-not-finite`.
        """
        real = [self.read(each) for each in outputs]
        return [max(self.scores(each)) for each in real] if self.manifest.postprocessing.labels else []

    def _borrow(self) -> Interpreter:
        try:
            return self._idle.pop()
        except IndexError:
            return create_interpreter(self.artifact.model, self._backend)

    def answer(self, tensors: Mapping[str, bytes], top: int | None = None) -> dict[str, object]:
        """One item's fields of the answer, JSON-ready.

        Args:
            tensors: What `run` gives.
            top: As in `predict`.

        Raises:
            ArtifactError: `output-not-finite`.
        """
        outputs = self.read(tensors)
        if self._postprocess is not None:
            return self._postprocess(outputs)
        labels = self.manifest.postprocessing.labels
        if not labels:
            items = [
                {"name": spec.name, "shape": list(spec.item_shape), "data": outputs[spec.name]}
                for spec in self.manifest.outputs
            ]
            return {"outputs": items}
        scores = self.scores(outputs)
        best = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
        predictions = [
            {"label": labels[index], "score": scores[index]}
            for index in best[: top or self.manifest.postprocessing.top_k]
        ]
        return {"predictions": predictions}
