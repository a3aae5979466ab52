"""ONNX models, through onnx2tf.

onnx2tf needs NumPy 1 and TensorFlow 2.19, so this runs in an environment of its own
(`liteship.conversion.environments`): standard library and NumPy alone until `export` is called. onnx2tf
prints, calls exit(), writes into the working directory, overwrites the model it reads and downloads
pictures to try it on; all of that is kept inside a temporary folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from liteship.conversion.sources.exported import Exported
from liteship.errors import ConfigurationError, ConversionError, SourceModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from liteship.conversion.sources.exported import Arrays, ExportOptions

    Progress = Callable[[str, int, int], None]
    Layout = Callable[[NDArray[np.generic]], NDArray[np.generic]]

_PICTURES = "calibration_image_sample_data_20x128x128x3_float32.npy"
"""What onnx2tf downloads, unless it finds the file in the working directory."""


def export(source: str, _source_format: str, options: ExportOptions, progress: Progress) -> Exported:
    """Converts an ONNX model to a float32 `.tflite`.

    Args:
        source: The `.onnx` file; its weights may stand in files beside it.
        options: Its shapes are the source's own: NCHW, whatever `channel_last` says.
        progress: Called with the stage, steps done and steps in all.

    Returns:
        The model, with the source's names, whose characters that are none of a word become `_`. With
        `channel_last`, inputs of four dimensions are NHWC; all others keep the source's shape. Outputs
        of convolutions are channel-last, whatever was asked for. An open batch stays open, integers
        keep their width.

    Raises:
        ConfigurationError: `extra-missing`, `input-shape-missing` or `input-shape-invalid`.
        SourceModelError: `source-corrupt` or `source-batch`.
        ConversionError: `float-conversion`, which names the operators.
    """
    path = Path(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations between the packages: nothing to mend
        try:
            import onnx2tf  # noqa: F401  # here, where its absence can be told
            import onnxruntime

            from liteship.conversion.sources import onnx_graph
        except ImportError as error:
            raise ConfigurationError(
                "extra-missing",
                f"{path} needs onnx2tf, which is not installed here",
                received=str(error),
                hint="pip install 'liteship[onnx]', and let liteship install it into its environment",
            ) from error
        progress("load", 0, 0)
        model = onnx_graph.load(path)
        onnx_graph.fix_shapes(model, options, path)
        onnx_graph.require_operators(model, path)
        onnx_graph.rename(model)
        onnxruntime.set_default_logger_severity(4)  # fatal: errors are raised
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString())
        except Exception as error:  # ONNX Runtime raises its own zoo
            raise SourceModelError(
                "source-corrupt",
                f"ONNX Runtime cannot load {path}: {str(error)[:300]}",
                hint="export the model again",
            ) from error
        progress("float", 0, 0)
        ranks = {each.name: len(each.shape) for each in session.get_inputs()}
        pictures = {name for name, rank in ranks.items() if rank == 4 and options.channel_last}
        with tempfile.TemporaryDirectory(prefix="liteship-onnx-") as folder:
            kept = {name for name, rank in ranks.items() if rank in {3, 4, 5}} - pictures
            float_model = _convert(model, Path(folder), kept)
        layouts = _output_layouts(float_model, session, pictures)
    return Exported(
        float_model=float_model, run=lambda arrays: _run(session, pictures, layouts, arrays)
    )


def _convert(model: Any, folder: Path, kept: set[str]) -> bytes:
    import onnx
    import onnx2tf

    onnx.save(model, folder / "model.onnx")
    pictures = np.random.default_rng(1).random((20, 128, 128, 3), np.float32)
    np.save(folder / _PICTURES, pictures)
    # onnx2tf runs the program onnxsim, which stands beside this environment's Python
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    output = io.StringIO()
    recursion = sys.getrecursionlimit()
    try:
        with (
            contextlib.chdir(folder),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
        ):
            onnx2tf.convert(
                input_onnx_file_path="model.onnx",
                output_folder_path="converted",
                keep_ncw_or_nchw_or_ncdhw_input_names=sorted(kept) or None,
                onnxruntime_output_memmap=False,
                verbosity="error",
            )
        float_model = (folder / "converted" / "model_float32.tflite").read_bytes()
    except (Exception, SystemExit) as error:  # onnx2tf ends the process where it gives up
        raise _conversion_error(error, output.getvalue()) from error
    finally:
        sys.setrecursionlimit(recursion)
    strangers = _custom_operators(float_model)
    if strangers:
        raise ConversionError(
            "float-conversion",
            f"the model needs operators that LiteRT does not have: {', '.join(strangers)}",
            hint="export the model without them, or leave that part to a hook",
        )
    return float_model


def _conversion_error(error: BaseException, output: str) -> ConversionError:
    """Names the operator, which stands on the exception or in what onnx2tf printed."""
    plain, text = (re.sub(r"\x1b\[[0-9;]*m", "", each) for each in (output, str(error)))
    printed = re.search(r"onnx_op_name: *(\S+)", plain)
    operator = getattr(error, "onnx_op_name", None) or (printed and printed.group(1))
    where = f" at operator {operator}" if operator else ""
    lines = [line.strip() for line in plain.splitlines() if line.startswith("ERROR")]
    return ConversionError(
        "float-conversion",
        f"onnx2tf failed{where}: {type(error).__name__}: {text[:300]}",
        problems=lines[:5],
        hint="export the model without that operator, or from PyTorch with torch.export",
    )


def _custom_operators(model: bytes) -> list[str]:
    from ai_edge_litert import schema_py_generated as schema

    root: Any = schema.Model.GetRootAs(model, 0)
    codes = (root.OperatorCodes(index).CustomCode() for index in range(root.OperatorCodesLength()))
    return sorted({code.decode() for code in codes if code})


def _output_layouts(float_model: bytes, session: Any, pictures: set[str]) -> dict[str, Layout]:
    """How each output of the source becomes the converted model's, found by running both once.

    onnx2tf decides itself which outputs it leaves in channel-last form; square ones do not show it.
    """
    from liteship.runtime.interpreter import create_interpreter

    interpreter = create_interpreter(float_model, "litert")
    sample = {name: _sample(spec.item_shape, spec.dtype) for name, spec in interpreter.inputs.items()}
    answers = interpreter.invoke({name: each.tobytes() for name, each in sample.items()})
    layouts: dict[str, Layout] = {}
    for name, values in _answers(session, pictures, sample).items():
        spec = interpreter.outputs[name]
        answer = np.frombuffer(answers[name], spec.dtype).reshape(spec.item_shape)
        ways: list[Layout] = [np.asarray]
        if values.ndim > 2:
            ways.append(lambda array: np.moveaxis(array, 1, -1))
        fitting = [way for way in ways if way(values).shape == answer.shape]
        if not fitting:
            raise ConversionError(
                "float-conversion",
                f"onnx2tf gave output {name} another shape",
                expected=f"{values.shape}, or that with the channels last",
                received=str(answer.shape),
                hint="report the model to onnx2tf, or convert it from its own framework",
            )
        layouts[name] = min(fitting, key=lambda way: float(np.abs(way(values) - answer).max(initial=0)))
    return layouts


def _sample(shape: tuple[int, ...], dtype: str) -> NDArray[np.generic]:
    if dtype.startswith("float"):
        return np.random.default_rng(1).normal(size=shape).astype(dtype)
    return np.zeros(shape, dtype)  # an id that every table has


def _run(
    session: Any, pictures: set[str], layouts: Mapping[str, Layout], arrays: Arrays
) -> dict[str, NDArray[np.float32]]:
    """Sample by sample: not every model with an open batch can take more than one."""
    rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in layouts}
    for index in range(len(next(iter(arrays.values())))):
        sample = {name: each[index : index + 1] for name, each in arrays.items()}
        for name, values in _answers(session, pictures, sample).items():
            rows[name].append(np.atleast_1d(layouts[name](values).astype(np.float32)))
    return {name: np.concatenate(each) for name, each in rows.items()}


def _answers(session: Any, pictures: set[str], sample: Arrays) -> dict[str, NDArray[np.generic]]:
    """What ONNX Runtime answers to one sample in the converted model's layout; outputs as they are."""
    feed = {
        name: np.ascontiguousarray(np.moveaxis(each, -1, 1) if name in pictures else each)
        for name, each in sample.items()
    }
    outputs = [each.name for each in session.get_outputs()]
    return dict(zip(outputs, session.run(outputs, feed), strict=True))
