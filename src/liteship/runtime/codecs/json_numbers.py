"""Long lists of numbers in JSON, straight to an array: no Python object stays for each number.

    {"inputs": [{"name": "x", …, "data": [0.5, 0.25, …]}]}

What is between the brackets is parsed in pieces, which must hold nothing but numbers; the
rest of the body is parsed with the one word in the list's place that JSON does not have. Whatever looks
odd is left to `parse_json`, which gives the same answer, or says what is wrong. So it does not matter
whether orjson, which parses three times as fast, is installed: a test compares all ways.

orjson takes 2 ms to import, and only where a body is long.
"""

from __future__ import annotations

import json
import math
import struct
from array import array

from liteship.errors import InputError
from liteship.quantization import INTEGER_RANGE, TYPECODES, are_finite
from liteship.runtime.codecs import PackedNumbers
from liteship.runtime.codecs.json_form import require_unique

try:
    from orjson import loads as _loads
except ImportError:
    _loads = json.loads  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from liteship.artifact.manifest import Manifest

LEAST_BYTES = 1024
"""Of a list that is worth it."""

_PIECE_BYTES = 65_536
_MOST_LISTS = 64
_MOST_KEY_BYTES = 300
_MOST_RANK = 8
_SPACE = b" \t\r\n"
_OF_NUMBERS = b"0123456789+-.eE"
_OF_WORDS = b"t", b"f"
"""In `true` and `false`, which Python takes for numbers; no other word passes for one."""

_PLACE = b"-Infinity"
_TO_SPACES = bytes.maketrans(b"[]", b"  ")


def parse_long(body: bytes, keys: Collection[str], manifest: Manifest) -> object | None:
    """Parses JSON whose long lists of numbers are tensors.

    Args:
        body: UTF-8.
        keys: Those that have tensors, wherever they are.
        manifest: The model they are for: tells how wide a number is.

    Returns:
        What `parse_json` returns, with `PackedNumbers` in place of these lists; None where that has to
        be asked.
    """
    try:
        return _parse(body, {json.dumps(key).encode() for key in keys}, manifest)
    except (InputError, ValueError, OverflowError, RecursionError, struct.error):
        return None


def _parse(body: bytes, keys: Collection[bytes], manifest: Manifest) -> object | None:
    rest, end = bytearray(), 0
    found: list[PackedNumbers] = []
    for start, stop in _lists(body, keys):
        numbers = _pack(body, start, stop, manifest)
        if numbers is None:
            return None
        found.append(numbers)
        rest += body[end:start] + _PLACE
        end = stop
    rest += body[end:]
    if not found or rest.count(_PLACE) != len(found):
        return None
    waiting = iter(found)

    def take(word: str) -> PackedNumbers:
        if word != _PLACE.decode():
            raise ValueError(word)
        return next(waiting)

    content: object = json.loads(
        rest.removeprefix(b"\xef\xbb\xbf").decode(),
        parse_constant=take,
        parse_float=_finite,
        object_pairs_hook=require_unique,
    )
    return content if next(waiting, None) is None else None  # one stood in a string


def _lists(body: bytes, keys: Collection[bytes]) -> Iterator[tuple[int, int]]:
    """Where the long lists begin and end that are values of these keys."""
    start = -1
    for _ in range(_MOST_LISTS):
        start = body.find(b"[", start + 1)
        if start < 0:
            return
        before = body[max(start - _MOST_KEY_BYTES, 0) : start].rstrip(_SPACE)
        if not (before.endswith(b":") and before[:-1].rstrip(_SPACE).endswith(tuple(keys))):
            continue
        ends = [end for end in (body.find(b'"', start), body.find(b"}", start)) if end >= 0]
        stop = body.rfind(b"]", start, min(ends, default=start)) + 1
        if stop - start >= LEAST_BYTES:
            yield start, stop
            start = stop


def _pack(body: bytes, start: int, stop: int, manifest: Manifest) -> PackedNumbers | None:
    """The numbers of nested lists; None where they are not numbers, or not of one shape."""
    if any(body.find(letter, start, stop) >= 0 for letter in _OF_WORDS):
        return None
    shape = None
    if body.rfind(b"[", start, stop) == start and body.find(b"]", start, stop) == stop - 1:
        start, stop = start + 1, stop - 1
    else:
        text = body[start:stop]
        shape = _shape(text.translate(None, _OF_NUMBERS + _SPACE))
        if shape is None:
            return None
        # Between two commas is one number, as is checked below: where no innermost list lacks one, none
        # stands outside of them
        dense = text.translate(None, _SPACE)
        if any(gap in dense for gap in ((b"[,", b",]") if shape[-1] > 1 else (b"[]",))):
            return None
        body, start, stop = text.translate(_TO_SPACES), 0, len(text)
    dtypes = {spec.dtype for spec in manifest.inputs}
    if any(body.find(letter, start, stop) >= 0 for letter in (b".", b"e", b"E")):
        numbers = _parse_pieces(body, start, stop, "d" if "float64" in dtypes else "f")
    else:
        dtype = dtypes.pop() if len(dtypes) == 1 else ""
        typecode = TYPECODES[dtype] if dtype in INTEGER_RANGE else "q"
        try:
            numbers = _parse_pieces(body, start, stop, typecode)
        except struct.error:
            numbers = _parse_pieces(body, start, stop, "q")
    return PackedNumbers(numbers, shape or (len(numbers),))


def _shape(skeleton: bytes) -> tuple[int, ...] | None:
    """The shape of nested lists, from nothing but their brackets and commas; None if they have none."""
    rank = len(skeleton) - len(skeleton.lstrip(b"["))
    if not 1 <= rank <= _MOST_RANK:
        return None
    width = skeleton.find(b"]") - rank + 1
    block = b"[" + b"," * (width - 1) + b"]"
    shape = [width]
    for depth in range(2, rank + 1):
        # The first list of this depth ends where so many brackets close: n blocks, n - 1 commas, two
        length = skeleton.find(b"]" * depth) + 2 * depth - rank
        count = (length - 1) // (len(block) + 1)
        block = b"[" + b",".join([block] * count) + b"]"
        shape.insert(0, count)
    return tuple(shape) if block == skeleton else None


def _parse_pieces(body: bytes, start: int, stop: int, typecode: str) -> array[float]:
    """Numbers between commas.

    Raises:
        ValueError: One is not a number as JSON has them, or not finite.
        OverflowError, struct.error: One has no place in the type.
    """
    numbers: array[float] = array(typecode)
    while start <= stop:
        end = body.find(b",", start + _PIECE_BYTES, stop)
        end = end if end >= 0 else stop
        piece = _loads(b"[%b]" % body[start:end])
        if not piece:
            raise ValueError("a comma after the last number")
        numbers.frombytes(_packed(piece, typecode))
        start = end + 1
    if typecode in "fd" and not are_finite(numbers):
        raise ValueError("a number beyond the range of its type")
    return numbers


def _packed(piece: list[float], typecode: str) -> bytes:
    """By `struct.pack`, in half the time of `array.extend`; `bytes` takes less than half of that."""
    if typecode == "B":
        try:
            return bytes(piece)  # type: ignore[arg-type]  # what is no byte is refused, here and below
        except (TypeError, ValueError):
            pass
    return struct.pack(f"{len(piece)}{typecode}", *piece)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number
