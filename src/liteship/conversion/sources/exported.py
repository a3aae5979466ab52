"""What every source format is turned into: a float `.tflite`, and a way to run the source itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from liteship.conversion.shrinking import ShrinkOptions

    Arrays = Mapping[str, NDArray[np.generic]]
    Progress = Callable[..., None]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What a user may say about a source model.

    Attributes:
        signature: Of a SavedModel with several signatures, the one to convert.
        input_shapes: Shape by input name, batch dimension included; of a model with one input the
            name may be empty. For what the source leaves open, and for PyTorch modules, which have no
            shapes.
        channel_last: Let a PyTorch module, which takes NCHW pictures, take NHWC ones.
    """

    signature: str | None = None
    input_shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    channel_last: bool = True


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A source model, converted but not quantized.

    Attributes:
        float_model: Content of a float32 `.tflite` with one signature.
        run: The source model itself, in its own framework: arrays of shape (samples, …) by the
            `.tflite` model's input names in, float32 arrays of shape (samples, …) by its output names
            out. None where the float `.tflite` is the source.
        outputs: The outputs' names in the source's order, in which predictions come first; empty for
            the order of the `.tflite`.
        tuned: The same converted again after fine-tuning the source model; None where it cannot be
            trained. Labelled samples as the source takes them, options, and a progress in; a float
            `.tflite` out.
    """

    float_model: bytes
    run: Callable[[Arrays], dict[str, NDArray[np.float32]]] | None
    outputs: tuple[str, ...] = ()
    tuned: Callable[[Arrays, NDArray[Any], ShrinkOptions, Progress], bytes] | None = None
