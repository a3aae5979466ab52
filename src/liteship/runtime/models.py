"""Several models and versions in one function; imported only where `LITESHIP_MODELS` is set.

What is served is found once, at the start: the folders `model/NAME/VERSION`. What a caller names is
looked up among these, and never becomes part of a path.
"""

from __future__ import annotations

import os
from functools import partial

from liteship.artifact.folder import MODEL_FILE, Artifact
from liteship.errors import ArtifactError, InputError
from liteship.runtime.model_cache import ModelCache, Slot
from liteship.runtime.models_setting import is_name
from liteship.runtime.served import unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.errors import NotReadyError
    from liteship.runtime.models_setting import ModelsSetting
    from liteship.runtime.predictor import Predictor
    from liteship.runtime.telemetry import Telemetry

STABLE = "stable"
"""The label whose version answers where none is asked for."""


class Models:
    """What a function serves, by name, version and label.

    Args:
        folder: Holds `NAME/VERSION`.
        setting: The function's own model, labels, memory budget.
        create: Makes the predictor of an artifact, not warmed up yet, with the function's own hooks.
        telemetry: Where loading is logged.

    Attributes:
        cache: What is loaded of it.
    """

    def __init__(
        self,
        folder: str,
        setting: ModelsSetting,
        create: Callable[..., Predictor],
        telemetry: Telemetry,
    ) -> None:
        self._setting = setting
        create_other = partial(create, preprocess=None, postprocess=None)
        budget_bytes = None if setting.memory_mib is None else setting.memory_mib * 1024 * 1024
        self.cache = ModelCache(budget_bytes, telemetry)
        self._served: dict[str, dict[str, Slot]] = {}
        for name, version in find_versions(folder):
            place = os.path.join(folder, name, version)
            load = partial(
                _load, place, name, version, create if name == setting.name else create_other
            )
            slot = Slot(name, version, load, file_bytes=_file_bytes(place))
            self._served.setdefault(name, {})[version] = slot

    def add(self, name: str, version: str, give: Callable[[], Predictor]) -> None:
        """Serves what is not loaded from a folder.

        Args:
            name: The model's.
            version: Its version.
            give: Asked at every request; gives what behaves like a predictor, and keeps it. Raises
                NotReadyError where it cannot.
        """
        self._served.setdefault(name, {})[version] = Slot(name, version, give, is_kept=True)

    def predictor(self, name: str = "", version: str = "", label: str = "") -> Predictor:
        """The model that a caller names; see `liteship.runtime.served.Served.find`."""
        return self.cache.get(self._find(name, version, label))

    def refusal(self, name: str = "", version: str = "", label: str = "") -> NotReadyError | None:
        """Why it would not answer, as far as is known: what is not loaded yet has not been tried.

        Raises:
            NotFoundError: As `predictor`.
        """
        return self._find(name, version, label).refusal()

    def versions(self, name: str = "") -> list[str]:
        """The versions of a model, the greatest number last; what is no number comes before.

        Raises:
            NotFoundError: `model-unknown`.
        """
        return sorted(self._versions(name), key=version_key)

    def index(self) -> list[dict[str, str]]:
        """Every version of every model, with its state and, where there is one, the reason."""
        return [
            _describe(self._served[name][version])
            for name in sorted(self._served)
            for version in self.versions(name)
        ]

    def load(self, name: str) -> None:
        """Makes every version of a model answer again, and loads the default one now.

        Raises:
            NotFoundError: `model-unknown`.
            NotReadyError: It cannot be loaded.
        """
        slots = self._versions(name).values()
        default = self._find(name, "", "")
        for slot in slots:
            slot.is_unloaded = False
        self.cache.load(default)

    def unload(self, name: str) -> None:
        """Takes every version of a model away until it is loaded again.

        Raises:
            NotFoundError: `model-unknown`.
            InputError: `model-kept`.
        """
        slots = self._versions(name).values()
        if any(slot.is_kept for slot in slots):
            raise InputError(
                "model-kept",
                f"{name} stays: it is the function's own model, or no artifact",
                hint="POST /v2/repository/index lists what is served",
            )
        for slot in slots:
            self.cache.unload(slot)

    def _find(self, name: str, version: str, label: str) -> Slot:
        name = name or self._setting.name
        versions = self._versions(name)
        labels = self._setting.labels.get(name, {})
        if label:
            if label not in labels:
                raise unknown("label", label, labels)
            version = labels[label]
        version = version or self._default_version(name)
        if version not in versions:
            raise unknown("version", version, self.versions(name))
        return versions[version]

    def _versions(self, name: str) -> dict[str, Slot]:
        name = name or self._setting.name
        if name not in self._served:
            raise unknown("model", name, sorted(self._served))
        return self._served[name]

    def _default_version(self, name: str) -> str:
        if name == self._setting.name:
            return self._setting.version
        labels = self._setting.labels.get(name, {})
        return labels.get(STABLE) or self.versions(name)[-1]


def find_versions(folder: str) -> list[tuple[str, str]]:
    """Name and version of every folder `NAME/VERSION`; others than these are passed over."""
    return [
        (name, version) for name in _folders(folder) for version in _folders(os.path.join(folder, name))
    ]


def version_key(version: str) -> tuple[bool, int, str]:
    """Orders versions: names, such as a trial's, then numbers by their value."""
    is_number = version.isascii() and version.isdigit()
    return is_number, int(version) if is_number else 0, version


def require_identity(artifact: Artifact, place: str, name: str, version: str) -> None:
    """Refuses an artifact in another model's or version's folder.

    Raises:
        ArtifactError: `artifact-version`.
    """
    manifest = artifact.manifest
    if (manifest.name, manifest.version) != (name, version):
        raise ArtifactError(
            "artifact-version",
            f"{place} holds another model than its folders say",
            expected=f"{name} version {version}",
            received=f"{manifest.name} version {manifest.version}",
            hint="rename the folders, or copy the artifact again",
        )


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if is_name(entry.name) and entry.is_dir())
    except OSError:
        return []


def _file_bytes(folder: str) -> int:
    try:
        return os.path.getsize(os.path.join(folder, MODEL_FILE))
    except OSError:  # loading will say so
        return 0


def _load(folder: str, name: str, version: str, create: Callable[[Artifact], Predictor]) -> Predictor:
    artifact = Artifact.load(folder)
    require_identity(artifact, folder, name, version)
    predictor = create(artifact)
    predictor.warm_up()
    return predictor


def _describe(slot: Slot) -> dict[str, str]:
    refusal = slot.refusal()
    if refusal is not None:
        state, reason = "UNAVAILABLE", refusal.message
    else:
        is_here = slot.is_kept or slot.predictor is not None
        state, reason = "READY", "" if is_here else "is loaded at its first request"
    return {"name": slot.name, "version": slot.version, "state": state, "reason": reason}
