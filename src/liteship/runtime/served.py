"""What a function serves, by name: its own model, other models and versions, and pipelines of these."""

from __future__ import annotations

from liteship.errors import NotFoundError, NotReadyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liteship.runtime.models import Models
    from liteship.runtime.pipeline import Pipeline
    from liteship.runtime.predictor import Predictor
    from liteship.runtime.settings import Settings

MOST_NAMED = 20
"""Models or versions that a refusal lists."""


class Served:
    """Finds what answers a request.

    Args:
        settings: Name the pipelines, and bound what goes through them.
        own: Gives the function's own model; raises NotReadyError where it is not loaded.
        models: The model repository; None for a function of one model.

    Attributes:
        models: As above.
    """

    def __init__(self, settings: Settings, own: Callable[[], Predictor], models: Models | None) -> None:
        self._settings = settings
        self._own = own
        self.models = models

    def find(self, name: str = "", version: str = "", label: str = "") -> Predictor | Pipeline:
        """The model or the pipeline that a caller names; loads what has to be loaded.

        Args:
            name: Empty for the default pipeline, or for the function's own model where there is none.
            version: Empty for the default one: of its own model the function's own, of another the one
                with the label `stable`, or else the greatest number.
            label: Of a version, such as `stable`; instead of `version`.

        Raises:
            NotFoundError: `model-unknown`, `version-unknown`, `label-unknown`.
            NotReadyError: The own model's reason; `model-unloaded`, `pipeline-invalid`, or why another
                model cannot be loaded.
        """
        name = name or self.default_pipeline
        if name not in self._settings.pipelines:
            return self._model(name, version, label)
        from liteship.runtime.pipeline import build_pipeline

        own_version = self._own().manifest.version
        _require(name, version, label, name, own_version)
        return build_pipeline(
            name,
            own_version,
            self._settings.pipelines[name],
            self._model,
            max_batch=self._settings.max_batch,
            max_pixels=self._settings.max_pixels,
        )

    def versions(self, name: str = "") -> list[str]:
        """The versions of a model, the greatest number last; a pipeline has the function's own.

        Raises:
            NotFoundError: `model-unknown`.
            NotReadyError: The own model's reason, where its version is asked for.
        """
        if name in self._settings.pipelines or self.models is None:
            return [self.find(name).manifest.version]
        return self.models.versions(name)

    def refusal(self, name: str = "", version: str = "", label: str = "") -> NotReadyError | None:
        """Why it would not answer, as far as is known without loading anything.

        Raises:
            NotFoundError: As `find`.
        """
        name = name or self.default_pipeline
        try:
            if name in self._settings.pipelines:
                _require(name, version, label, name, self._own().manifest.version)
                return self._pipeline_refusal(name)
            if self.models is not None:
                return self.models.refusal(name, version, label)
            self.find(name, version, label)
        except NotReadyError as error:
            return error
        return None

    def index(self) -> list[dict[str, str]]:
        """Every version of every model, and every pipeline: name, version, state, and the reason."""
        try:
            own = self._own().manifest
        except NotReadyError as error:
            if self.models is None:
                return [{"name": "unknown", "state": "UNAVAILABLE", "reason": error.message}]
            return self.models.index()
        entries = [{"name": own.name, "version": own.version, "state": "READY", "reason": ""}]
        if self.models is not None:
            entries = self.models.index()
        for name in self._settings.pipelines:
            refusal = self.refusal(name)
            state = "READY" if refusal is None else "UNAVAILABLE"
            reason = "" if refusal is None else refusal.message
            entries.append({"name": name, "version": own.version, "state": state, "reason": reason})
        return entries

    @property
    def default_pipeline(self) -> str:
        """Its name; empty where there is none."""
        pipelines = self._settings.pipelines
        return next((name for name, pipeline in pipelines.items() if pipeline.is_default), "")

    def _model(self, name: str, version: str, label: str) -> Predictor:
        if self.models is not None:
            return self.models.predictor(name, version, label)
        predictor = self._own()
        manifest = predictor.manifest
        _require(name, version, label, manifest.name, manifest.version)
        return predictor

    def _pipeline_refusal(self, name: str) -> NotReadyError | None:
        """What is known of its models; whether they fit together is known when it is asked."""
        from liteship.runtime.pipeline_steps import ModelStep

        for step in self._settings.pipelines[name].steps:
            if isinstance(step, ModelStep):
                try:
                    refusal = self.refusal(step.name, step.version, step.label)
                except NotFoundError as error:
                    refusal = NotReadyError(error.reference, error.message, hint=error.hint)
                if refusal is not None:
                    return refusal
        return None


def unknown(what: str, asked: str, served: Iterable[str]) -> NotFoundError:
    """The refusal of what is not served.

    Args:
        what: `model`, `version` or `label`.
        asked: The name that the caller gave.
        served: Those there are.
    """
    names = list(served)
    more = [f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
    return NotFoundError(
        f"{what}-unknown",
        f"this function does not serve that {what}",
        expected=", ".join([*names[:MOST_NAMED], *more]) or f"no {what}",
        received=f"{asked:.80}",
        hint="POST /v2/repository/index lists what is served",
    )


def _require(name: str, version: str, label: str, own_name: str, own_version: str) -> None:
    for what, asked, served in (
        ("model", name, own_name),
        ("version", version, own_version),
        ("label", label, ""),
    ):
        if asked not in {"", served}:
            raise unknown(what, asked, filter(None, [served]))
