"""The parts of a manifest: preprocessing, postprocessing, golden self-test; standard library only."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.artifact.reading import FieldReader

INPUT_KINDS = ("image", "tensor")
COLORS = ("L", "RGB", "BGR")
RESIZE_METHODS = ("nearest", "bilinear", "bicubic", "lanczos")
ACTIVATIONS = ("none", "softmax", "sigmoid")


class Preprocessing:
    """How a request becomes the input tensor.

    Args:
        kind: `image` (a picture is decoded, resized and normalised) or `tensor` (numbers as they are).
        color: Channel order the model was trained on: `L` (grey), `RGB` or `BGR`.
        resize: Resampling method, one of `RESIZE_METHODS`.
        mean: Subtracted from each channel in the model's order, in pixel units (0-255).
        std: Divisor of each channel, in pixel units.
    """

    __slots__ = ("color", "kind", "mean", "resize", "std")

    def __init__(
        self,
        kind: str,
        color: str = "RGB",
        resize: str = "bilinear",
        mean: Sequence[float] = (),
        std: Sequence[float] = (),
    ) -> None:
        self.kind = kind
        self.color = color
        self.resize = resize
        self.mean = tuple(mean)
        self.std = tuple(std)

    def as_dict(self) -> dict[str, object]:
        """JSON-ready fields; a tensor input has only its kind."""
        if self.kind == "tensor":
            return {"kind": self.kind}
        return {
            "kind": self.kind,
            "color": self.color,
            "resize": self.resize,
            "mean": list(self.mean),
            "std": list(self.std),
        }


class Postprocessing:
    """How the first output tensor becomes predictions.

    Args:
        activation: Applied to the real outputs: `none` where the model ends in one already.
        labels: One a class; empty for a model that does not classify.
        top_k: How many classes an answer lists, best first.
    """

    __slots__ = ("activation", "labels", "top_k")

    def __init__(self, activation: str = "none", labels: Sequence[str] = (), top_k: int = 3) -> None:
        self.activation = activation
        self.labels = tuple(labels)
        self.top_k = top_k

    def as_dict(self) -> dict[str, object]:
        """JSON-ready fields."""
        return {"activation": self.activation, "labels": list(self.labels), "top_k": self.top_k}


class Golden:
    """One real input and the outputs it must give: the self-test of every runtime that loads it.

    Args:
        file: File beside the manifest that holds all input tensors' bytes in order, zlib-compressed.
        outputs: The output tensors' bytes, in order.
    """

    __slots__ = ("file", "outputs")

    def __init__(self, file: str, outputs: Sequence[bytes]) -> None:
        self.file = file
        self.outputs = tuple(outputs)

    def as_dict(self) -> dict[str, object]:
        """JSON-ready fields; outputs in hexadecimal."""
        return {"file": self.file, "outputs": [output.hex() for output in self.outputs]}


def read_preprocessing(reader: FieldReader) -> Preprocessing:
    """The object under `preprocessing`; what is wrong with it goes to the reader's problems."""
    kind = reader.choose("kind", INPUT_KINDS)
    if kind == "tensor" or "kind" not in reader.fields:
        reader.close()
        return Preprocessing(kind)
    preprocessing = Preprocessing(
        kind,
        color=reader.choose("color", COLORS),
        resize=reader.choose("resize", RESIZE_METHODS),
        mean=reader.items("mean", (int, float)),
        std=reader.items("std", (int, float)),
    )
    reader.close()
    return preprocessing


def read_postprocessing(reader: FieldReader) -> Postprocessing:
    """The object under `postprocessing`; as above."""
    postprocessing = Postprocessing(
        activation=reader.choose("activation", ACTIVATIONS),
        labels=reader.items("labels", str),
        top_k=reader.take("top_k", int),
    )
    reader.close()
    if postprocessing.top_k < 1:
        reader.problems.append(f"{reader.where}.top_k: expected at least 1")
    return postprocessing


def read_golden(reader: FieldReader) -> Golden:
    """The object under `golden`; as above."""
    file = reader.take("file", str)
    outputs = []
    for position, text in enumerate(reader.items("outputs", str)):
        try:
            outputs.append(bytes.fromhex(text))
        except ValueError:
            reader.problems.append(f"{reader.where}.outputs[{position}]: not hexadecimal")
    reader.close()
    if "/" in file or "\\" in file or file in {"", ".", ".."}:
        reader.problems.append(f"{reader.where}.file: expected a file name beside model.json")
    return Golden(file, outputs)
