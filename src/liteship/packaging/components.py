"""What a built layer is made of: packages, what their wheels say they hold, native libraries."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from liteship.errors import PackagingError
from liteship.packaging.licences import NATIVE_LIBRARIES, declared_licence

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_LICENCE_FILE = re.compile(r"licen[cs]e|copying|notice", re.IGNORECASE)
_EXTENSION_MODULE = re.compile(r"\.(cpython-|abi3\.)")
_NOT_SHIPPED = {"optional", "excluded"}
"""Scopes of what a wheel's SBOM names without saying that this wheel holds it; of those, the ones that
it does hold are found as files (https://cyclonedx.org/docs/1.6/json/#components_items_scope)."""


@dataclass(frozen=True, kw_only=True)
class Component:
    """One thing that is shipped.

    Attributes:
        kind: CycloneDX's word for it.
        name: As its makers call it.
        version: None where it cannot be told.
        licence: SPDX expression or the makers' own words; None where it cannot be told.
        source: The layer that holds it, or `code`, `model`, `base`.
        purl: Package URL (https://github.com/package-url/purl-spec), if there is one.
        path: Of its one file inside the layer, if it is one.
        sha256: Of that file, hexadecimal.
        parts: What it holds of others' work.
    """

    kind: Literal["library", "machine-learning-model", "container"]
    name: str
    version: str | None
    licence: str | None
    source: str
    purl: str | None = None
    path: str | None = None
    sha256: str | None = None
    parts: tuple[Component, ...] = ()


class _Stated(NamedTuple):
    """What a wheel's makers say is inside it."""

    name: str
    version: str | None
    licence: str | None
    purl: str | None
    scope: str | None


def layer_components(layer: str, folder: Path) -> list[Component]:
    """The packages and the native libraries of a layer.

    Args:
        layer: Its name.
        folder: What goes onto `PYTHONPATH`, as `layers/build.py` makes it.

    Raises:
        PackagingError: `layer-unlicensed` for a package whose METADATA or licence text was slimmed
            away: they have to travel with it. `wheel-sbom` for a wheel's own SBOM that is unreadable.
    """
    stated = {each: _wheel_sbom(each) for each in sorted(folder.glob("*.dist-info"))}
    packages = [_package(layer, *each) for each in stated.items()]
    versions = {entry.name: entry.version for each in stated.values() for entry in each}
    versions |= {package.name: package.version for package in packages}
    libraries = _libraries(layer, folder, versions)
    found = {library.name for library in libraries}
    return [
        *(
            replace(each, parts=tuple(part for part in each.parts if part.name not in found))
            for each in packages
        ),
        *libraries,
    ]


def _package(layer: str, dist_info: Path, stated: Iterable[_Stated]) -> Component:
    from packaging.metadata import parse_email

    texts = [
        path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(dist_info.rglob("*"))
        if path.is_file() and _LICENCE_FILE.search(path.name)
    ]
    file = dist_info / "METADATA"
    if not (file.is_file() and texts):
        raise PackagingError(
            "layer-unlicensed",
            f"{dist_info.name} in the layer {layer} lacks its METADATA or its licence text",
            hint=f"keep both in layers/{layer}/layer.toml: they have to travel with the package",
        )
    metadata, _ = parse_email(file.read_bytes())
    name, version = metadata["name"], metadata["version"]
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    return Component(
        kind="library",
        name=name,
        version=version,
        licence=declared_licence(metadata, texts),
        source=layer,
        purl=purl,
        parts=tuple(
            Component(
                kind="library",
                name=entry.name,
                version=entry.version,
                licence=entry.licence,
                source=layer,
                purl=entry.purl,
            )
            for entry in stated
            if entry.scope not in _NOT_SHIPPED
            and not (entry.purl or "").lower().startswith(purl)  # a module of its own
        ),
    )


def _wheel_sbom(dist_info: Path) -> list[_Stated]:
    """Reads what a wheel brings along (https://peps.python.org/pep-0770/)."""
    stated: list[_Stated] = []
    for path in sorted(dist_info.glob("sboms/*.json")):
        try:
            stated += [
                _Stated(
                    entry["name"],
                    entry.get("version"),
                    _licence(entry),
                    entry.get("purl"),
                    entry.get("scope"),
                )
                for entry in json.loads(path.read_bytes()).get("components", ())
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PackagingError(
                "wheel-sbom",
                f"{path} cannot be read as CycloneDX: {type(error).__name__} {error}",
                hint="delete the folder build/ and package again",
            ) from error
    return stated


def _licence(entry: Mapping[str, Any]) -> str | None:
    """The licences of a CycloneDX component as one expression."""
    choices = entry.get("licenses", [])
    words = [
        each.get("expression") or each["license"].get("id") or each["license"]["name"]
        for each in choices
    ]
    return " AND ".join(words) or None


def _libraries(layer: str, folder: Path, versions: Mapping[str, str | None]) -> list[Component]:
    """Shared libraries, and the extension modules that hold more than their package's own code."""
    libraries = []
    for path in sorted(folder.rglob("*.so*")):
        known = NATIVE_LIBRARIES.get(re.split(r"[-.]", path.name, maxsplit=1)[0])
        if known is None and _EXTENSION_MODULE.search(path.name):
            continue
        name = known.name if known else path.name
        libraries.append(
            Component(
                kind="library",
                name=name,
                version=versions.get((known and known.package) or name),
                licence=known.licence if known else None,
                source=layer,
                path=path.relative_to(folder).as_posix(),
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                parts=tuple(
                    Component(kind="library", name=part, version=version, licence=licence, source=layer)
                    for part, version, licence in (known.inside if known else ())
                ),
            )
        )
    return libraries
