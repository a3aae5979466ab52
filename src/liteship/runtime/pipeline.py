"""Several models, and steps in Python between them, that answer as one.

A `Pipeline` offers callers what a `Predictor` offers them. It is made anew for each request, of the
models that are served now: it holds none in memory, and follows a label to another version.
"""

from __future__ import annotations

from itertools import pairwise
from time import perf_counter

from liteship.errors import InputError, NotFoundError, NotReadyError, UnsupportedMediaError
from liteship.runtime.codecs import Listed, require_batch_size
from liteship.runtime.joining import hand_over, join_problems, joined_manifest
from liteship.runtime.pipeline_code import PipelineInput, run_code
from liteship.runtime.pipeline_steps import CodeStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from liteship.runtime.inference import Inference, Prediction
    from liteship.runtime.pipeline_steps import Declaration
    from liteship.runtime.predictor import Predictor

    Stage = tuple[CodeStep | None, Predictor]
    """A model, and the step in Python that gives what it is sent; None where a model is before it."""

    Find = Callable[[str, str, str], Predictor]
    """Name, version and label in, each but the first may be empty; the loaded model out."""


class _Item:
    """One item on its way: `tensors` are a model's inputs before it, and its outputs after."""

    __slots__ = ("body", "content_type", "tensors")

    def __init__(self, body: bytes, content_type: str, tensors: Mapping[str, bytes]) -> None:
        self.body = body
        self.content_type = content_type
        self.tensors = tensors


class _Clock:
    """Milliseconds by step, in the order in which they first ran."""

    __slots__ = ("_start", "timings_ms")

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}
        self._start = perf_counter()

    def lap(self, name: str) -> float:
        """Adds the time since the last lap to a step's; returns it."""
        now = perf_counter()
        lap_ms, self._start = (now - self._start) * 1e3, now
        self.timings_ms[name] = self.timings_ms.get(name, 0.0) + lap_ms
        return lap_ms


class Pipeline:
    """Models and steps in Python, one after another.

    Args:
        name: The pipeline's, as in URLs and answers.
        version: The function's.
        stages: In order: each a model, and the step in Python before it if there is one.
        max_batch: Most items of one request, at any step.
        max_pixels: Largest picture that a step in Python may decode.

    Attributes:
        manifest: To callers it is one model: with the inputs of the first and the outputs of the last.
        takes_tensors: Whether protocols of tensors can ask it: steps in Python take bodies.

    Raises:
        NotReadyError: `pipeline-invalid` if a model cannot follow the one before.
    """

    def __init__(
        self,
        name: str,
        version: str,
        stages: Sequence[Stage],
        *,
        max_batch: int,
        max_pixels: int,
    ) -> None:
        self._stages = stages
        self.takes_tensors = all(code is None for code, _ in stages)
        self._first, self._last = stages[0][1], stages[-1][1]
        self._max_batch = max_batch
        self._max_pixels = max_pixels
        problems = [
            problem
            for (_, first), (code, second) in pairwise(stages)
            if code is None
            for problem in join_problems(first.manifest, second.manifest)
        ]
        _require(name, problems)
        steps = [step for code, model in stages for step in (code, model.manifest) if step is not None]
        self.manifest = joined_manifest(name, version, steps)

    def predict(self, body: bytes, content_type: str, top: int | None = None) -> Prediction:
        """Answers one request, as `Predictor.predict`.

        With a step in Python, which gives as many items as it finds, `results` is always a list.

        Raises:
            InputError: The body is not what the first step takes, or a step in Python says so.
        """
        is_list = not self.takes_tensors

        def start() -> list[_Item]:
            nonlocal is_list
            if self._stages[0][0] is not None:
                return [_Item(body, content_type, {})]
            prepared = self._first.prepare(body, content_type)
            is_list = is_list or isinstance(prepared, Listed)
            return self._as_items(body, content_type, prepared)

        inference = self._infer(start)
        return self._last.tell(inference, top, is_list=is_list)

    def prepare(self, body: bytes, content_type: str) -> list[dict[str, bytes]]:
        """Each item's input tensors of the first model, as `Predictor.prepare`.

        Raises:
            UnsupportedMediaError: `pipeline-bodies`.
        """
        self._require_models_alone()
        return self._first.prepare(body, content_type)

    def infer(self, prepare: Callable[[], Sequence[Mapping[str, bytes]]]) -> Inference:
        """Runs the models on each item of one request, as `Predictor.infer`.

        Args:
            prepare: Gives each item's input tensors of the first model: their bytes by name.

        Raises:
            UnsupportedMediaError: `pipeline-bodies` if there is a step in Python, which takes bodies.
            PayloadTooLargeError: `batch-too-large`.
            ArtifactError: `output-not-finite`.
        """
        self._require_models_alone()
        return self._infer(lambda: [_Item(b"", "", tensors) for tensors in prepare()])

    def run(self, tensors: Mapping[str, bytes]) -> dict[str, bytes]:
        """Runs the models once, as `Predictor.run`."""
        return self.infer(lambda: [tensors]).outputs[0]

    def read(self, tensors: Mapping[str, bytes]) -> dict[str, list[float]]:
        """The last model's outputs as real numbers, as `Predictor.read`."""
        return self._last.read(tensors)

    def scores(self, outputs: Mapping[str, Sequence[float]]) -> list[float]:
        """The score of each label of the last model, as `Predictor.scores`."""
        return self._last.scores(outputs)

    @property
    def example(self) -> list[bytes] | None:
        """Inputs of the first model, as `Predictor.example`; None if a step in Python is first."""
        return self._first.example if self._stages[0][0] is None else None

    @property
    def hooks(self) -> list[str]:
        """The steps of `preprocess` and `postprocess` that the function replaced, and that act here."""
        readers = [self._first, *(model for code, model in self._stages if code is not None)]
        ends = {"preprocess": readers, "postprocess": [self._last]}
        return [hook for hook, models in ends.items() if any(hook in each.hooks for each in models)]

    def _require_models_alone(self) -> None:
        if not self.takes_tensors:
            raise UnsupportedMediaError(
                "pipeline-bodies",
                f"pipeline {self.manifest.name} has steps in Python, which take no tensors",
                expected="a request to liteship's own protocol",
                received="tensors",
                hint=f"send it to POST /predict?model={self.manifest.name}",
            )

    def _as_items(
        self, body: bytes, content_type: str, prepared: Sequence[Mapping[str, bytes]]
    ) -> list[_Item]:
        items = [_Item(body, content_type, each) for each in prepared]
        if not self.takes_tensors and len(items) > 1:  # whose parts no step in Python could tell apart
            raise InputError(
                "pipeline-items",
                f"pipeline {self.manifest.name} has steps in Python, which take one item a request",
                expected="1 item",
                received=f"{len(items)} items",
                hint="send each in a request of its own",
            )
        return items

    def _infer(self, start: Callable[[], list[_Item]]) -> Inference:
        clock = _Clock()
        items = start()
        require_batch_size(len(items), self._max_batch)
        clock.lap("preprocess")
        before: Predictor | None = None
        invoke_ms = 0.0
        for code, model in self._stages:
            if code is not None:
                sent = self._run_code(code, items, before)
                clock.lap(code.name)
                items = self._decode(sent, model)
                clock.lap("preprocess")
            elif before is not None:
                for item in items:
                    item.tensors = hand_over(before, item.tensors, model)
            answers = model.run_items([item.tensors for item in items])
            for item, answer in zip(items, answers, strict=True):
                item.tensors = answer
            invoke_ms += clock.lap(model.manifest.name)
            before = model
        timings_ms = clock.timings_ms | {"invoke": invoke_ms}
        outputs = [dict(item.tensors) for item in items]
        return self._last.conclude(self.manifest, outputs, timings_ms)

    def _run_code(
        self, step: CodeStep, items: list[_Item], before: Predictor | None
    ) -> list[tuple[bytes, str]]:
        """What would have been sent to the next model."""
        sent: list[tuple[bytes, str]] = []
        for item in items:
            outputs = before.read(item.tensors) if before is not None else {}
            given = PipelineInput(item.body, item.content_type, outputs, self._max_pixels)
            sent += run_code(step, given)
            require_batch_size(len(sent) or 1, self._max_batch)  # none is an answer, too
        return sent

    def _decode(self, sent: list[tuple[bytes, str]], model: Predictor) -> list[_Item]:
        items: list[_Item] = []
        for body, content_type in sent:
            items += [_Item(body, content_type, each) for each in model.prepare(body, content_type)]
            require_batch_size(len(items), self._max_batch)
        return items


def build_pipeline(
    name: str,
    version: str,
    declaration: Declaration,
    find: Find,
    *,
    max_batch: int,
    max_pixels: int,
) -> Pipeline:
    """A pipeline of the models that are served now.

    Args:
        name: The pipeline's.
        version: The function's.
        declaration: Its steps.
        find: Gives each model; loads it where it must.
        max_batch: Most items of one request, at any step.
        max_pixels: Largest picture that a step in Python may decode.

    Raises:
        NotReadyError: `pipeline-invalid`, with every model that is not there or not ready, or every
            one that cannot follow the one before.
    """
    stages: list[Stage] = []
    problems = []
    code = None
    for step in declaration.steps:
        if isinstance(step, CodeStep):
            code = step
            continue
        try:
            stages.append((code, find(step.name, step.version, step.label)))
        except (NotFoundError, NotReadyError) as error:
            problems.append(f"step {step.text}: {error.message}")
        code = None
    _require(name, problems)
    return Pipeline(name, version, stages, max_batch=max_batch, max_pixels=max_pixels)


def _require(name: str, problems: list[str]) -> None:
    if problems:
        raise NotReadyError(
            "pipeline-invalid",
            f"pipeline {name} cannot answer",
            problems=problems,
            hint="correct its steps in function.toml, or the models that they name",
        )
