"""Under which licence a package or a native library may be passed on: what it says itself.

A package's METADATA says it in one of three ways, the newest first: an SPDX expression
(https://peps.python.org/pep-0639/), a free text, a classifier. Native libraries inside wheels say
nothing that a program could read: theirs stand here, each looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.metadata import RawMetadata

_TEXTS = {"Apache License 2.0": "Apache-2.0", "Apache License, Version 2.0": "Apache-2.0"}
"""Free texts that mean one SPDX licence without being its identifier."""

_CLASSIFIERS = {
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""Classifiers that stand for one version of one licence; "BSD License" and "Apache Software License"
do not (https://peps.python.org/pep-0639/#mapping-license-classifiers-to-spdx-identifiers)."""

_APACHE_2 = re.compile(r"Apache License\s+Version 2\.0, January 2004")


@dataclass(frozen=True, kw_only=True)
class NativeLibrary:
    """What is known about a shared library that a wheel brings along.

    Attributes:
        name: As the wheel's own SBOM calls it, which then has its version too.
        licence: SPDX expression.
        package: The package whose version it has, if it is that package's own.
        inside: What is linked into it statically, as far as the binary's own strings tell: name,
            version or None, licence.
    """

    name: str
    licence: str
    package: str | None = None
    inside: tuple[tuple[str, str | None, str], ...] = ()


_WEBP = NativeLibrary(name="libwebp", licence="BSD-3-Clause")

NATIVE_LIBRARIES = {
    # layers/litert
    "libLiteRt": NativeLibrary(
        name="LiteRT",
        licence="Apache-2.0",
        package="ai-edge-litert",
        inside=(
            ("Abseil", None, "Apache-2.0"),
            ("Eigen", None, "MPL-2.0"),
            ("gemmlowp", None, "Apache-2.0"),
            ("ruy", None, "Apache-2.0"),
            ("XNNPACK", None, "BSD-3-Clause"),
        ),
    ),
    # layers/image: Pillow's licences/LICENSE holds the texts
    "libXau": NativeLibrary(name="libXau", licence="MIT-open-group"),
    "libjpeg": NativeLibrary(name="libjpeg / libjpeg-turbo", licence="IJG AND BSD-3-Clause"),
    "liblzma": NativeLibrary(name="liblzma", licence="0BSD"),
    "libopenjp2": NativeLibrary(name="OpenJPEG", licence="BSD-2-Clause"),
    "libsharpyuv": _WEBP,
    "libtiff": NativeLibrary(name="libtiff", licence="libtiff"),
    "libwebp": _WEBP,
    "libwebpdemux": _WEBP,
    "libwebpmux": _WEBP,
    "libxcb": NativeLibrary(name="libxcb", licence="X11"),
    "libzstd": NativeLibrary(name="zstd", licence="BSD-3-Clause OR GPL-2.0-only"),
    # layers/web: the one extension module that holds other projects' code and has no SBOM
    "runtime_client": NativeLibrary(
        name="awslambdaric.runtime_client",
        licence="Apache-2.0",
        package="awslambdaric",
        inside=(("aws-lambda-cpp", "0.2.6", "Apache-2.0"), ("curl", "7.83.1", "curl")),
    ),
    # layers/numpy
    "libscipy_openblas64_": NativeLibrary(name="OpenBLAS", licence="BSD-3-Clause"),
}
"""By the file's name up to its first `-` or `.`: auditwheel adds a digest to it."""


def declared_licence(metadata: RawMetadata, texts: Iterable[str]) -> str | None:
    """The licence that a package declares.

    Args:
        metadata: Its METADATA.
        texts: Its licence files.

    Returns:
        An SPDX expression where it says one; else its own words; None if it says nothing.
    """
    from cyclonedx.spdx import is_expression

    classifiers = [
        classifier.rpartition(" :: ")[2]
        for classifier in metadata.get("classifiers", ())
        if classifier.startswith("License :: ") and not classifier.endswith(":: OSI Approved")
    ]
    text = metadata.get("license", "").strip()
    stated = metadata.get("license_expression") or _TEXTS.get(text, text)
    if stated and is_expression(stated):
        return stated
    found = {_CLASSIFIERS.get(classifier, classifier) for classifier in classifiers}
    if found == {"Apache Software License"} and any(map(_APACHE_2.search, texts)):
        return "Apache-2.0"
    # A free text may be the whole licence
    words = sorted(found) or ([text] if "\n" not in text and text else [])
    return ", ".join(words) or None
