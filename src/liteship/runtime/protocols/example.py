"""`GET /model/example`: something that the model takes, for whoever has nothing at hand."""

from __future__ import annotations

import io
from array import array
from base64 import b64encode

from liteship.errors import NotFoundError
from liteship.quantization import TYPECODES
from liteship.runtime.http import WORK, Request, Response, Route
from liteship.runtime.protocols.native import asked_predictor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.parts import Preprocessing
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.function import Function

MOST_ELEMENTS = 4096
"""Of an example in numbers: what a person can still look at."""

MOST_PIXELS = 512 * 512
"""Of an example that is a picture."""


def example(function: Function, request: Request) -> Response:
    """A body that `POST /predict` answers: the self-test's input as JSON; 404 where there is none."""
    predictor = asked_predictor(function, request)
    manifest = predictor.manifest
    specs, golden = manifest.inputs, predictor.example
    elements = sum(spec.elements for spec in specs)
    if golden is not None:
        if manifest.preprocessing.kind == "image" and elements <= 3 * MOST_PIXELS:
            picture = draw(specs[0], golden[0], manifest.preprocessing)
            return Response(200, {"image": {"b64": b64encode(picture).decode()}})
        if elements <= MOST_ELEMENTS:
            pairs = zip(specs, golden, strict=True)
            return Response(200, {"inputs": {spec.name: nest(spec, data) for spec, data in pairs}})
    raise NotFoundError(
        "example-none",
        f"there is no example for model {manifest.name}",
        expected=f"at most {MOST_ELEMENTS:,} numbers, and bodies that no code of the function's reads",
        hint="GET /model says what the model takes",
    )


ROUTES = (Route("GET", "/model/example", example, WORK),)


def draw(spec: TensorSpec, data: bytes, preprocessing: Preprocessing) -> bytes:
    """The picture behind an input tensor, as a PNG file: its preprocessing, backwards."""
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
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def nest(spec: TensorSpec, data: bytes) -> object:
    """A tensor's real numbers in lists of its shape; seven digits, as a person would write them."""
    level: list[object] = []
    for element in array(TYPECODES[spec.dtype], data):
        real = _real(element, spec)
        level.append(float(f"{real:.7g}") if isinstance(real, float) else real)
    for size in reversed(spec.item_shape):
        level = [level[start : start + size] for start in range(0, len(level), size)]
    return level[0]


def _real(element: float, spec: TensorSpec) -> float:
    """The real number that an element stands for; an integer stays one."""
    return (element - spec.zero_point) * spec.scale if spec.is_quantized else element


def _pixel(value: float) -> int:
    return min(max(round(value), 0), 255)
