"""From a request's bytes to the model's input tensors: one module a wire form."""

from __future__ import annotations

from codecs import utf_8_decode

from liteship.errors import InputError, UnsupportedMediaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.manifest import Manifest

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"
BINARY_TYPE = "application/octet-stream"

_SNIFFED_BYTES = 4096


def decode(
    body: bytes, content_type: str, manifest: Manifest, max_pixels: int
) -> list[dict[str, bytes]]:
    """Turns a body into the input tensors of its items, ready for the interpreter.

    Args:
        body: What the caller sent.
        content_type: Its media type; parameters such as `charset` are ignored.
        manifest: The model it is for.
        max_pixels: Largest picture to decode.

    Returns:
        Each item's input tensors: their bytes by name.

    Raises:
        InputError: `body-empty`, or what the codec of this form raises.
        UnsupportedMediaError: `media-type-unsupported`.
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
        from liteship.runtime.codecs.json_form import decode_json

        return [decode_json(body, manifest, max_pixels)]
    if media_type == CSV_TYPE and _takes_rows(manifest):
        from liteship.runtime.codecs.csv_form import decode_csv

        return [decode_csv(body, manifest)]
    if media_type == BINARY_TYPE:
        from liteship.runtime.codecs.binary import decode_binary

        return [decode_binary(body, manifest)]
    if media_type.startswith("image/") and manifest.preprocessing.kind == "image":
        from liteship.runtime.codecs.image import decode_image

        return [decode_image(body, manifest, max_pixels)]
    raise UnsupportedMediaError(
        "media-type-unsupported",
        f"model {manifest.name} does not read this content type",
        expected=_accepted(manifest),
        received=f"{content_type:.80}" or "no content type",
        hint="set the content-type header to what the body is",
    )


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


def _takes_rows(manifest: Manifest) -> bool:
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
    rows = f"{CSV_TYPE}, " if _takes_rows(manifest) else ""
    return f"{pictures}{rows}{JSON_TYPE} or {BINARY_TYPE}"
