"""template.yaml as CloudFormation resources: the transform that AWS runs, run here.

AWS publishes its transform as the library aws-sam-translator; nothing is asked of any account.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NO_REGION = "us-east-1"
"""For the transform, which wants one, where nobody has named a region: no resource depends on it."""

NOT_BUILT_IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/not-built:latest"
NOT_BUILT_ZIP = "s3://not-built/not-built"
"""Where code lies that `sam deploy` has not uploaded yet; the transform wants an address."""

_ZIPS = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}

_REGENERATED = {"AWS::Lambda::Version", "AWS::Lambda::LayerVersion"}
_SUFFIX = re.compile(r"[0-9a-f]{10}$")


def read_template(path: Path) -> dict[str, Any]:
    """Reads `template.yaml`.

    Raises:
        ConfigurationError: `template-unreadable`, `extra-missing`.
    """
    try:
        return parse_template(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "template-unreadable", f"{path} cannot be read: {error}", hint="run: liteship render"
        ) from error


def parse_template(text: str) -> dict[str, Any]:
    """Reads a template, YAML with CloudFormation's tags or JSON.

    Raises:
        ConfigurationError: `template-unreadable`, `extra-missing`.
    """
    yaml_parse = _samtranslator("yaml_helper").yaml_parse
    import yaml

    try:
        template = yaml_parse(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(
            "template-unreadable",
            "the template is not YAML",
            problems=str(error).splitlines(),
            hint="correct the line that the message names, or run: liteship render",
        ) from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise ConfigurationError(
            "template-unreadable",
            "the template holds no Resources",
            expected="a CloudFormation template",
            received=f"{text[:60]!r}",
            hint="run: liteship render",
        )
    return template


def translate(
    template: Mapping[str, Any],
    *,
    parameters: Mapping[str, str],
    code: Mapping[str, str] | None = None,
    region: str | None = None,
) -> dict[str, Any]:
    """What AWS's transform makes of a SAM template.

    Args:
        template: As `read_template` gives it; left as it is.
        parameters: Values; the template's defaults stand in for those that are missing.
        code: By logical id, the image's URI or the zip file's `s3://` address; where it is missing,
            or of the other kind, a placeholder stands in for a local path.
        region: Where it will stand.

    Raises:
        ConfigurationError: `template-invalid` with every problem found, `extra-missing`.
    """
    import copy

    import boto3

    parser = _samtranslator("parser.parser")
    translator = _samtranslator("translator.translator")
    exceptions = _samtranslator("model.exceptions")
    # Says at every run that its own feature switches are not configured
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    template = copy.deepcopy(dict(template))
    for logical_id, resource in template["Resources"].items():
        if isinstance(resource, dict):
            _point_to_code(resource, (code or {}).get(logical_id))
    session = boto3.Session(
        # never used to sign anything: they keep the session from looking for real ones
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106
        region_name=region or NO_REGION,
    )
    try:
        translated: dict[str, Any] = translator.Translator(
            None, parser.Parser(), boto_session=session
        ).translate(template, parameter_values=dict(parameters), get_managed_policy_map=dict)
    except exceptions.InvalidDocumentException as error:
        raise ConfigurationError(
            "template-invalid",
            f"template.yaml cannot be translated: {len(error.causes)} problem(s)",
            problems=[str(cause.message) for cause in error.causes],
            hint="correct the function.toml behind each, then run: liteship render",
        ) from error
    return translated


def _samtranslator(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"samtranslator.{module}")
    except ImportError as error:
        raise ConfigurationError(
            "extra-missing",
            f"planning a deployment needs a package that is not installed: {error.name}",
            hint="pip install 'liteship[deploy]', or make install",
        ) from error


def _point_to_code(resource: dict[str, Any], location: str | None) -> None:
    """Sets the address of a resource's code; a local path is none for AWS."""
    key = _ZIPS.get(str(resource.get("Type")))
    properties = resource.get("Properties")
    if key is None or not isinstance(properties, dict):
        return
    if properties.get("PackageType") == "Image":
        usable = location if location is not None and not _is_uploaded(location) else None
        properties["ImageUri"] = usable or properties.get("ImageUri", NOT_BUILT_IMAGE)
    elif _is_uploaded(location):
        properties[key] = location
    elif not _is_uploaded(properties.get(key)):
        properties[key] = NOT_BUILT_ZIP


def _is_uploaded(location: object) -> bool:
    """Whether this is a zip file's address."""
    return isinstance(location, dict) or str(location).startswith("s3://")


def code_locations(template: Mapping[str, Any]) -> dict[str, str]:
    """Where the code lies of every function and layer, by its logical id before the transform.

    Args:
        template: A SAM template whose code `sam deploy` has uploaded, or what became of it.

    Returns:
        As `translate` takes it.
    """
    found = {}
    for logical_id, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        places = (
            properties.get(key) for key in ("ImageUri", "CodeUri", "ContentUri", "Code", "Content")
        )
        location = next((_location(place) for place in places if place), None)
        if location is not None:
            found[base_id(logical_id, resource["Type"])] = location
    return found


def _location(place: Any) -> str | None:
    if isinstance(place, str):
        return place
    if "ImageUri" in place:
        return str(place["ImageUri"])
    bucket, key = (place.get(f"S3{name}", place.get(name)) for name in ("Bucket", "Key"))
    return f"s3://{bucket}/{key}" if bucket and key else None


def base_id(logical_id: str, resource_type: str) -> str:
    """A logical id without the digest that the transform puts behind versions and layers.

    Versions are never changed, only succeeded: a new content gets a new logical id
    (https://github.com/aws/serverless-application-model/blob/develop/docs/internals/generated_resources.rst).
    """
    return _SUFFIX.sub("", logical_id) if resource_type in _REGENERATED else logical_id
