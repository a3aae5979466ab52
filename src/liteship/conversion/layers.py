"""How far each operator of a quantized model is from the same operator of the float model.

Both models run on the same samples with every intermediate result kept, on XNNPACK, which serves the
deployed model, too. LiteRT's own kernels are no alternative: they refuse models that XNNPACK runs, such
as an int8 MobileNetV2 with a depthwise channel of nearly nothing.

Imports LiteRT's Python package and NumPy: runs in the conversion's child process only.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from litert_quantizer.utils import tfl_interpreter_utils

from liteship.conversion.report.parts import LayerError
from liteship.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    _Pair = tuple["_Operator", "_Operator"]

_CONVERSIONS = frozenset({"QUANTIZE", "DEQUANTIZE"})
_FLOATS = frozenset({"FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16"})


def _names(enumeration: type) -> dict[int, str]:
    return {code: name for name, code in vars(enumeration).items() if isinstance(code, int)}


_OPERATORS = _names(schema.BuiltinOperator)
_DTYPES = _names(schema.TensorType)


def layer_errors(
    float_model: bytes, quantized: bytes, samples: Mapping[str, NDArray[np.generic]], limit: int = 16
) -> list[LayerError]:
    """Compares the results of a float model's operators with their counterparts'.

    An operator's counterpart is the one at its place in a quantized model with the same sequence of
    operators, those between integers and floats aside; else the one of its kind whose result has its
    result's name. Operators without one, and results that are no real numbers, are left out.

    Args:
        float_model: Content of a float `.tflite`; its first signature is run.
        quantized: Content of the `.tflite` made from it.
        samples: Arrays of shape (samples, …) by input name (tensor name where the model has no
            signature), float32 or the input's own integer dtype.
        limit: Samples used at most, the first ones.

    Returns:
        One item an operator, in the order of the float model.

    Raises:
        ConversionError: `layers-not-measured` if LiteRT cannot run one of the models so. That says
            nothing about the model as it is deployed, whose intermediate results nobody keeps.
    """
    try:
        return _measure(_Run(float_model), _Run(quantized), samples, limit)
    except (RuntimeError, ValueError) as error:
        raise ConversionError(
            "layers-not-measured",
            f"the error of each layer cannot be measured: {str(error)[:300]}",
            hint="judge the model by its accuracy and its outputs",
        ) from error


def _measure(
    reference: _Run, candidate: _Run, samples: Mapping[str, NDArray[np.generic]], limit: int
) -> list[LayerError]:
    pairs = _pairs(reference.operators, candidate.operators)
    sums = [_Sums() for _ in pairs]
    for index in range(min(limit, len(next(iter(samples.values()))))):
        sample = {name: values[index : index + 1] for name, values in samples.items()}
        reference.invoke(sample)
        candidate.invoke(sample)
        for (ours, theirs), total in zip(pairs, sums, strict=True):
            expected, received = reference.result(ours), candidate.result(theirs)
            if expected is not None and received is not None and expected.shape == received.shape:
                total.add(expected, received)
    return [
        _error(ours, theirs, total)
        for (ours, theirs), total in zip(pairs, sums, strict=True)
        if total.count
    ]


@dataclass(frozen=True, kw_only=True)
class _Operator:
    """An operator and its first result.

    Attributes:
        name: Of the operator, such as `CONV_2D`.
        tensor: Name of its result.
        dtype: Of its result, such as `int8`.
        index: Of its result, among the tensors of the graph.
        in_float: Whether all that it reads and writes is floating-point.
    """

    name: str
    tensor: str
    dtype: str
    index: int
    in_float: bool


class _Run:
    """A model that keeps what every operator gave."""

    def __init__(self, model: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # keeping every result takes memory, it says
            self._interpreter: Any = tfl_interpreter_utils.create_tfl_interpreter(model, num_threads=1)
        flat: Any = schema.Model.GetRootAs(model)  # reads in place, without a copy of the weights
        self._signature: str | None = None
        self._subgraph = 0
        if flat.SignatureDefsLength():
            self._signature = flat.SignatureDefs(0).SignatureKey().decode()
            self._subgraph = int(flat.SignatureDefs(0).SubgraphIndex())
        self.operators = list(_operators(flat, self._subgraph))
        self._details: dict[int, Any] = {}

    def invoke(self, sample: Mapping[str, NDArray[np.generic]]) -> None:
        """Runs one sample; float values are quantized where the input is."""
        inputs = {name: _single(values) for name, values in sample.items()}
        if self._signature is None:
            details = self._interpreter.get_input_details()
            tfl_interpreter_utils.invoke_interpreter_once(
                self._interpreter, [inputs[detail["name"]] for detail in details]
            )
        else:
            tfl_interpreter_utils.invoke_interpreter_signature(
                self._interpreter, inputs, self._signature
            )
        details = self._interpreter.get_tensor_details(self._subgraph)
        self._details = {int(detail["index"]): detail for detail in details}

    def result(self, operator: _Operator) -> NDArray[np.float64] | None:
        """The real numbers that an operator gave; None where they are none, or were not kept."""
        detail = self._details.get(operator.index)
        if detail is None:
            return None
        try:
            values = tfl_interpreter_utils.get_tensor_data(self._interpreter, detail, self._subgraph)
        except ValueError:  # LiteRT holds nothing for what did not run
            return None
        return values.astype(np.float64) if values.dtype.kind == "f" and values.size else None


class _Sums:
    """What the errors over all samples are computed from, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.signal = self.squares = self.noise = 0.0

    def add(self, expected: NDArray[np.float64], received: NDArray[np.float64]) -> None:
        """Adds one sample's results, of the same shape."""
        with np.errstate(all="ignore"):  # what is not finite ends as an error that is not
            self.count += expected.size
            self.signal += float(expected.sum())
            self.squares += float(np.square(expected).sum())
            self.noise += float(np.square(received - expected).sum())


def _operators(flat: Any, subgraph: int) -> Iterator[_Operator]:
    graph = flat.Subgraphs(subgraph)
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        if not operator.OutputsLength():
            continue
        index = int(operator.Outputs(0))
        read = [int(operator.Inputs(at)) for at in range(operator.InputsLength())]
        tensors = [graph.Tensors(each) for each in (index, *read) if each >= 0]  # -1: left out
        yield _Operator(
            name=_operator_name(flat.OperatorCodes(operator.OpcodeIndex())),
            tensor=tensors[0].Name().decode(errors="replace"),
            dtype=_DTYPES[tensors[0].Type()].lower(),
            index=index,
            in_float=_in_float([_DTYPES[tensor.Type()] for tensor in tensors]),
        )


def _in_float(dtypes: Sequence[str]) -> bool:
    """Shapes and axes are integers in every model: they do not make an operator an integer one."""
    return dtypes[0] in _FLOATS and not {"INT4", "INT8", "UINT8", "INT16"} & set(dtypes)


def _operator_name(code: Any) -> str:
    # Models of older writers have only the deprecated field, which ends at 127.
    builtin = max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))
    if builtin == schema.BuiltinOperator.CUSTOM:
        return str((code.CustomCode() or b"CUSTOM").decode(errors="replace"))
    return _OPERATORS[builtin]


def _pairs(ours: Sequence[_Operator], theirs: Sequence[_Operator]) -> list[_Pair]:
    """Each operator of the float model with its counterpart, conversions between dtypes aside.

    TensorFlow's converter numbers equal names anew, so that a name may mean another tensor in the
    quantized model: places come before names.
    """
    ours = [operator for operator in ours if operator.name not in _CONVERSIONS]
    theirs = [operator for operator in theirs if operator.name not in _CONVERSIONS]
    if [operator.name for operator in ours] == [operator.name for operator in theirs]:
        return list(zip(ours, theirs, strict=True))
    counts = Counter(_key(operator) for operator in theirs)
    by_key = {_key(operator): operator for operator in theirs if counts[_key(operator)] == 1}
    return [(operator, by_key[_key(operator)]) for operator in ours if _key(operator) in by_key]


def _key(operator: _Operator) -> tuple[str, str]:
    """litert-quantizer appends to a tensor's name where a float and an integer operator meet."""
    return operator.name, operator.tensor.removesuffix("_quantized").removesuffix("_dequant")


def _error(ours: _Operator, theirs: _Operator, total: _Sums) -> LayerError:
    power, noise = total.squares / total.count, total.noise / total.count
    variance = power - (total.signal / total.count) ** 2
    # A constant's variance is the rounding error of this difference.
    deviation = math.sqrt(variance) if variance > 1e-12 * power else 0.0
    rmse = math.sqrt(noise)
    ratio = power / noise if noise > 0 else math.inf
    return LayerError(
        operator=ours.name,
        tensor=ours.tensor,
        dtype=theirs.dtype,
        in_float=theirs.in_float,
        rmse=_finite(rmse),
        relative_error=_finite(rmse / deviation) if deviation else None,
        sqnr_db=_finite(10 * math.log10(ratio)) if ratio > 0 else None,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _single(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values.astype(np.float32) if values.dtype.kind == "f" else values
