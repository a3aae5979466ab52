"""Bills of materials of layers made up here; the real ones are tests/integration/test_sbom.py's."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.metadata import parse_email

from liteship.errors import ConfigurationError, PackagingError
from liteship.packaging.components import layer_components
from liteship.packaging.licences import declared_licence
from liteship.packaging.sbom import (
    IMAGE_LAYERS,
    base_component,
    write_image_sbom,
    write_sbom,
    write_zip_sbom,
)
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., Path]

ROOT = Path(__file__).parents[3]
LICENCE_TEXT = "Everybody may do anything."
APACHE_TEXT = "   Apache License\n   Version 2.0, January 2004\n"


@pytest.fixture
def make_layer(tmp_path: Path) -> Make:
    """A layer with one package: METADATA lines, licence text, the wheel's own SBOM, other files."""

    def make(*lines: str, text: str | None = LICENCE_TEXT, sbom: object = None, **files: bytes) -> Path:
        layer = tmp_path / "layer"
        dist_info = layer / "some_package-1.2.dist-info"
        dist_info.mkdir(parents=True)
        header = ["Metadata-Version: 2.4", "Name: Some.Package", "Version: 1.2", *lines]
        (dist_info / "METADATA").write_text("\n".join(header) + "\n")
        if text is not None:
            (dist_info / "LICENSE").write_text(text)
        if sbom is not None:
            (dist_info / "sboms").mkdir()
            (dist_info / "sboms" / "own.cdx.json").write_text(json.dumps(sbom))
        for name, content in files.items():
            path = layer / "some_package" / name.replace("__", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return layer

    return make


def validated(path: Path) -> Any:
    """The document, by CycloneDX's own schema."""
    text = path.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    return json.loads(text)


@pytest.mark.parametrize(
    ("lines", "text", "licence"),
    [
        (("License-Expression: MIT OR Apache-2.0", "License: BSD"), "", "MIT OR Apache-2.0"),
        (("License: MIT",), "", "MIT"),
        (("License: Apache License 2.0",), "", "Apache-2.0"),
        (("License: a b", "Classifier: License :: OSI Approved :: MIT License"), "", "MIT"),
        (
            ("Classifier: License :: OSI Approved :: Apache Software License",),
            APACHE_TEXT,
            "Apache-2.0",
        ),
        (
            ("Classifier: License :: OSI Approved :: Apache Software License",),
            "",
            "Apache Software License",
        ),
        (
            (
                "License: Dual License",
                "Classifier: License :: OSI Approved :: BSD License",
                "Classifier: License :: OSI Approved :: Apache Software License",
            ),
            APACHE_TEXT,
            "Apache Software License, BSD License",
        ),
        (("License: Ask me",), "", "Ask me"),
        (("Classifier: License :: OSI Approved",), "", None),
        ((), "", None),
    ],
)
def test_a_licence_is_what_the_package_declares(
    lines: tuple[str, ...], text: str, licence: str | None
) -> None:
    metadata, _ = parse_email("\n".join(("Metadata-Version: 2.4", "Name: a", *lines)))
    assert declared_licence(metadata, [text]) == licence


def test_a_package_is_listed_by_name_version_licence_and_purl(make_layer: Make) -> None:
    (package,) = layer_components("mine", make_layer("License: MIT", module__py=b""))
    assert (package.name, package.version, package.licence) == ("Some.Package", "1.2", "MIT")
    assert (package.purl, package.source) == ("pkg:pypi/some-package@1.2", "mine")


@pytest.mark.parametrize("missing", ["METADATA", "LICENSE"])
def test_a_package_without_metadata_or_licence_text_is_refused(make_layer: Make, missing: str) -> None:
    layer = make_layer("License: MIT")
    (layer / "some_package-1.2.dist-info" / missing).unlink()
    with pytest.raises(PackagingError) as raised:
        layer_components("mine", layer)
    assert raised.value.reference == "layer-unlicensed"
    assert "layers/mine/layer.toml" in raised.value.hint


def test_native_libraries_are_listed_and_modules_of_the_package_are_not(make_layer: Make) -> None:
    sbom = {"components": [{"name": "libtiff", "version": "4.7", "scope": "optional"}]}
    names = {"libtiff-0a__so__6": b"tiff", "own__cpython-313-x86_64-linux-gnu__so": b"", "who__so": b""}
    package, tiff, stranger = layer_components("mine", make_layer("License: MIT", sbom=sbom, **names))
    assert package.parts == ()
    assert (tiff.name, tiff.version, tiff.licence) == ("libtiff", "4.7", "libtiff")
    assert tiff.path == "some_package/libtiff-0a.so.6"
    assert tiff.sha256 == hashlib.sha256(b"tiff").hexdigest()
    assert (stranger.name, stranger.version, stranger.licence) == ("who.so", None, None)


def test_what_a_wheel_says_of_itself_is_taken_over(make_layer: Make) -> None:
    components = [
        {
            "name": "crate",
            "version": "3",
            "purl": "pkg:cargo/crate@3",
            "licenses": [{"expression": "MIT"}],
        },
        {"name": "pair", "licenses": [{"license": {"id": "IJG"}}, {"license": {"name": "Mine"}}]},
        {"name": "silent"},
        {"name": "builder", "scope": "excluded"},
        {"name": "elsewhere", "scope": "optional"},
        {"name": "module", "purl": "pkg:pypi/some-package@1.2#c-ext/module"},
    ]
    layer = make_layer("License: MIT", sbom={"components": components})
    (package,) = layer_components("mine", layer)
    assert [(part.name, part.version, part.licence) for part in package.parts] == [
        ("crate", "3", "MIT"),
        ("pair", None, "IJG AND Mine"),
        ("silent", None, None),
    ]


@pytest.mark.parametrize("sbom", [[], {"components": 1}, {"components": [{"version": "1"}]}])
def test_a_wheel_s_broken_sbom_is_refused(make_layer: Make, sbom: object) -> None:
    layer = make_layer("License: MIT", sbom=sbom)
    with pytest.raises(PackagingError) as raised:
        layer_components("mine", layer)
    assert raised.value.reference == "wheel-sbom"


def test_a_document_is_valid_and_complete(make_layer: Make, tmp_path: Path) -> None:
    sbom = {"components": [{"name": "crate", "version": "3", "purl": "not a purl"}]}
    layer = make_layer("License: Ask me", sbom=sbom, libtiff__so=b"tiff")
    function = load_function("wine", ROOT)
    written = write_zip_sbom(tmp_path / "deep" / "sbom.cdx.json", function, {"mine": layer})
    document = validated(written.path)
    model_sha256 = json.loads((function.model_folder / "model.json").read_text())["sha256"]
    by_name = {entry["name"]: entry for entry in document["components"]}
    assert by_name.keys() == {"liteship", "wine", "Some.Package", "libtiff"}
    assert by_name["wine"]["type"] == "machine-learning-model"
    assert by_name["wine"]["hashes"] == [{"alg": "SHA-256", "content": model_sha256}]
    assert by_name["Some.Package"]["licenses"] == [{"license": {"name": "Ask me"}}]
    assert [part["name"] for part in by_name["Some.Package"]["components"]] == ["crate"]
    assert document["metadata"]["component"]["type"] == "application"
    (whole,) = (each for each in document["dependencies"] if "dependsOn" in each)
    assert set(whole["dependsOn"]) == {entry["bom-ref"] for entry in document["components"]}


def test_the_same_contents_give_the_same_bytes_and_others_another_number(
    make_layer: Make, tmp_path: Path
) -> None:
    layer = make_layer("License: MIT", libtiff__so=b"tiff")

    def write() -> Any:
        path = tmp_path / "sbom.cdx.json"
        write_sbom(path, name="some", version="1", python_folders={"mine": layer})
        return path.read_bytes(), validated(path)

    first, document = write()
    assert write()[0] == first
    assert document["metadata"]["timestamp"] == "1980-01-01T00:00:00+00:00"
    (layer / "some_package" / "libtiff.so").write_bytes(b"another")
    assert write()[1]["serialNumber"] != document["serialNumber"]


def test_source_date_epoch_is_the_time(
    make_layer: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: Any = {"name": "a", "version": "1", "python_folders": {"mine": make_layer("License: MIT")}}
    path = tmp_path / "sbom.cdx.json"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    write_sbom(path, **options)
    assert validated(path)["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ConfigurationError) as raised:
        write_sbom(path, **options)
    assert raised.value.reference == "source-date-epoch"


def test_two_layers_may_hold_the_same_package(make_layer: Make, tmp_path: Path) -> None:
    layer = make_layer("License: MIT")
    path = tmp_path / "sbom.cdx.json"
    write_sbom(path, name="a", version="1", python_folders={"web": layer, "aws": layer})
    references = [entry["bom-ref"] for entry in validated(path)["components"]]
    assert sorted(references) == ["aws/Some.Package@1.2", "web/Some.Package@1.2"]


@pytest.mark.parametrize(
    ("reference", "name", "version", "sha256"),
    [
        ("public.ecr.aws/lambda/python:3.13", "public.ecr.aws/lambda/python", "3.13", None),
        ("localhost:5000/base", "localhost:5000/base", "latest", None),
        (f"base:1@sha256:{'a' * 64}", "base", f"sha256:{'a' * 64}", "a" * 64),
    ],
)
def test_a_base_image_is_read_from_its_reference(
    reference: str, name: str, version: str, sha256: str | None
) -> None:
    base = base_component(reference)
    assert (base.name, base.version, base.sha256) == (name, version, sha256)


def test_an_image_lists_its_base(make_layer: Make, tmp_path: Path) -> None:
    path = tmp_path / "sbom.cdx.json"
    layers = {"web": make_layer("License: MIT")}
    write_image_sbom(path, load_function("digits", ROOT), layers, base_image=f"a/b@sha256:{'0' * 64}")
    document = validated(path)
    assert document["metadata"]["component"]["type"] == "container"
    (base,) = (entry for entry in document["components"] if entry["type"] == "container")
    assert base["name"] == "a/b"
    assert base["hashes"][0]["content"] == "0" * 64


def test_the_layers_of_an_image_are_those_of_the_dockerfile() -> None:
    text = (ROOT / "functions" / "Dockerfile").read_text()
    assert tuple(re.findall(r"^COPY --from=layers /layers/(\w+) ", text, re.MULTILINE)) == IMAGE_LAYERS
