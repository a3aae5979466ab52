"""Components as a CycloneDX 1.6 document, in JSON (https://cyclonedx.org/docs/1.6/json/).

The same components give the same bytes: the serial number is derived from them, and the time is
`SOURCE_DATE_EPOCH` or 1980-01-01 (https://reproducible-builds.org/specs/source-date-epoch/).
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

from liteship.packaging.image_inputs import read_created_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclonedx.model.component import Component as CycloneComponent
    from cyclonedx.model.license import License
    from packageurl import PackageURL

    from liteship.packaging.components import Component

# cyclonedx is imported in functions: it takes a third of a second, which only this should pay for


def cyclonedx_document(
    name: str, version: str, components: Sequence[Component], *, is_image: bool
) -> str:
    """The document's text.

    Args:
        name: What is shipped.
        version: Its version.
        components: What is in it.
        is_image: Whether it is a container image.

    Raises:
        ConfigurationError: `source-date-epoch`.
    """
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component as CycloneComponent
    from cyclonedx.model.component import ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    kind = ComponentType.CONTAINER if is_image else ComponentType.APPLICATION
    whole = CycloneComponent(
        type=kind, name=name, version=version, bom_ref=f"{kind.value}/{name}@{version}"
    )
    listed = [_listed(each, each.source) for each in components]
    bom = Bom(
        components=listed,
        metadata=BomMetaData(
            component=whole, timestamp=dt.datetime.fromtimestamp(read_created_s(), dt.UTC)
        ),
        serial_number=uuid.UUID(int=0),
    )
    bom.register_dependency(whole, listed)
    content = JsonV1Dot6(bom).output_as_string()
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, content)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _listed(component: Component, inside: str) -> CycloneComponent:
    """One component with its parts; `inside` begins its reference, which has to be unique."""
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component as CycloneComponent
    from cyclonedx.model.component import ComponentType

    version = f"@{component.version}" if component.version else ""
    reference = f"{inside}/{component.path or component.name + version}"
    properties = {"liteship:source": component.source, "liteship:path": component.path}
    return CycloneComponent(
        type=ComponentType(component.kind),
        name=component.name,
        version=component.version,
        bom_ref=reference,
        licenses=[_licence(component.licence)] if component.licence else (),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=component.sha256)]
        if component.sha256
        else (),
        purl=_purl(component.purl),
        properties=[Property(name=key, value=value) for key, value in properties.items() if value],
        components=[_listed(part, reference) for part in component.parts],
    )


def _licence(text: str) -> License:
    """An SPDX identifier or expression as such, anything else as a name."""
    from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
    from cyclonedx.spdx import is_expression, is_supported_id

    if is_supported_id(text):
        return DisjunctiveLicense(id=text)
    return LicenseExpression(text) if is_expression(text) else DisjunctiveLicense(name=text)


def _purl(text: str | None) -> PackageURL | None:
    """None also for one that a wheel's own SBOM spells wrongly."""
    from packageurl import PackageURL

    try:
        return PackageURL.from_string(text) if text else None
    except ValueError:
        return None
