"""What one model hands to the next, by name and as real numbers; and what they are together."""

from __future__ import annotations

from array import array

from liteship.artifact.folder import sha256_hex
from liteship.artifact.manifest import Manifest
from liteship.artifact.parts import Golden
from liteship.quantization import TYPECODES, quantize
from liteship.runtime.pipeline_steps import CodeStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from liteship.artifact.tensors import TensorSpec
    from liteship.runtime.predictor import Predictor


def join(first: Manifest, second: Manifest) -> list[tuple[TensorSpec, TensorSpec]]:
    """Which output of one model becomes which input of the next: those of the same name.

    The only output of a model goes to the only input of the next whatever their names are.

    Args:
        first: Has the outputs. Those that the next model has no input for are left.
        second: Has the inputs.

    Returns:
        Output and input, for each input that an output was found for.
    """
    if len(first.outputs) == len(second.inputs) == 1:
        return [(first.outputs[0], second.inputs[0])]
    outputs = {spec.name: spec for spec in first.outputs}
    return [(outputs[spec.name], spec) for spec in second.inputs if spec.name in outputs]


def join_problems(first: Manifest, second: Manifest) -> list[str]:
    """Why one model cannot follow another, one line for each input of the second."""
    pairs = join(first, second)
    found = {target.name for _, target in pairs}
    problems = [
        f"input {spec} of {second.name} has no output of that name in {first.name}, which has "
        f"{', '.join(map(str, first.outputs))}"
        for spec in second.inputs
        if spec.name not in found
    ]
    for source, target in pairs:
        ends = f"output {source} of {first.name} to input {target} of {second.name}"
        if source.elements != target.elements:
            problems.append(f"{ends}: {source.elements} elements, where {target.elements} are needed")
        elif not _is_real(target) and (_is_real(source) or source.dtype != target.dtype):
            problems.append(f"{ends}: {target.dtype} is given as it is, and cannot be made of others")
    return problems


def hand_over(first: Predictor, outputs: Mapping[str, bytes], second: Predictor) -> dict[str, bytes]:
    """One item's input tensors of the next model, from the outputs of the one before.

    Args:
        first: Gave the outputs.
        outputs: Their bytes by name.
        second: A model with which `join_problems` finds none.

    Returns:
        The inputs' bytes by name: real numbers are quantized anew with the input's own scale and
        zero point; what is not real (booleans, indices) stays as it is.

    Raises:
        ArtifactError: `output-not-finite`.
    """
    real = first.read(outputs)
    return {
        target.name: _write(real[source.name], target) if _is_real(target) else outputs[source.name]
        for source, target in join(first.manifest, second.manifest)
    }


def joined_manifest(name: str, version: str, steps: Sequence[CodeStep | Manifest]) -> Manifest:
    """One model's manifest for all: made for protocols to read, of no file.

    It has no golden input, for each model has passed its own self-test.
    """
    models = [step for step in steps if not isinstance(step, CodeStep)]
    schemes = {model.scheme for model in models}
    return Manifest(
        name=name,
        version=version,
        # As a model's digest, it changes when one of them does
        sha256=sha256_hex("".join(model.sha256 for model in models).encode()),
        size_bytes=sum(model.size_bytes for model in models),
        scheme=schemes.pop() if len(schemes) == 1 else "mixed",
        inputs=models[0].inputs,
        outputs=models[-1].outputs,
        preprocessing=models[0].preprocessing,
        postprocessing=models[-1].postprocessing,
        golden=Golden("", ()),
        provenance={"pipeline": [_describe_step(step) for step in steps]},
    )


def _describe_step(step: CodeStep | Manifest) -> dict[str, str]:
    if isinstance(step, CodeStep):
        return {"code": step.text}
    return {"model": step.name, "version": step.version, "sha256": step.sha256}


def _is_real(spec: TensorSpec) -> bool:
    return spec.is_quantized or spec.dtype in {"float32", "float64"}


def _write(values: Sequence[float], spec: TensorSpec) -> bytes:
    if spec.is_quantized:
        return quantize(values, spec.dtype, spec.scale, spec.zero_point).tobytes()
    return array(TYPECODES[spec.dtype], values).tobytes()
