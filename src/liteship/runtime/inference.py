"""What a model made of a request, and the answer that is told of it."""

from __future__ import annotations

from array import array
from itertools import chain

from liteship.quantization import TYPECODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.tensors import TensorSpec


class Inference:
    """What the model made of one request's items, and what logs and metrics are told of it.

    Args:
        model: Its name.
        version: Its version.
        outputs: Each item's output tensors: their bytes by name, as the model gives them.
        numbers: The same as real numbers, row-major.
        scores: Each item's score of each label; empty where the model does not classify.
        timings_ms: Milliseconds spent in `preprocess` and `invoke`; whoever forms the answer adds
            `postprocess`.
    """

    __slots__ = ("model", "numbers", "outputs", "scores", "timings_ms", "version")

    def __init__(
        self,
        model: str,
        version: str,
        outputs: list[dict[str, bytes]],
        numbers: list[dict[str, list[float]]],
        scores: list[list[float]],
        timings_ms: dict[str, float],
    ) -> None:
        self.model = model
        self.version = version
        self.outputs = outputs
        self.numbers = numbers
        self.scores = scores
        self.timings_ms = timings_ms

    @property
    def confidences(self) -> list[float]:
        """Best score of each item; empty where the model does not classify."""
        return [max(each) for each in self.scores]

    def elements(self, spec: TensorSpec) -> list[object]:
        """An output of all items, row-major, as JSON has it.

        Args:
            spec: The output.

        Returns:
            The real numbers that quantized elements stand for; others as they are.
        """
        if spec.is_quantized:
            return [*chain.from_iterable(item[spec.name] for item in self.numbers)]
        values = array(TYPECODES[spec.dtype], b"".join(item[spec.name] for item in self.outputs))
        return [*map(bool, values)] if spec.dtype == "bool" else [*values]


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
