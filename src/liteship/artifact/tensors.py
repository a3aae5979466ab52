"""What a model's input and output tensors look like; standard library only."""

from __future__ import annotations

import math
from array import array

from liteship.quantization import INTEGER_RANGE, ITEM_BYTES, TYPECODES, dequantize, real_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class TensorSpec:
    """Name, dtype, shape and quantization of one tensor.

    Args:
        name: Name in the model's signature.
        dtype: A key of `liteship.quantization.ITEM_BYTES`.
        shape: All dimensions, the batch dimension included; -1 for one that may change.
        scale: Real size of one step; 0.0 for a tensor that is not quantized.
        zero_point: The integer that stands for 0.0.

    Attributes:
        item_shape: The shape with every open dimension set to 1: what one request carries.
        elements: Number of elements one request carries.
        size_bytes: Bytes one request carries.
    """

    __slots__ = (
        "dtype",
        "elements",
        "item_shape",
        "name",
        "scale",
        "shape",
        "size_bytes",
        "zero_point",
    )

    def __init__(
        self, name: str, dtype: str, shape: Sequence[int], scale: float = 0.0, zero_point: int = 0
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = tuple(shape)
        self.scale = scale
        self.zero_point = zero_point
        self.item_shape = tuple(max(size, 1) for size in self.shape)
        self.elements = math.prod(self.item_shape)
        self.size_bytes = self.elements * ITEM_BYTES[dtype]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorSpec) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"TensorSpec({self})"

    def __str__(self) -> str:
        shape = "×".join("?" if size < 0 else str(size) for size in self.shape)
        return f"{self.name} {self.dtype} [{shape}]"

    @property
    def is_quantized(self) -> bool:
        """Whether the integers stand for real numbers by scale and zero point."""
        return self.scale > 0 and self.dtype in INTEGER_RANGE

    @property
    def takes_float32(self) -> bool:
        """Whether a caller's numbers become float32 first: to stay it, or to be quantized."""
        return self.is_quantized or self.dtype == "float32"

    def as_dict(self) -> dict[str, object]:
        """JSON-ready fields."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "scale": self.scale,
            "zero_point": self.zero_point,
        }


def have_batch(specs: Iterable[TensorSpec]) -> bool:
    """Whether the tensors may hold several items: every first dimension is open, or 1."""
    return all(spec.shape and spec.shape[0] in {-1, 1} for spec in specs)


def real_numbers(data: bytes, spec: TensorSpec) -> list[float]:
    """A tensor's elements, row-major: the real numbers that quantized ones stand for."""
    if spec.is_quantized and ITEM_BYTES[spec.dtype] == 1:
        table = real_table(spec.dtype, spec.scale, spec.zero_point)
        return [table[byte] for byte in data]
    values = array(TYPECODES[spec.dtype], data)
    if spec.is_quantized:
        return dequantize(values, spec.scale, spec.zero_point)
    return list(map(float, values))
