"""`model.json`: what the runtime must know about a model; standard library only.

Written deterministically: the same manifest always gives the same bytes.
"""

from __future__ import annotations

import json

from liteship.artifact.parts import (
    Golden,
    Postprocessing,
    Preprocessing,
    read_golden,
    read_postprocessing,
    read_preprocessing,
)
from liteship.artifact.reading import FieldReader
from liteship.artifact.tensors import TensorSpec, have_batch
from liteship.errors import ArtifactError
from liteship.quantization import INTEGER_RANGE, ITEM_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = 1
"""Version of the manifest's form. A runtime refuses one it does not know."""

SCHEMES = (
    "int8",
    "int8-float-io",
    "int16x8",
    "dynamic",
    "weight-only-int8",
    "weight-only-int4",
    "float16",
    "float32",
)


class Manifest:
    """Everything `model.json` says; see the fields' own classes for the details.

    Args:
        name: Model name, as in URLs.
        version: Model version, as in URLs.
        sha256: Digest of `model.tflite`, 64 hexadecimal digits.
        size_bytes: Size of `model.tflite`.
        scheme: Quantization scheme, one of `SCHEMES`.
        inputs: Input tensors, in the model's order.
        outputs: Output tensors, in the model's order.
        preprocessing: From request to tensor.
        postprocessing: From tensor to predictions.
        golden: The self-test.
        batching: Most items of one run; 1 where a run of several is not worth it, or answers otherwise
            than one by one. `model.json` says it where it is not 1.
        provenance: Where the model came from and how well it did: source digest, tool versions,
            calibration samples, accuracy. Nothing the runtime acts on.
    """

    __slots__ = (
        "batching",
        "golden",
        "inputs",
        "name",
        "outputs",
        "postprocessing",
        "preprocessing",
        "provenance",
        "scheme",
        "sha256",
        "size_bytes",
        "version",
    )

    def __init__(  # noqa: PLR0913  # one argument a field, all by name
        self,
        *,
        name: str,
        version: str,
        sha256: str,
        size_bytes: int,
        scheme: str,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
        preprocessing: Preprocessing,
        postprocessing: Postprocessing,
        golden: Golden,
        provenance: dict[str, object],
        batching: int = 1,
    ) -> None:
        self.name = name
        self.version = version
        self.sha256 = sha256
        self.size_bytes = size_bytes
        self.scheme = scheme
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.preprocessing = preprocessing
        self.postprocessing = postprocessing
        self.golden = golden
        self.provenance = provenance
        self.batching = batching

    @property
    def is_batched(self) -> bool:
        """Whether one request may carry several items: every first dimension is open, or 1."""
        return have_batch((*self.inputs, *self.outputs))

    def outer_shape(self, spec: TensorSpec, items: int = -1) -> list[int]:
        """A tensor's shape to a caller.

        Args:
            spec: One of the tensors.
            items: The first dimension, where a request may hold several.
        """
        return [items, *spec.shape[1:]] if self.is_batched else list(spec.item_shape)

    def as_dict(self) -> dict[str, object]:
        """JSON-ready fields, in the order a person reads them."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "version": self.version,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "scheme": self.scheme,
            "inputs": [spec.as_dict() for spec in self.inputs],
            "outputs": [spec.as_dict() for spec in self.outputs],
            "preprocessing": self.preprocessing.as_dict(),
            "postprocessing": self.postprocessing.as_dict(),
            "golden": self.golden.as_dict(),
            **({"batching": self.batching} if self.batching > 1 else {}),
            "provenance": self.provenance,
        }

    def to_json(self) -> str:
        """The manifest as the text of `model.json`.

        Raises:
            ValueError: A number is NaN or infinite, which JSON cannot hold.
        """
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, path: str) -> Manifest:
        """Reads the text of a `model.json`.

        Args:
            text: The file's content.
            path: Its path, for messages.

        Raises:
            ArtifactError: `manifest-json` for text that is not JSON, `manifest-schema` for a form
                this version does not know, `manifest-invalid` with every problem found.
        """
        try:
            content = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ArtifactError(
                "manifest-json",
                f"{path} is not JSON: {error}",
                hint="convert the model again: liteship convert NAME",
            ) from error
        problems: list[str] = []
        reader = FieldReader(content, "model.json", problems)
        schema = reader.take("schema", int)
        if not problems and schema != SCHEMA:
            raise ArtifactError(
                "manifest-schema",
                f"{path} has a form that this version of liteship does not know",
                expected=f"schema {SCHEMA}",
                received=f"schema {schema}",
                hint="convert the model again with this version, or install the version that wrote it",
            )
        manifest = cls(
            name=reader.take("name", str),
            version=reader.take("version", str),
            sha256=reader.take("sha256", str),
            size_bytes=reader.take("size_bytes", int),
            scheme=reader.choose("scheme", SCHEMES),
            inputs=[_read_tensor(each) for each in reader.each("inputs")],
            outputs=[_read_tensor(each) for each in reader.each("outputs")],
            preprocessing=read_preprocessing(reader.nested("preprocessing")),
            postprocessing=read_postprocessing(reader.nested("postprocessing")),
            golden=read_golden(reader.nested("golden")),
            provenance=reader.take("provenance", dict, {}),
            batching=reader.take("batching", int, 1),
        )
        reader.close()
        if not problems:
            problems += manifest.contradictions()
        if problems:
            raise ArtifactError(
                "manifest-invalid",
                f"{path} cannot be used",
                problems=problems,
                hint="convert the model again: liteship convert NAME",
            )
        return manifest

    def contradictions(self) -> list[str]:
        """What the fields say against one another, one line each."""
        problems = []
        if not self.inputs or not self.outputs:
            problems.append("model.json: a model has at least one input and one output")
            return problems
        if self.batching < 1:
            problems.append(f"batching: a run takes 1 item at least, not {self.batching}")
        problems += [
            f"{spec}: only the first dimension, the batch, may be open"
            for spec in (*self.inputs, *self.outputs)
            if any(size < 1 for size in spec.shape[1:])
        ]
        first = self.inputs[0]
        if self.preprocessing.kind == "image":
            channels = 1 if self.preprocessing.color == "L" else 3
            if len(self.inputs) != 1 or len(first.shape) != 4 or first.shape[3] != channels:
                problems.append(
                    f"preprocessing.color {self.preprocessing.color} needs one input of shape "
                    f"[batch, height, width, {channels}], the model has {first}"
                )
            elif not first.is_quantized and first.dtype != "float32":
                problems.append(f"a picture becomes float32 or quantized integers, not {first}")
            if not len(self.preprocessing.mean) == len(self.preprocessing.std) == channels:
                problems.append(f"preprocessing.mean and .std need {channels} values each")
            if 0 in self.preprocessing.std:
                problems.append("preprocessing.std: 0 divides nothing")
        labels = len(self.postprocessing.labels)
        if labels and labels != self.outputs[0].elements:
            problems.append(f"{labels} labels for {self.outputs[0].elements} outputs")
        sizes = [len(output) for output in self.golden.outputs]
        if sizes != [spec.size_bytes for spec in self.outputs]:
            problems.append(f"golden.outputs has {sizes} bytes for {list(map(str, self.outputs))}")
        return problems


def _refuse_constant(text: str) -> None:
    msg = f"it holds {text}"
    raise ValueError(msg)


def _read_tensor(reader: FieldReader) -> TensorSpec:
    spec = TensorSpec(
        name=reader.take("name", str),
        dtype=reader.choose("dtype", tuple(ITEM_BYTES)),
        shape=reader.items("shape", int),
        scale=float(reader.take("scale", (float, int), 0.0)),
        zero_point=reader.take("zero_point", int, 0),
    )
    reader.close()
    if spec.scale < 0:
        reader.problems.append(f"{reader.where}.scale: expected 0 or more, received {spec.scale:g}")
    if spec.scale > 0 and spec.dtype not in INTEGER_RANGE:
        reader.problems.append(f"{reader.where}: {spec.dtype} cannot carry a scale")
    least, greatest = INTEGER_RANGE.get(spec.dtype, (0, 0))
    if spec.is_quantized and not least <= spec.zero_point <= greatest:
        reader.problems.append(
            f"{reader.where}.zero_point: expected a value of {spec.dtype}, received {spec.zero_point}"
        )
    return spec
