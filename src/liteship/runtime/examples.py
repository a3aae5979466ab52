"""Something that a model takes: its golden input, as numbers and as a picture."""

from __future__ import annotations

import io
from array import array
from base64 import b64encode

from liteship.quantization import TYPECODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from liteship.artifact.parts import Preprocessing
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor


def example_numbers(predictor: Predictor | Pipeline, most: int) -> dict[str, list[float]] | None:
    """Each input's elements as real numbers, row-major, by name.

    Args:
        predictor: The model.
        most: Elements of all inputs together.

    Returns:
        None for a longer one, and where code of the function's own reads what is sent.
    """
    specs, golden = predictor.manifest.inputs, predictor.example
    if golden is None or sum(spec.elements for spec in specs) > most:
        return None
    return {spec.name: flat(data, spec) for spec, data in zip(specs, golden, strict=True)}


def example_lists(predictor: Predictor | Pipeline, most: int) -> dict[str, object] | None:
    """The same as nested lists of each input's whole shape."""
    numbers = example_numbers(predictor, most)
    if numbers is None:
        return None
    return {spec.name: nest(numbers[spec.name], spec.item_shape) for spec in predictor.manifest.inputs}


def example_picture(predictor: Predictor | Pipeline, greatest_side: int | None = None) -> str | None:
    """A PNG file in base64; see `draw`.

    Returns:
        None for a model that takes none, and where code of the function's own reads what is sent.
    """
    manifest, golden = predictor.manifest, predictor.example
    if golden is None or manifest.preprocessing.kind != "image":
        return None
    picture = draw(golden[0], manifest.inputs[0], manifest.preprocessing, greatest_side)
    return b64encode(picture).decode()


def draw(
    data: bytes, spec: TensorSpec, preprocessing: Preprocessing, greatest_side: int | None = None
) -> bytes:
    """The picture behind an input tensor, as a PNG file: its preprocessing, backwards.

    Args:
        data: The tensor's bytes.
        spec: The tensor.
        preprocessing: Of a model that takes pictures.
        greatest_side: Pixels that a larger picture is made smaller to; None for all, exactly.
    """
    from PIL import Image

    _, height, width, channels = spec.item_shape
    elements = array(TYPECODES[spec.dtype], data)
    pixels = bytearray(len(elements))
    for channel, (mean, std) in enumerate(zip(preprocessing.mean, preprocessing.std, strict=True)):
        plane = elements[channel::channels]
        pixel_of = {each: _pixel(_real(each, spec) * std + mean) for each in set(plane)}
        pixels[channel::channels] = bytes(map(pixel_of.__getitem__, plane))
    mode = "L" if channels == 1 else "RGB"
    image = Image.frombytes(mode, (width, height), bytes(pixels), "raw", preprocessing.color)
    if greatest_side is not None:
        image.thumbnail((greatest_side, greatest_side), Image.Resampling.BOX, reducing_gap=None)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def flat(data: bytes, spec: TensorSpec) -> list[float]:
    """A tensor's real numbers, row-major, in as few digits as give the same elements again."""
    return [_short(element, spec) for element in array(TYPECODES[spec.dtype], data)]


def nest(elements: Iterable[object], shape: Sequence[int]) -> object:
    """Nested lists of this shape, from elements in row-major order; the only one where it is empty."""
    level = list(elements)
    for size in reversed(shape):
        level = [level[start : start + size] for start in range(0, len(level), size)]
    return level[0]


def _short(element: float, spec: TensorSpec) -> float:
    if spec.is_quantized:
        return float(f"{_real(element, spec):.7g}")
    if spec.dtype != "float32":
        return element
    shorter = (float(f"{element:.{digits}g}") for digits in range(6, 9))
    return next((each for each in shorter if array("f", [each])[0] == element), float(f"{element:.9g}"))


def _real(element: float, spec: TensorSpec) -> float:
    """The real number that an element stands for; an integer stays one."""
    return (element - spec.zero_point) * spec.scale if spec.is_quantized else element


def _pixel(value: float) -> int:
    return min(max(round(value), 0), 255)
