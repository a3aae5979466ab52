"""Raw tensors: the model's own bytes, row-major and little-endian, inputs one after another."""

from __future__ import annotations

from liteship.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liteship.artifact.manifest import Manifest


def decode_binary(body: bytes, manifest: Manifest) -> dict[str, bytes]:
    """Splits a body into the input tensors it must consist of.

    Args:
        body: All inputs in the model's order, each in its own dtype, quantized where it is.
        manifest: The model it is for.

    Returns:
        Each input tensor's bytes by name.

    Raises:
        InputError: `tensor-size`.
    """
    expected = sum(spec.size_bytes for spec in manifest.inputs)
    if len(body) != expected:
        raise InputError(
            "tensor-size",
            f"the body does not hold the input tensors of model {manifest.name}",
            expected=f"{expected} bytes: {', '.join(map(str, manifest.inputs))}",
            received=f"{len(body)} bytes",
            hint="send the tensors in the model's own dtype, or as application/json in real numbers",
        )
    tensors, offset = {}, 0
    for spec in manifest.inputs:
        tensors[spec.name] = body[offset : offset + spec.size_bytes]
        offset += spec.size_bytes
    return tensors
