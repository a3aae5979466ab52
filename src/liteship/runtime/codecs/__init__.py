"""From a request's bytes to the model's input tensors: one module a wire form."""

from __future__ import annotations

from codecs import utf_8_decode
from math import prod

from liteship.errors import InputError, PayloadTooLargeError, UnsupportedMediaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeVar

    from liteship.artifact.manifest import Manifest

    Item = TypeVar("Item")
    Decoded = TypeVar("Decoded")

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"
BINARY_TYPE = "application/octet-stream"
FORM_TYPE = "multipart/form-data"

_SNIFFED_BYTES = 4096


class Listed(list[dict[str, bytes]]):
    """Items that the caller sent as a list, and that are answered as one: also a single one."""

    __slots__ = ()


class PackedNumbers:
    """Nested lists of finite numbers in JSON, without an object for each.

    Args:
        numbers: Row-major; integers where the text has nothing but integers.
        shape: Of the lists.
    """

    __slots__ = ("numbers", "shape")

    def __init__(self, numbers: array[float], shape: tuple[int, ...]) -> None:
        self.numbers = numbers
        self.shape = shape

    def rows(self) -> Sequence[object]:
        """What the outermost list holds."""
        if len(self.shape) == 1:
            return self.numbers.tolist()
        size = prod(self.shape[1:])
        return [
            PackedNumbers(self.numbers[start : start + size], self.shape[1:])
            for start in range(0, len(self.numbers), size)
        ]


def decode(
    body: bytes, content_type: str, manifest: Manifest, max_pixels: int, max_batch: int
) -> list[dict[str, bytes]]:
    """Turns a body into the input tensors of its items, ready for the interpreter.

    Args:
        body: What the caller sent.
        content_type: Its media type; parameters such as `charset` are ignored.
        manifest: The model it is for.
        max_pixels: Largest picture to decode; each of several has its part of them.
        max_batch: Most items.

    Returns:
        Each item's input tensors: their bytes by name. A `Listed` where one item is to be answered as
        several are.

    Raises:
        InputError: `body-empty`, or what the codec of this form raises; of several items it says which.
        PayloadTooLargeError: `batch-too-large`, or what the codec raises.
        UnsupportedMediaError: `media-type-unsupported`, or what the codec raises.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if not body:
        raise InputError(
            "body-empty",
            "the request has no body",
            expected=_accepted(manifest),
            hint="send the picture or the tensor as the body",
        )
    if media_type == JSON_TYPE:
        from liteship.runtime.codecs.json_request import decode_json

        return decode_json(body, manifest, max_pixels, max_batch)
    if media_type == CSV_TYPE and takes_rows(manifest):
        from liteship.runtime.codecs.csv_form import decode_csv

        return decode_csv(body, manifest, max_batch)
    if media_type == BINARY_TYPE:
        from liteship.runtime.codecs.binary import decode_binary

        return decode_binary(body, manifest, max_batch)
    if media_type.startswith("image/") and manifest.preprocessing.kind == "image":
        from liteship.runtime.codecs.image import decode_image

        return [decode_image(body, manifest, max_pixels)]
    if media_type == FORM_TYPE:
        from liteship.runtime.codecs.multipart import decode_form

        return decode_form(body, content_type, manifest, max_pixels, max_batch)
    raise UnsupportedMediaError(
        "media-type-unsupported",
        f"model {manifest.name} does not read this content type",
        expected=_accepted(manifest),
        received=f"{content_type:.80}" or "no content type",
        hint="set the content-type header to what the body is",
    )


def require_batch_size(size: int, max_batch: int) -> None:
    """Refuses a request without items, or with too many.

    Raises:
        InputError: `batch-empty`.
        PayloadTooLargeError: `batch-too-large`.
    """
    if size == 0:
        raise InputError("batch-empty", "the request holds no item", hint="send one item at least")
    if size > max_batch:
        raise PayloadTooLargeError(
            "batch-too-large",
            "the request holds too many items",
            expected=f"at most {max_batch}",
            received=str(size),
            hint="divide it into several requests",
        )


def require_one_size(sizes: Mapping[str, int], max_batch: int) -> int:
    """How many items a request holds, from how many each input has.

    Raises:
        InputError: `batch-sizes` unless each has as many, or `batch-empty`.
        PayloadTooLargeError: `batch-too-large`.
    """
    if len(set(sizes.values())) != 1:
        raise InputError(
            "batch-sizes",
            "the inputs hold different numbers of items",
            expected="the same first dimension everywhere",
            received=", ".join(f"{name}: {size}" for name, size in sizes.items()),
            hint="send as many items in each input",
        )
    size = next(iter(sizes.values()))
    require_batch_size(size, max_batch)
    return size


def each_item(items: Sequence[Item], decode_item: Callable[[Item], Decoded]) -> Iterator[Decoded]:
    """What each item becomes; an error of one of several begins with its index, from 0."""
    for index, item in enumerate(items):
        try:
            yield decode_item(item)
        except InputError as error:
            if len(items) > 1:
                error.message = f"item {index}: {error.message}"
            raise


def sniff_media_type(body: bytes) -> str:
    """The media type a body looks like: S3 objects rarely carry a true one."""
    from liteship.runtime.codecs.image import FORMATS

    for media_type, image_format in FORMATS.items():
        if image_format.matches(body):
            return media_type
    if body.lstrip()[:1] in {b"{", b"["}:
        return JSON_TYPE
    return CSV_TYPE if _looks_like_a_table(body[:_SNIFFED_BYTES]) else BINARY_TYPE


def _looks_like_a_table(head: bytes) -> bool:
    """Whether it is text with digits and separators; hardly a tensor is, for want of odd bytes."""
    try:
        text, _ = utf_8_decode(head, "strict", False)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    characters = set(text)
    controls = {character for character in characters if character < " "}
    return (
        controls <= {"\t", "\r", "\n"}
        and any(map(str.isdigit, characters))
        and not characters.isdisjoint(",;\t")
    )


def takes_rows(manifest: Manifest) -> bool:
    """Whether a row of a table is the model's input: of shape (batch, features), and the only one."""
    shapes = [spec.item_shape for spec in manifest.inputs]
    return (
        manifest.preprocessing.kind == "tensor"
        and len(shapes) == 1
        and len(shapes[0]) == 2
        and shapes[0][0] == 1
    )


def _accepted(manifest: Manifest) -> str:
    pictures = "image/png, image/jpeg, " if manifest.preprocessing.kind == "image" else ""
    rows = f"{CSV_TYPE}, " if takes_rows(manifest) else ""
    return f"{pictures}{rows}{JSON_TYPE}, {BINARY_TYPE} or {FORM_TYPE}"
