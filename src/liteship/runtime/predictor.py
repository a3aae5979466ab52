"""Preprocess → invoke → postprocess. Knows no HTTP and no cloud.

The conversion measures accuracy through this very code, so what is measured is what is deployed.
"""

from __future__ import annotations

import math
from time import perf_counter

from liteship.artifact.folder import Artifact
from liteship.artifact.tensors import real_numbers
from liteship.errors import ArtifactError
from liteship.quantization import best_indices, sigmoid, softmax
from liteship.runtime.codecs import Listed, decode, require_batch_size
from liteship.runtime.inference import Inference, Prediction
from liteship.runtime.interpreter import create_interpreter
from liteship.runtime.self_test import require_golden_answer
from liteship.runtime.settings import MAX_BATCH, MAX_PIXELS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from liteship.artifact.manifest import Manifest
    from liteship.runtime.batching import Batcher
    from liteship.runtime.interpreter import Interpreter

    Preprocess = Callable[[bytes, str], Mapping[str, bytes]]
    """Body and content type in; each input tensor's bytes by name out."""
    Postprocess = Callable[[Mapping[str, Sequence[float]]], dict[str, object]]
    """Real outputs by name in; the answer's fields out."""


class Predictor:
    """A loaded model.

    May be called by several threads at once: each call borrows an interpreter of its own, and a
    new one is made when all are in use. The caller bounds how many calls run at once.

    Args:
        artifact: The verified model.
        backend: One of `interpreter.BACKENDS`.
        max_pixels: Largest picture to decode.
        max_batch: Most items of one request.
        batching: Most items of one run; None for as many as the artifact says.
        threads: That one run is shared among.
        workers: Calls that there may be at once, where that was set: those beyond the CPUs share runs.
        preprocess: Replaces the manifest's preprocessing.
        postprocess: Replaces the manifest's postprocessing.
    """

    takes_tensors = True
    """Whether protocols of tensors can ask it."""

    def __init__(  # noqa: PLR0913  # one argument a setting, all by name
        self,
        artifact: Artifact,
        *,
        backend: str = "litert-c",
        max_pixels: int = MAX_PIXELS,
        max_batch: int = MAX_BATCH,
        batching: int | None = None,
        threads: int = 1,
        workers: int | None = None,
        preprocess: Preprocess | None = None,
        postprocess: Postprocess | None = None,
    ) -> None:
        self.artifact = artifact
        self.manifest = artifact.manifest
        self._backend = backend
        self._max_pixels = max_pixels
        self._max_batch = max_batch
        self._batching = artifact.manifest.batching if batching is None else batching
        self._threads = threads
        self._batcher: Batcher | None = None
        if self._batching > 1 and workers is not None:
            from liteship.runtime.batching import Batcher
            from liteship.runtime.cpu_quota import usable_cpus

            self._batcher = Batcher(self._batching, usable_cpus())
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
        is_list = False

        def prepare() -> list[dict[str, bytes]]:
            nonlocal is_list
            items = self.prepare(body, content_type)
            is_list = isinstance(items, Listed)
            return items

        inference = self.infer(prepare)
        return self.tell(inference, top, is_list=is_list)

    def tell(self, inference: Inference, top: int | None, *, is_list: bool) -> Prediction:
        """The answer to what a caller sent.

        Args:
            inference: What was made of it; by a pipeline that ends in this model, too.
            top: As in `predict`.
            is_list: Whether one item is answered as several are.
        """
        start = perf_counter()
        scores = inference.scores or [[]] * len(inference.numbers)
        answers = [self._answer(*each, top) for each in zip(inference.numbers, scores, strict=True)]
        is_one = len(answers) == 1 and not is_list
        fields: dict[str, object] = answers[0] if is_one else {"results": answers}
        identity: dict[str, object] = {"model": inference.model, "version": inference.version}
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
        outputs = self.run_items(items)
        timings_ms = {
            "preprocess": (prepared - start) * 1e3,
            "invoke": (perf_counter() - prepared) * 1e3,
        }
        return self.conclude(self.manifest, outputs, timings_ms)

    def conclude(
        self, manifest: Manifest, outputs: list[dict[str, bytes]], timings_ms: dict[str, float]
    ) -> Inference:
        """What is told of a request's outputs.

        Args:
            manifest: Of what was asked: this model, or a pipeline that ends in it.
            outputs: What `run` gives for each item.
            timings_ms: As `Inference` has them.

        Raises:
            ArtifactError: `output-not-finite`.
        """
        numbers = [self.read(each) for each in outputs]
        has_labels = bool(self.manifest.postprocessing.labels)
        scores = [self.scores(each) for each in numbers] if has_labels else []
        return Inference(manifest.name, manifest.version, outputs, numbers, scores, timings_ms)

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
        return self._run_batches([tensors])[0]

    def run_items(self, items: Sequence[Mapping[str, bytes]]) -> list[dict[str, bytes]]:
        """Runs the model on several items, as few times as it may.

        Args:
            items: Each one's input tensors, as `run` takes them.

        Returns:
            What `run` gives for each.
        """
        if self._batcher is not None:
            return self._batcher.run(items, self._run_batches)
        return self._run_batches(items)

    def _run_batches(self, items: Sequence[Mapping[str, bytes]]) -> list[dict[str, bytes]]:
        interpreter = self._borrow()
        largest = self._batching if interpreter.takes_batches else 1
        outputs: list[dict[str, bytes]] = []
        for start in range(0, len(items), largest):
            outputs += _run_batch(interpreter, items[start : start + largest])
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

    def _borrow(self) -> Interpreter:
        try:
            return self._idle.pop()
        except IndexError:
            return create_interpreter(self.artifact.model, self._backend, self._threads)

    def _answer(
        self, outputs: Mapping[str, Sequence[float]], scores: Sequence[float], top: int | None
    ) -> dict[str, object]:
        """One item's fields of the answer, JSON-ready."""
        if self._postprocess is not None:
            return self._postprocess(outputs)
        labels = self.manifest.postprocessing.labels
        if not labels:
            items = [
                {"name": spec.name, "shape": list(spec.item_shape), "data": outputs[spec.name]}
                for spec in self.manifest.outputs
            ]
            return {"outputs": items}
        best = best_indices(scores, top or self.manifest.postprocessing.top_k)
        predictions = [{"label": labels[index], "score": scores[index]} for index in best]
        return {"predictions": predictions}


def _run_batch(
    interpreter: Interpreter, items: Sequence[Mapping[str, bytes]]
) -> list[dict[str, bytes]]:
    """Runs the model once on all of them."""
    if len(items) == 1:
        return [interpreter.invoke(items[0])]
    inputs = {name: b"".join([item[name] for item in items]) for name in interpreter.inputs}
    outputs = interpreter.invoke(inputs, len(items))
    sizes = {name: spec.size_bytes for name, spec in interpreter.outputs.items()}
    return [
        {name: outputs[name][index * size : (index + 1) * size] for name, size in sizes.items()}
        for index in range(len(items))
    ]
