"""JSON requests: tensors as real numbers, or pictures in base64.

    {"inputs": {"image": [[[[0.0], …]]]}}    each input by name
    {"inputs": [[[0.0], …]]}                 the only input of a model that has one
    {"image": {"b64": "iVBORw0KGgo…"}}       a picture, for a model that takes pictures
    {"images": [{"b64": "iVBORw0KGgo…"}, …]}    several

Numbers are what the model sees after normalisation; liteship quantizes them. The batch dimension may
be left out; more than one item is a batch, where the model's shapes leave room for it.
"""

from __future__ import annotations

import base64

from liteship.errors import InputError
from liteship.runtime.codecs import Listed, each_item, require_batch_size, require_one_size
from liteship.runtime.codecs.json_form import (
    describe,
    encode_items,
    encode_tensor,
    parse_tensors,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from liteship.artifact.manifest import Manifest

_FORMS = {"inputs", "image", "images"}
_HINT = 'send {"inputs": …} with a nested list of the shape that the model takes'


def decode_json(
    body: bytes, manifest: Manifest, max_pixels: int, max_batch: int
) -> list[dict[str, bytes]]:
    """Turns a JSON body into the input tensors of its items; a `Listed` where it holds a list of them.

    Raises:
        InputError: `json-invalid`, `json-duplicate`, `json-form`, `json-not-finite`, `tensor-names`,
            `tensor-shape`, `tensor-value`, `batch-empty`, `batch-sizes`, `base64-invalid`, or what
            `decode_image` raises.
        PayloadTooLargeError: `json-too-long`, `batch-too-large`.
    """
    names = {spec.name for spec in manifest.inputs}
    content = parse_tensors(body, {"inputs"} | (names - _FORMS), manifest, max_batch)
    if not isinstance(content, dict) or len(content.keys() & _FORMS) != 1:
        raise InputError(
            "json-form",
            "the JSON body is not a request",
            expected='an object with one of "inputs", "image" and "images"',
            received=f"{body[:60].decode(errors='replace')}",
            hint=_HINT,
        )
    if "image" in content:
        return [decode_picture(content["image"], manifest, max_pixels)]
    if "images" in content:
        return _decode_pictures(content["images"], manifest, max_pixels, max_batch)
    inputs = content["inputs"]
    if not isinstance(inputs, dict):
        inputs = {manifest.inputs[0].name: inputs}
    return encode_inputs(inputs, manifest, max_batch)


def encode_inputs(
    inputs: Mapping[str, object], manifest: Manifest, max_batch: int
) -> list[dict[str, bytes]]:
    """The input tensors of each item, from nested lists by name that hold one item or a batch.

    Raises:
        InputError: `tensor-names`, `batch-sizes`, or as `encode_items`.
        PayloadTooLargeError: `batch-too-large`.
    """
    require_names(inputs.keys(), manifest)
    if not manifest.is_batched:
        return [{spec.name: encode_tensor(inputs[spec.name], spec) for spec in manifest.inputs}]
    batches = {spec.name: encode_items(inputs[spec.name], spec) for spec in manifest.inputs}
    require_one_size({name: len(batch) for name, batch in batches.items()}, max_batch)
    return [dict(zip(batches, item, strict=True)) for item in zip(*batches.values(), strict=True)]


def require_names(received: Collection[str], manifest: Manifest) -> None:
    """Refuses what does not name exactly the model's inputs.

    Raises:
        InputError: `tensor-names`.
    """
    names = {spec.name for spec in manifest.inputs}
    if set(received) != names:
        raise InputError(
            "tensor-names",
            f"the request does not name the inputs of model {manifest.name}",
            expected=", ".join(sorted(names)),
            received=f"{', '.join(sorted(received)):.200}" or "none",
            hint=_HINT,
        )


def _decode_pictures(
    value: object, manifest: Manifest, max_pixels: int, max_batch: int
) -> list[dict[str, bytes]]:
    if not isinstance(value, list):
        raise InputError(
            "json-form",
            '"images" is not a list',
            expected='{"images": [{"b64": "…"}, …]}',
            received=describe(value),
            hint='send one picture as {"image": {"b64": "…"}}',
        )
    return Listed(decode_pictures(value, manifest, max_pixels, max_batch))


def decode_pictures(
    pictures: list[object], manifest: Manifest, max_pixels: int, max_batch: int
) -> list[dict[str, bytes]]:
    """The input tensors of pictures in a list, which share the pixels that one may have.

    Raises:
        InputError: `batch-empty`, or as `decode_picture`; of several it says which.
        PayloadTooLargeError: `batch-too-large`.
    """
    require_batch_size(len(pictures), max_batch)
    most_pixels = max_pixels // len(pictures)
    return list(each_item(pictures, lambda each: decode_picture(each, manifest, most_pixels)))


def decode_picture(value: object, manifest: Manifest, max_pixels: int) -> dict[str, bytes]:
    """The input tensor of a picture that is `{"b64": "…"}`.

    Raises:
        InputError: `json-form` for a model that takes no pictures, `base64-invalid`, or as
            `decode_image`.
    """
    if manifest.preprocessing.kind != "image":
        raise InputError("json-form", f"model {manifest.name} takes tensors, not pictures", hint=_HINT)
    text = value.get("b64") if isinstance(value, dict) else None
    try:
        body = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        body = b""
    if not body:
        raise InputError(
            "base64-invalid",
            "the JSON body holds no picture in base64",
            expected='{"b64": "…"}',
            received=describe(value if text is None else text),
            hint="encode the picture file with base64, or send it as the body itself",
        )
    from liteship.runtime.codecs.image import decode_image

    return decode_image(body, manifest, max_pixels)
