"""`liteship.convert`: a model in memory, or any source, to a proven artifact."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liteship.artifact import Postprocessing, Preprocessing
from liteship.errors import ConfigurationError, SourceModelError

try:
    import numpy as np

    from liteship.conversion.pipeline import convert_model
    from liteship.conversion.request import ConversionRequest
    from liteship.conversion.sources.exported import ExportOptions
except ImportError as missing:
    raise ConfigurationError(
        "extra-missing",
        f"converting needs a package that is not installed: {missing.name}",
        hint="pip install 'liteship[keras]', or [torch], or [onnx]",
    ) from missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from liteship.conversion.request import ConversionResult

    Data = str | Path | Mapping[str, NDArray[Any]]
    """A path, `module:callable`, or arrays by input name (labels under `label`)."""


def convert(  # noqa: PLR0913  # most have a default
    model: Any,
    output: str | Path,
    *,
    calibration: Data,
    evaluation: Data | None = None,
    fine_tune: Data | None = None,
    name: str = "model",
    version: str = "1",
    labels: Sequence[str] = (),
    activation: str = "none",
    preprocessing: Preprocessing | None = None,
    scheme: str = "int8",
    metric: str = "accuracy",
    max_drop: float = 0.01,
    signature: str | None = None,
    input_shapes: Mapping[str, tuple[int, ...]] | None = None,
    **more: Any,
) -> ConversionResult:
    """Converts a trained model to an artifact, and proves it.

    A model in memory is saved first: the conversion runs in processes of its own, which it can neither
    crash nor fill.

    Args:
        model: A Keras model, a `tf.Module` with a `tf.function` `__call__`, a `torch.nn.Module`; or a
            path or `module:factory`, as `--source` takes them.
        output: Artifact folder; replaced only by a result that keeps the budget.
        calibration: Representative samples, as the model sees them.
        evaluation: Held-out samples with labels, as callers send them.
        fine_tune: Labelled samples to train further with.
        name: Model name.
        version: Model version.
        labels: One a class.
        activation: Applied to the model's outputs: `none`, `softmax` or `sigmoid`.
        preprocessing: From request to tensor; by default the model takes tensors.
        scheme: A key of `schemes.SCHEMES`, or `auto`.
        metric: `accuracy`, `top5`, `mae`, `mse`, or `module:callable`.
        max_drop: What may be lost of it, in its own unit.
        signature: Of a SavedModel or `tf.Module` with several.
        input_shapes: Shape by input name, the batch included. A `torch.nn.Module` has none of its own:
            by default they are those of the calibration arrays.
        more: Other fields of `ConversionRequest`, such as `prune` or `clusters`.

    Raises:
        SourceModelError: `model-unknown` if the model is none of these; as `convert_model`.
        CalibrationError: As `convert_model`.
        ConversionError: As `convert_model`.
        AccuracyError: As `convert_model`.
    """
    with tempfile.TemporaryDirectory(prefix="liteship-model-") as place:
        folder = Path(place)
        request = ConversionRequest(
            name=name,
            version=version,
            source=_saved(model, folder, calibration),
            options=ExportOptions(signature=signature, input_shapes=dict(input_shapes or {})),
            calibration=_written(calibration, folder, "calibration"),
            evaluation=None if evaluation is None else _written(evaluation, folder, "evaluation"),
            training=None if fine_tune is None else _written(fine_tune, folder, "fine-tune"),
            metric=metric,
            max_drop=max_drop,
            scheme=scheme,
            preprocessing=preprocessing or Preprocessing("tensor"),
            postprocessing=Postprocessing(activation, labels),
            output=Path(output),
            **more,
        )
        return convert_model(request, lambda _stage, _done, _of: None)


def _written(data: Data, folder: Path, purpose: str) -> str:
    if isinstance(data, (str, Path)):
        return str(data)
    path = folder / f"{purpose}.npz"
    np.savez(path, **dict(data))  # type: ignore[arg-type]  # names are the arguments
    return str(path)


def _saved(model: Any, folder: Path, calibration: Data) -> str:
    """Where the model is, saved if it was in memory; frameworks that are not loaded made none of it."""
    if isinstance(model, (str, Path)):
        return str(model)
    keras, tensorflow, torch = (sys.modules.get(each) for each in ("keras", "tensorflow", "torch"))
    path = folder / "source"
    if keras is not None and isinstance(model, keras.Model):
        try:
            model.save(path.with_suffix(".keras"))
            keras.saving.load_model(path.with_suffix(".keras"), compile=False)
        except Exception:  # noqa: BLE001  # a class of the user's own, which the child does not have
            model.export(path, verbose=False)
            return str(path)
        return str(path.with_suffix(".keras"))
    if tensorflow is not None and isinstance(model, tensorflow.Module):
        tensorflow.saved_model.save(model, str(path))
        return str(path)
    if torch is not None and isinstance(model, torch.nn.Module):
        return _saved_module(torch, model, path.with_suffix(".pt2"), calibration)
    raise SourceModelError(
        "model-unknown",
        f"a {type(model).__module__}.{type(model).__qualname__} cannot be converted",
        expected="a Keras model, tf.Module, torch.nn.Module, or a path",
        hint="save the model in its framework's form and give the path",
    )


def _saved_module(torch: Any, module: Any, path: Path, calibration: Data) -> str:
    if isinstance(calibration, (str, Path)):
        raise SourceModelError(
            "source-inputs",
            "a torch.nn.Module does not say what shapes it takes",
            expected="calibration as arrays by the names of forward's arguments",
            hint="give arrays, or export it: torch.export.save(torch.export.export(module.eval(), "
            "(example,)), 'model.pt2')",
        )
    # Two samples: torch.export takes a dimension of 1 for a constant
    examples = {name: torch.from_numpy(np.asarray(each)[:2]) for name, each in calibration.items()}
    batch = torch.export.Dim("batch")
    exported = torch.export.export(
        module.eval(), (), kwargs=examples, dynamic_shapes={name: {0: batch} for name in examples}
    )
    torch.export.save(exported, path)
    return str(path)
