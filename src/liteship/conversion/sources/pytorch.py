"""PyTorch modules, exported programs and TorchScript, through litert-torch.

The batch is fixed at 1, which is what a runtime asks for: of five small models, litert-torch 0.10
kept an open batch in one, with a wrong output shape (decision record 9). 64-bit integers become
32-bit ones.
Standard library and NumPy alone until `export` is called.
"""

from __future__ import annotations

import dataclasses
import os
import re
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from liteship.conversion.sources.exported import Exported
from liteship.errors import ConfigurationError, ConversionError, SourceModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.conversion.shrinking import ShrinkOptions
    from liteship.conversion.sources.exported import Arrays, ExportOptions
    from liteship.conversion.sources.torch_by_name import ByName, Loaded

    Progress = Callable[[str, int, int], None]

TorchFormat = Literal["torch-factory", "torch-export", "torchscript"]


def export(
    source: str, source_format: TorchFormat, options: ExportOptions, progress: Progress
) -> Exported:
    """Converts a PyTorch source to a float32 `.tflite`.

    Args:
        source: `module:factory`, importable from the working directory, or the path of a file.
        source_format: As `check_source` tells it.
        options: Its shapes are the module's own: NCHW, whatever `channel_last` says.
        progress: Called with the stage, steps done and steps in all.

    Returns:
        The model, whose inputs have the names of the module's arguments. With `channel_last`, inputs
        and outputs of four dimensions are NHWC. Integer inputs are int32.

    Raises:
        ConfigurationError: `extra-missing` or `input-shape-missing`.
        SourceModelError: `source-factory`, `source-inputs`, `source-corrupt`, `source-unsafe`,
            `source-batch` or `source-training`.
        ConversionError: `float-conversion` or `torchscript-conversion`.
    """
    os.environ["LITERT_TORCH_SHOW_PROGRESS"] = "n"
    with warnings.catch_warnings():
        # Deprecations inside PyTorch, torchao and litert-torch: nothing that a user could mend
        warnings.simplefilter("ignore")
        try:
            import litert_torch  # noqa: F401  # here, where its absence can be told
        except ImportError as error:
            raise ConfigurationError(
                "extra-missing",
                f"{source} needs PyTorch and litert-torch, which are not installed",
                received=str(error),
                hint="pip install 'liteship[torch]'",
            ) from error
        from liteship.conversion.sources.torch_modules import load

        progress("load", 0, 0)
        loaded = load(source, source_format, options)
        progress("float", 0, 0)
        exported = convert(loaded, channel_last=options.channel_last)
    if source_format != "torch-factory":  # an exported program's layers are not there to be pruned
        return exported
    return dataclasses.replace(
        exported, tuned=lambda *tuning: _tuned(loaded, options.channel_last, *tuning)
    )


def convert(loaded: Loaded, *, channel_last: bool) -> Exported:
    """Converts a loaded module.

    Args:
        loaded: The module with one sample of each input.
        channel_last: Let inputs and outputs of four dimensions be NHWC.

    Raises:
        SourceModelError: `source-inputs` if the module does not run on its samples.
        ConversionError: `float-conversion`.
    """
    import litert_torch
    import torch

    from liteship.conversion.sources.torch_by_name import ByName

    module = ByName(loaded.module, loaded, channel_last=channel_last)
    reference = ByName(loaded.reference, loaded, channel_last=channel_last)
    samples = {name: module.as_called(tensor) for name, tensor in loaded.inputs.items()}
    try:
        with torch.no_grad():
            outputs = reference.named_outputs(samples)
    except Exception as error:  # whatever the user's module raises
        shapes = {name: f"{each.dtype} {tuple(each.shape)}" for name, each in loaded.inputs.items()}
        raise SourceModelError(
            "source-inputs",
            f"the module cannot be run: {type(error).__name__}: {str(error)[:300]}",
            received=f"inputs of {shapes}",
            hint="let a factory return (module, example_inputs), which says what integers are",
        ) from error
    try:
        converted = litert_torch.convert(module, sample_kwargs=samples).model_content()
    except Exception as error:  # litert-torch, torch.export and JAX raise a zoo of their own
        raise _conversion_error(error) from error
    dtypes = {name: each.dtype for name, each in loaded.inputs.items()}
    return Exported(
        float_model=_with_output_names(converted, list(outputs)),
        outputs=tuple(outputs),
        run=lambda arrays: _run(reference, dtypes, arrays),
    )


def _tuned(
    loaded: Loaded,
    channel_last: bool,
    inputs: Arrays,
    labels: NDArray[Any],
    shrinking: ShrinkOptions,
    progress: Progress,
) -> bytes:
    from liteship.conversion.shrinking.torch_pruning import shrink_torch

    own = {
        name: np.ascontiguousarray(inputs[name].transpose(0, 3, 1, 2))
        if channel_last and inputs[name].ndim == 4
        else inputs[name]
        for name in loaded.inputs
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        better = shrink_torch(loaded.module, own, labels, shrinking, progress)
        tuned = dataclasses.replace(loaded, module=better, reference=better)
        return convert(tuned, channel_last=channel_last).float_model


def _run(
    reference: ByName, dtypes: Mapping[str, Any], arrays: Arrays
) -> dict[str, NDArray[np.float32]]:
    """Sample by sample, as the model was converted."""
    import torch

    rows: dict[str, list[NDArray[np.float32]]] = {}
    with torch.no_grad():
        for index in range(len(next(iter(arrays.values())))):
            sample = {
                name: torch.from_numpy(np.ascontiguousarray(arrays[name][index : index + 1])).to(dtype)
                for name, dtype in dtypes.items()
            }
            for name, tensor in reference.named_outputs(sample).items():
                rows.setdefault(name, []).append(np.atleast_1d(tensor.float().numpy()))
    return {name: np.concatenate(each) for name, each in rows.items()}


def _with_output_names(model: bytes, names: Sequence[str]) -> bytes:
    """Gives the signature's `output_0`, `output_1` … the names of the module's outputs.

    Tensors, which litert-torch names after the class that it converts, lose the name of ours.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    from liteship.conversion.sources.torch_by_name import ByName

    graph: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    for output in graph.signatureDefs[0].outputs:
        index = int(output.name.decode().removeprefix("output_"))
        output.name = names[index].encode()
    ours = f"{ByName.__module__}.{ByName.__name__}".encode()
    for tensor in graph.subgraphs[0].tensors:
        tensor.name = tensor.name.replace(ours, b"module")
    return bytes(flatbuffer_utils.convert_object_to_bytearray(graph))


def _conversion_error(error: Exception) -> ConversionError:
    text = str(error)
    missing = re.search(r"Lowering not found: (\S+)", text)
    executed = re.search(r"target=(?:torch\.ops\.)?([\w.]+)\]", text)
    operator = missing or executed
    if "data-dependent" in text:
        what = "what the module does depends on the values of a tensor"
    elif operator:
        what = f"litert-torch has no TFLite operator for {operator.group(1)}"
    else:
        what = f"litert-torch failed: {type(error).__name__}: {text[:500]}"
    line = re.search(r'^File "(.+)", line (\d+)', text, re.MULTILINE)
    return ConversionError(
        "float-conversion",
        what,
        problems=[f"{line.group(1)}, line {line.group(2)}"] if line else (),
        received=text.partition("\n")[0][:300],
        hint="write that part of the module with other operators, or leave it to a postprocess hook",
    )
