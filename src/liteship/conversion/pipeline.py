"""One conversion from end to end: check, export, quantize, prove, repair, write."""

from __future__ import annotations

import dataclasses
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from liteship.conversion.accuracy import disagreement, over_budget
from liteship.conversion.candidates import Candidates
from liteship.conversion.child import Child, available_mib
from liteship.conversion.compression import sizes
from liteship.conversion.data import check_reference, range_causes, scale_warnings
from liteship.conversion.frameworks import python_for
from liteship.conversion.metrics import metric_named
from liteship.conversion.outcome import Outcome
from liteship.conversion.provenance import describe_origin, source_bytes
from liteship.conversion.proving import Proof, prove
from liteship.conversion.repair import find_repair
from liteship.conversion.report.gathering import gather
from liteship.conversion.report.writing import HTML_FILE, write_report
from liteship.conversion.request import ConversionResult, LeftInFloat
from liteship.conversion.schemes import AUTO, SCHEMES
from liteship.conversion.source_side import Source, export_source, fine_tune
from liteship.conversion.sources import check_source
from liteship.conversion.speed import measured_batching
from liteship.errors import AccuracyError, ConfigurationError, ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from liteship.conversion.request import ConversionRequest
    from liteship.conversion.sources import SourceFormat

    Progress = Callable[[str, int, int], None]

_MEMORY_SHARE = 0.9
_UNMEASURED = ("accuracy was not measured: give --evaluation DATA",)


def convert_model(
    request: ConversionRequest, progress: Progress, say: Callable[[str], None] = lambda _line: None
) -> ConversionResult:
    """Converts a trained model to a quantized artifact and proves it.

    Args:
        request: What to convert.
        progress: Called with a stage (`child.STAGES`, `evaluate` or `repair`), steps done and in all.
        say: Called with a line for the user, such as before a converter is installed.

    Raises:
        ConfigurationError: The request contradicts itself, or an extra is missing.
        SourceModelError: The source cannot be read.
        CalibrationError: The calibration or evaluation data cannot be used.
        ConversionError: The conversion failed.
        AccuracyError: The result lost more than `max_drop`; nothing was written.
    """
    source_format = _check(request)
    python = python_for(source_format, say)
    with tempfile.TemporaryDirectory(prefix="liteship-convert-") as name, ExitStack() as children:
        folder = Path(name)

        def start(module: str, interpreter: str | None = None) -> Child:
            child = Child(
                module,
                python=interpreter,
                log=folder / "child.log",
                progress=progress,
                memory_limit_mib=request.memory_limit_mib or int(available_mib() * _MEMORY_SHARE),
                stage_timeout_s=request.stage_timeout_s,
            )
            return children.enter_context(child)

        exporter = start("export", python)
        source = export_source(exporter, request, source_format, folder)
        trains = source.samples.training is not None
        float_file = source.float_file
        if request.prune is not None and trains:
            float_file = fine_tune(exporter, request, source, folder)
        if request.prune is not None or not trains:
            exporter.close()  # what the framework holds of the model is memory that quantizing may need
        candidates = Candidates(
            start("quantize"),
            folder,
            source.samples.calibration,
            one_scale_for_dense=request.compatible_with == "tflite-runtime",
            clusters=request.clusters,
        ).load(float_file, None if trains else request.prune)
        outcome = _best(request, source, candidates, progress)
        if outcome.refusal is not None and trains and request.prune is None:
            candidates.load(fine_tune(exporter, request, source, folder))
            outcome = _best(request, source, candidates, progress)
        outcome = _repaired(request, source, outcome, candidates, progress)
        return _write(request, source_format, source, outcome, candidates, say)


def _check(request: ConversionRequest) -> SourceFormat:
    """Refuses what can be refused without a framework, before one is started."""
    source_format = check_source(request.source)
    check_reference(request.calibration, "calibration", folder=request.folder)
    if request.evaluation is not None:
        check_reference(request.evaluation, "evaluation", folder=request.folder)
    if request.training is not None:
        check_reference(request.training, "fine-tune", folder=request.folder)
    metric_named(request.metric, str(request.folder or ""))
    if request.options.signature is not None and source_format != "saved-model":
        raise ConfigurationError(
            "signature-unused",
            f"{request.source} has no signatures to choose from",
            expected="a SavedModel folder",
            received=source_format,
            hint="leave out --signature, or model.signature in function.toml",
        )
    if request.scheme == AUTO and request.evaluation is None:
        raise ConfigurationError(
            "auto-unmeasured",
            "--scheme auto chooses by accuracy, which cannot be measured without held-out samples",
            hint="give --evaluation DATA, or choose a scheme",
        )
    return source_format


def _best(
    request: ConversionRequest, source: Source, candidates: Candidates, progress: Progress
) -> Outcome:
    """A candidate that keeps the budget; else the best, with its refusal."""

    def measure(scheme: str) -> Proof:
        candidate = candidates.make(scheme)
        return prove(request, source, candidate, lambda done, of: progress("evaluate", done, of))

    proof = (
        _smallest(request, candidates, measure) if request.scheme == AUTO else measure(request.scheme)
    )
    causes = tuple(range_causes(source.samples.calibration, source.inputs))
    warnings = tuple(
        scale_warnings(
            source.samples.calibration,
            source.samples.evaluation_inputs or {},
            source.inputs,
            preprocessing=request.preprocessing,
        )
    )
    if proof.accuracy is None:
        coarse = _too_coarse(source, proof)
        refusal = None if coarse else disagreement(proof.agreement, causes)
        return Outcome(
            proof=proof, causes=causes, refusal=refusal, warnings=_UNMEASURED + coarse + warnings
        )
    if proof.accuracy.keeps(request.max_drop):
        return Outcome(proof=proof, warnings=warnings)
    return Outcome(
        proof=proof,
        causes=causes,
        refusal=over_budget(proof.accuracy, request.max_drop, causes),
        warnings=warnings,
    )


def _too_coarse(source: Source, proof: Proof) -> tuple[str, ...]:
    """A warning where nothing that the source answers reaches one step of the result's output.

    An untrained network of a thousand classes gives each of them 0.001, and int8 has steps of 1/256.
    """
    output = proof.artifact.manifest.outputs[0]
    greatest = float(abs(source.calibration_outputs[output.name]).max())
    if not output.is_quantized or greatest >= output.scale:
        return ()
    warning = (
        f"no output of the source is above {greatest:.2g}, and {output.dtype} has steps of "
        f"{output.scale:.2g}: the two cannot be compared; is the model trained?"
    )
    return (warning,)


def _repaired(
    request: ConversionRequest,
    source: Source,
    refused: Outcome,
    candidates: Candidates,
    progress: Progress,
) -> Outcome:
    """What leaving operators in float makes of a candidate over the budget; others as they are."""
    if not isinstance(refused.refusal, AccuracyError) or not request.repair or request.scheme == AUTO:
        return refused
    tried: dict[tuple[str, ...], Proof] = {}

    def attempt(left: Sequence[str]) -> float:
        progress("repair", len(tried) + 1, 0)
        try:
            found = prove(request, source, candidates.make(request.scheme, left), lambda *_: None)
        except ConversionError:  # this choice makes a model that cannot be built or run
            return float("inf")
        tried[tuple(left)] = found
        return _loss(found)

    repair = find_repair(candidates.repairable(request.scheme), attempt, request.max_drop + 1e-9)
    if repair is None:
        return refused
    proof = tried[repair.left_in_float]
    left = LeftInFloat(
        operators=candidates.describe(repair.left_in_float),
        added_bytes=len(proof.candidate.model) - len(refused.proof.candidate.model),
        loss_before=_loss(refused.proof),
        tries=repair.tries,
    )
    return Outcome(
        proof=proof,
        repair=left,
        causes=refused.causes,
        warnings=refused.warnings + refused.causes,
    )


def _smallest(
    request: ConversionRequest, candidates: Candidates, measure: Callable[[str], Proof]
) -> Proof:
    """The smallest scheme that keeps the budget, else the one that loses least."""
    sizes = {}
    for scheme in SCHEMES:
        try:
            sizes[scheme] = len(candidates.make(scheme).model)
        except ConversionError:  # the model has no such form
            continue
    proofs = []
    for scheme in sorted(sizes, key=sizes.__getitem__):
        try:
            proofs.append(measure(scheme))
        except ConversionError:
            continue
        accuracy = proofs[-1].accuracy
        if accuracy is not None and accuracy.keeps(request.max_drop):
            return proofs[-1]
    if not proofs:
        raise ConversionError(
            "scheme-none",
            f"no scheme can be made of {request.source}",
            hint="choose one with --scheme to see what stops it",
        )
    return min(proofs, key=_loss)


def _loss(proof: Proof) -> float:
    return proof.accuracy.drop if proof.accuracy else float("inf")


def _write(
    request: ConversionRequest,
    source_format: SourceFormat,
    source: Source,
    outcome: Outcome,
    candidates: Candidates,
    say: Callable[[str], None],
) -> ConversionResult:
    """The report in any case, and the artifact unless it is refused."""
    proof = outcome.proof
    origin = describe_origin(request, source_format, source, outcome)
    proof.artifact.manifest.provenance.update(origin)
    proof.artifact.manifest.batching = measured_batching(proof.artifact, request.output)
    layers, told = candidates.layer_errors(proof.candidate)
    outcome = dataclasses.replace(outcome, warnings=outcome.warnings + told)
    shipped = sizes(proof.candidate.model)
    evidence = gather(request, source_format, source, outcome, layers, shipped)
    write_report(request.report_folder, evidence)
    say(f"The whole report: {request.report_folder / HTML_FILE}")
    if outcome.refusal is not None:
        raise outcome.refusal
    proof.artifact.save(request.output)
    return ConversionResult(
        manifest=proof.artifact.manifest,
        output=request.output,
        source_bytes=source_bytes(request.source),
        float_bytes=source.float_bytes,
        shipped=shipped,
        agreement=proof.agreement,
        accuracy=proof.accuracy,
        repair=outcome.repair,
        warnings=outcome.warnings,
    )
