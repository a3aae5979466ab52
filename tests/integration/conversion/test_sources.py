"""Sources and traps: each a real model, converted by the real children."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.integration.conversion.requests import request_from

from liteship import Artifact, Predictor
from liteship.artifact import Postprocessing, Preprocessing
from liteship.conversion.pipeline import convert_model
from liteship.conversion.schemes import SCHEMES
from liteship.conversion.sources.exported import ExportOptions
from liteship.errors import (
    AccuracyError,
    ConfigurationError,
    ConversionError,
    LiteshipError,
    SourceModelError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from liteship.conversion.request import ConversionRequest, ConversionResult

    Make = Callable[..., ConversionRequest]


def nothing(_stage: str, _done: int, _of: int) -> None:
    """Nobody watches."""


def converted(request: ConversionRequest) -> ConversionResult:
    return convert_model(request, nothing)


def refusal(request: ConversionRequest) -> LiteshipError:
    with pytest.raises(LiteshipError) as raised:
        convert_model(request, nothing)
    assert not request.output.exists()
    return raised.value


@pytest.fixture
def tensors(request_for: Make, sources: Path) -> Make:
    """A request for a model that takes tensors, without an evaluation."""

    def make(source: str, calibration: str, **changes: Any) -> ConversionRequest:
        defaults = {
            "calibration": str(sources / calibration),
            "evaluation": None,
            "preprocessing": Preprocessing("tensor"),
            "postprocessing": Postprocessing(),
        }
        return request_for(source, **defaults | changes)

    return make


@pytest.fixture
def table(tensors: Make, sources: Path) -> Make:
    """A request for the model of columns in raw units."""

    def make(**changes: Any) -> ConversionRequest:
        evaluation = str(sources / "table-evaluation.npz")
        fields = {"evaluation": evaluation, "max_drop": 0.01} | changes
        return tensors("table.keras", "table-calibration.npz", **fields)

    return make


def test_a_saved_model_from_export_is_the_keras_model(request_for: Make) -> None:
    result = converted(request_for("digits-exported"))
    assert result.accuracy is not None
    assert result.accuracy.source == converted(request_for("digits.keras")).accuracy.source  # type: ignore[union-attr]
    provenance: Any = result.manifest.provenance
    assert provenance["source"]["format"] == "saved-model"
    assert provenance["source"]["float_difference"] <= 1e-6
    assert [spec.name for spec in result.manifest.inputs] == ["image"]
    assert result.source_bytes > result.float_bytes


@pytest.mark.parametrize(("signature", "inputs"), [("digits", ["image"]), ("pair", ["left", "right"])])
def test_one_of_several_signatures_is_chosen(
    signature: str, inputs: list[str], request_for: Make, tensors: Make
) -> None:
    """tf.saved_model.save's variables must be frozen: unfrozen ones convert into garbage."""
    options = ExportOptions(signature=signature)
    if signature == "digits":
        request = request_for("two-signatures", options=options)
    else:
        request = tensors("two-signatures", "pair-calibration.npz", options=options)
    result = converted(request)
    assert sorted(spec.name for spec in result.manifest.inputs) == inputs
    assert [spec.name for spec in result.manifest.outputs] == ["scores"]
    assert result.agreement.cosine_similarity > 0.99
    if result.accuracy is not None:
        assert result.accuracy.source > 0.8


def test_a_choice_that_is_missing_or_wrong_names_the_signatures(request_for: Make) -> None:
    for options in (ExportOptions(), ExportOptions(signature="other")):
        error = refusal(request_for("two-signatures", options=options))
        assert isinstance(error, SourceModelError)
        assert error.reference == "signature-unknown"
        assert error.expected == "one of digits, pair"
    assert refusal(request_for("no-signature")).reference == "signature-missing"
    unused = refusal(request_for("digits.keras", options=ExportOptions(signature="serve")))
    assert unused.reference == "signature-unused"


@pytest.fixture(scope="module")
def by_scheme(
    sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], ConversionResult]:
    """The digits in one scheme, converted once."""

    @functools.cache
    def convert(scheme: str) -> ConversionResult:
        output = tmp_path_factory.mktemp(scheme) / "model"
        return converted(request_from(sources, output, "digits.tflite", scheme=scheme))

    return convert


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_keeps_what_it_says(
    scheme: str, by_scheme: Callable[[str], ConversionResult]
) -> None:
    result = by_scheme(scheme)
    artifact = Artifact.load(result.output)
    assert artifact.manifest.scheme == scheme
    assert result.accuracy is not None
    assert result.accuracy.drop <= 0.05
    dtypes = {spec.dtype for spec in (*artifact.manifest.inputs, *artifact.manifest.outputs)}
    boundary = {"int8": "int8", "int16x8": "int16"}.get(scheme, "float32")
    assert dtypes == {boundary}
    weights_bits = {"int4": 4, "int8": 8, "float16": 16, "float32": 32}[SCHEMES[scheme].weights]
    # The tiny model is half graph, half weights
    assert len(artifact.model) < (0.55 + 0.5 * weights_bits / 32) * result.float_bytes
    Predictor.load(result.output).warm_up()


def test_auto_takes_the_smallest_that_keeps_the_budget(
    request_for: Make, by_scheme: Callable[[str], ConversionResult]
) -> None:
    results = {scheme: by_scheme(scheme) for scheme in SCHEMES}
    chosen = converted(request_for(scheme="auto", max_drop=0.01))
    fits = {
        scheme: result.manifest.size_bytes
        for scheme, result in results.items()
        if result.accuracy is not None and result.accuracy.keeps(0.01)
    }
    assert chosen.manifest.size_bytes == min(fits.values())
    assert chosen.manifest.scheme in fits


def test_auto_without_an_evaluation_is_refused(request_for: Make) -> None:
    error = refusal(request_for(scheme="auto", evaluation=None))
    assert isinstance(error, ConfigurationError)
    assert error.reference == "auto-unmeasured"


def test_int8_of_raw_units_is_repaired_where_the_harm_is(table: Make) -> None:
    result = converted(table())
    assert result.accuracy is not None
    assert result.accuracy.source > 0.9
    assert result.accuracy.drop <= 0.01
    assert result.repair is not None
    assert result.repair.loss_before > 0.1
    kinds = [operator.split()[0] for operator in result.repair.operators]
    assert kinds == ["input", "SUB", "MUL"]
    assert result.manifest.scheme == "int8"
    assert result.manifest.inputs[0].dtype == "float32"
    assert result.manifest.size_bytes < 0.5 * result.float_bytes
    assert any("column 1 spans" in warning for warning in result.warnings)
    provenance: Any = result.manifest.provenance
    assert provenance["left_in_float"] == list(result.repair.operators)


def test_without_a_repair_the_cause_is_told(table: Make) -> None:
    error = refusal(table(repair=False))
    assert isinstance(error, AccuracyError)
    assert error.reference == "accuracy-budget"
    assert any("column 1 spans" in problem for problem in error.problems)


def test_without_an_evaluation_outputs_that_differ_are_refused_with_the_cause(table: Make) -> None:
    error = refusal(table(evaluation=None))
    assert error.reference == "outputs-differ"
    assert any("column 1 spans" in problem for problem in error.problems)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_recurrent_layer_converts_unrolled(kind: str, tensors: Make) -> None:
    result = converted(tensors(f"{kind}-unrolled.keras", "sequence.npz"))
    assert result.agreement.cosine_similarity > 0.99
    assert result.manifest.inputs[0].dtype == "int8"


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_recurrent_layers_loop_names_the_way_out(kind: str, tensors: Make) -> None:
    error = refusal(tensors(f"{kind}.keras", "sequence.npz"))
    assert isinstance(error, ConversionError)
    assert "unroll=True" in error.hint


def test_an_operator_without_an_integer_kernel_is_named(tensors: Make) -> None:
    error = refusal(tensors("sine.keras", "four.npz"))
    assert error.reference == "float-remainder"
    assert any("in" in problem for problem in error.problems)
    assert "--scheme dynamic" in error.hint
    assert converted(tensors("sine.keras", "four.npz", scheme="dynamic")).manifest.scheme == "dynamic"


def test_a_gradient_of_its_own_costs_no_names(tensors: Make) -> None:
    result = converted(tensors("silu.keras", "four.npz"))
    assert [spec.name for spec in result.manifest.outputs] == ["output_0"]
    assert result.agreement.cosine_similarity > 0.99


def test_an_open_height_must_be_fixed(tensors: Make) -> None:
    error = refusal(tensors("anysize.keras", "anysize.npz"))
    assert isinstance(error, SourceModelError)
    assert error.reference == "shape-open"
    assert "--input-shape" in error.hint
    wrong = ExportOptions(input_shapes={"": (1, 12, 16, 4)})
    assert refusal(tensors("anysize.keras", "anysize.npz", options=wrong)).reference == (
        "source-input-shape"
    )
    options = ExportOptions(input_shapes={"image": (1, 12, 16, 3)})
    result = converted(tensors("anysize.keras", "anysize.npz", options=options))
    assert result.manifest.inputs[0].shape == (1, 12, 16, 3)


def test_ids_stay_integers_and_the_batch_stays_open(tensors: Make) -> None:
    result = converted(tensors("ids.keras", "ids.npz"))
    (spec,) = result.manifest.inputs
    assert (spec.dtype, spec.shape, spec.is_quantized) == ("int32", (-1, 5), False)


def test_a_quantized_model_is_not_quantized_again(request_for: Make, sources: Path) -> None:
    first = converted(request_for(output=sources / "quantized"))
    error = refusal(request_for(str(first.output / "model.tflite")))
    assert isinstance(error, SourceModelError)
    assert error.reference == "source-quantized"


def test_a_regression_is_measured_by_its_error(tensors: Make, sources: Path, tmp_path: Path) -> None:
    with np.load(sources / "four.npz") as file:
        rows = file["row"]
    np.savez(tmp_path / "values.npz", row=rows, label=np.zeros((len(rows), 2), np.float32))
    fields = {"scheme": "dynamic", "evaluation": str(tmp_path / "values.npz"), "metric": "mae"}
    result = converted(tensors("sine.keras", "four.npz", max_drop=0.05, **fields))
    assert result.accuracy is not None
    assert 0 < result.accuracy.source < 10
    assert abs(result.accuracy.drop) <= 0.05


def test_pruning_and_clustering_shrink_what_is_shipped(request_for: Make, sources: Path) -> None:
    plain = converted(request_for("digits.keras"))
    training = str(sources / "training.npz")
    pruned = converted(request_for("digits.keras", prune=0.8, clusters=16, training=training))
    assert plain.shipped.zip_bytes is not None
    assert pruned.shipped.zip_bytes is not None
    assert pruned.shipped.zip_bytes < 0.6 * plain.shipped.zip_bytes
    assert pruned.manifest.size_bytes == plain.manifest.size_bytes
    assert pruned.accuracy is not None
    assert pruned.accuracy.drop <= 0.05
    provenance: Any = pruned.manifest.provenance
    assert (provenance["prune"], provenance["clusters"]) == (0.8, 16)


def test_any_source_is_pruned_at_once_without_training_data(request_for: Make) -> None:
    result = converted(request_for("digits.tflite", prune=0.5))
    plain = converted(request_for("digits.tflite"))
    assert result.shipped.zip_bytes is not None
    assert plain.shipped.zip_bytes is not None
    assert result.shipped.zip_bytes < 0.9 * plain.shipped.zip_bytes


def test_a_source_that_cannot_be_trained_says_so(request_for: Make, sources: Path) -> None:
    error = refusal(request_for("digits.tflite", prune=0.5, training=str(sources / "training.npz")))
    assert isinstance(error, ConfigurationError)
    assert error.reference == "fine-tune-unsupported"


def test_the_report_tells_a_refusal_and_why(table: Make) -> None:
    request = table(repair=False)
    error = refusal(request)
    report = json.loads((request.report_folder / "report.json").read_text())
    assert report["verdict"]["decision"] == "refused"
    assert report["refusal"]["reference"] == error.reference
    page = (request.report_folder / "report.html").read_text()
    assert "column 1 spans" in page


def test_the_report_of_a_repair_tells_what_is_in_float(table: Make) -> None:
    request = table()
    result = converted(request)
    report = json.loads((request.report_folder / "report.json").read_text())
    assert report["verdict"]["decision"] == "ships-with-repair"
    assert result.repair is not None
    assert len(report["repair"]["left_in_float"]) == len(result.repair.operators)
    assert report["layers"]
    assert report["artifact_sizes"]["zip_bytes"] == result.shipped.zip_bytes
    assert report["coverage"]
