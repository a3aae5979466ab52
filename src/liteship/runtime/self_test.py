"""The golden input's answer: what it must be, and how far from it another processor may be.

Standard library only: it runs at every start, as the first inference.
"""

from __future__ import annotations

import math

from liteship.artifact.tensors import real_numbers
from liteship.errors import ArtifactError, NotReadyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from liteship.artifact.folder import Artifact
    from liteship.artifact.manifest import Manifest
    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.interpreter import Interpreter

GOLDEN_TOLERANCE = 0.1
"""Part of the greatest golden output that another processor's rounding may differ by; for quantized
outputs two steps are allowed at least. A misread operator is off by far more."""


def require_golden_answer(interpreter: Interpreter, artifact: Artifact, backend: str) -> None:
    """Runs the golden input and compares.

    Args:
        interpreter: Of the artifact's model.
        artifact: Says what the model is, and what it must answer.
        backend: The interpreter's, for messages.

    Raises:
        NotReadyError: `self-test-failed` if the outputs are not the golden ones.
        ArtifactError: `tensors-differ` if the model is not what the manifest says.
    """
    manifest = artifact.manifest
    found = [*interpreter.inputs.values(), *interpreter.outputs.values()]
    declared = [*manifest.inputs, *manifest.outputs]
    if sorted(map(_describe, found)) != sorted(map(_describe, declared)):
        raise ArtifactError(
            "tensors-differ",
            "the model's tensors are not the ones that model.json describes",
            expected=", ".join(map(_describe, declared)),
            received=", ".join(map(_describe, found)),
            hint="convert the model again: liteship convert NAME",
        )
    outputs = interpreter.invoke(artifact.golden_tensors)
    golden_outputs = read_golden_outputs(manifest)
    for spec in manifest.outputs:
        want = golden_outputs[spec.name]
        difference = greatest_difference(real_numbers(outputs[spec.name], spec), want)
        tolerance = golden_tolerance(want, spec)
        if not difference <= tolerance:  # a NaN must fail
            raise NotReadyError(
                "self-test-failed",
                f"back end {backend} answers the golden input of {manifest.name} "
                f"version {manifest.version} wrongly at output {spec.name}",
                expected=f"a difference of at most {tolerance:.6g}",
                received=f"{difference:.6g}",
                hint="use the runtime version that the model was converted with",
            )


def read_golden_outputs(manifest: Manifest) -> dict[str, list[float]]:
    """The outputs that the golden input must give, as real numbers, by name."""
    pairs = zip(manifest.outputs, manifest.golden.outputs, strict=True)
    return {spec.name: real_numbers(data, spec) for spec, data in pairs}


def golden_tolerance(want: Sequence[float], spec: TensorSpec) -> float:
    """How far an output may be from the golden one, in real numbers.

    Args:
        want: The golden output's elements.
        spec: The output tensor.
    """
    return max(2 * spec.scale, GOLDEN_TOLERANCE * max(map(abs, want)))


def greatest_difference(have: Sequence[float], want: Sequence[float]) -> float:
    """The greatest difference between elements at the same place; NaN where one is."""
    differences = [abs(a - b) for a, b in zip(have, want, strict=True)]
    return math.nan if any(map(math.isnan, differences)) else max(differences)


def _describe(spec: TensorSpec) -> str:
    """A tensor with its quantization; nine digits tell every float32 from its neighbours."""
    if not spec.is_quantized:
        return str(spec)
    return f"{spec} scale {spec.scale:.9g} zero point {spec.zero_point}"
