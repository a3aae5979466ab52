"""Tensors in TensorFlow Serving's JSON: rows and columns, both ways."""

from __future__ import annotations

from liteship.errors import InputError
from liteship.runtime.codecs import PackedNumbers, each_item, require_batch_size
from liteship.runtime.codecs.json_form import describe, encode_tensor
from liteship.runtime.codecs.json_request import (
    decode_picture,
    decode_pictures,
    encode_inputs,
    require_names,
)
from liteship.runtime.examples import nest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.inference import Inference

    Tensors = dict[str, bytes]


def decode(
    content: Mapping[str, object], manifest: Manifest, max_pixels: int, max_batch: int
) -> list[Tensors]:
    """Each item's input tensors, their bytes by name.

    Args:
        content: A request with either `instances` or `inputs`.
        manifest: The model it is for.
        max_pixels: Largest picture to decode; each of several has its part of them.
        max_batch: Most items.

    Raises:
        InputError: `json-form`, `tensor-names`, `batch-empty`, or as the codecs of JSON; of several
            items it says which.
        PayloadTooLargeError: `batch-too-large`.
    """
    if "inputs" in content:
        return _decode_columns(content["inputs"], manifest, max_pixels, max_batch)
    rows = content["instances"]
    if isinstance(rows, PackedNumbers):
        rows = rows.rows()
    if not isinstance(rows, list):
        raise InputError(
            "json-form",
            '"instances" is not a list',
            expected='{"instances": [item, …]}',
            received=describe(rows),
            hint='send a single item as {"instances": [item]}',
        )
    require_batch_size(len(rows), max_batch if manifest.is_batched else len(rows))
    named = list(each_item(rows, lambda row: _named(row, manifest)))
    if not manifest.is_batched:  # the rows are the tensor's own
        columns = {spec.name: [row[spec.name] for row in named] for spec in manifest.inputs}
        return [{spec.name: encode_tensor(columns[spec.name], spec) for spec in manifest.inputs}]
    most_pixels = max_pixels // len(rows)

    def encode_row(row: Mapping[str, object]) -> Tensors:
        if any(map(_is_encoded, row.values())):
            return decode_picture(next(iter(row.values())), manifest, most_pixels)
        return {spec.name: encode_tensor(row[spec.name], spec) for spec in manifest.inputs}

    return list(each_item(named, encode_row))


def _decode_columns(
    columns: object, manifest: Manifest, max_pixels: int, max_batch: int
) -> list[Tensors]:
    named = _named(columns, manifest)
    first = next(iter(named.values()))
    if _is_encoded(first):
        return [decode_picture(first, manifest, max_pixels)]
    if isinstance(first, list) and first and _is_encoded(first[0]):
        return decode_pictures(first, manifest, max_pixels, max_batch)
    return encode_inputs(named, manifest, max_batch)


def _named(value: object, manifest: Manifest) -> Mapping[str, object]:
    """The inputs by name; a model's only input needs none."""
    if isinstance(value, dict) and not _is_encoded(value):
        require_names(value.keys(), manifest)
        return value
    if len(manifest.inputs) > 1:
        raise InputError(
            "tensor-names",
            f"model {manifest.name} has several inputs, and the request names none",
            expected=f"an object with {', '.join(spec.name for spec in manifest.inputs)}",
            received=describe(value),
            hint="send each input by its name",
        )
    return {manifest.inputs[0].name: value}


def _is_encoded(value: object) -> bool:
    """Whether it stands for bytes: an object of nothing but `b64`."""
    return isinstance(value, dict) and value.keys() == {"b64"}


def answer(inference: Inference, manifest: Manifest, *, is_row: bool) -> dict[str, object]:
    """The outputs as nested lists: each item's in row form, each tensor's in column form.

    Args:
        inference: What the model made of its items.
        manifest: The model.
        is_row: Whether the request was in row form.

    Raises:
        InputError: `row-form-impossible` where a model without a batch gives no rows.
    """
    columns = {spec.name: _column(inference, spec) for spec in manifest.outputs}
    if not is_row:
        return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    sizes = {len(column) if isinstance(column, list) else 0 for column in columns.values()}
    if len(sizes) > 1 or 0 in sizes:
        raise InputError(
            "row-form-impossible",
            f"the outputs of model {manifest.name} are not rows of one number",
            received=", ".join(map(str, manifest.outputs)),
            hint='send the request in column form: {"inputs": …}',
        )
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def _column(inference: Inference, spec: TensorSpec) -> object:
    """One output of all items, along the first dimension; a number where the tensor has none."""
    shape = spec.item_shape
    whole_shape = [len(inference.outputs) * shape[0], *shape[1:]] if shape else []
    return nest(inference.elements(spec), whole_shape)
