"""Raw tensors: the model's own bytes, row-major and little-endian, inputs one after another.

Of a model with one input, several items may follow one another.
"""

from __future__ import annotations

from liteship.errors import InputError
from liteship.runtime.codecs import require_batch_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.manifest import Manifest


def decode_binary(body: bytes, manifest: Manifest, max_batch: int) -> list[dict[str, bytes]]:
    """Splits a body into the input tensors it must consist of.

    Args:
        body: All inputs in the model's order, each in its own dtype, quantized where it is.
        manifest: The model it is for.
        max_batch: Most items.

    Returns:
        Each item's input tensors: their bytes by name.

    Raises:
        InputError: `tensor-size`.
        PayloadTooLargeError: `batch-too-large`.
    """
    expected = sum(spec.size_bytes for spec in manifest.inputs)
    may_be_several = manifest.is_batched and len(manifest.inputs) == 1
    if not body or (len(body) % expected if may_be_several else len(body) != expected):
        several = ", or a multiple of it" if may_be_several else ""
        raise InputError(
            "tensor-size",
            f"the body does not hold the input tensors of model {manifest.name}",
            expected=f"{expected} bytes{several}: {', '.join(map(str, manifest.inputs))}",
            received=f"{len(body)} bytes",
            hint="send the tensors in the model's own dtype, or as application/json in real numbers",
        )
    require_batch_size(len(body) // expected, max_batch)
    return [_split(body[start : start + expected], manifest) for start in range(0, len(body), expected)]


def _split(body: bytes, manifest: Manifest) -> dict[str, bytes]:
    tensors, offset = {}, 0
    for spec in manifest.inputs:
        tensors[spec.name] = body[offset : offset + spec.size_bytes]
        offset += spec.size_bytes
    return tensors
