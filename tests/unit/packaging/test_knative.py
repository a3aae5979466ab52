"""knative/service.yaml against the schema that Knative publishes, unknown fields refused."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[3]
SPECS = os.environ.get("LITESHIP_SPECS", "")

pytestmark = pytest.mark.skipif(
    not SPECS, reason="LITESHIP_SPECS names no folder with Knative's published schemas"
)


def strict(schema: Any) -> Any:
    """A copy that refuses unknown fields, as the API server does with strict field validation."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: strict(value) for key, value in schema.items()}
    if "properties" in schema and isinstance(schema["properties"], dict):
        result.setdefault("additionalProperties", False)
    return result


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    path = Path(SPECS) / "knative-serving-service.yaml"
    definition = yaml.safe_load(path.read_text())
    (version,) = [each for each in definition["spec"]["versions"] if each["name"] == "v1"]
    schema = strict(version["schema"]["openAPIV3Schema"])
    # The definition leaves this one to Kubernetes
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return Draft202012Validator(schema)


@pytest.fixture
def service() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "knative" / "service.yaml").read_text())
    return copy.deepcopy(loaded)


def test_the_service_is_valid(validator: Draft202012Validator, service: dict[str, Any]) -> None:
    assert [error.message for error in validator.iter_errors(service)] == []


def test_a_misspelt_field_would_be_found(
    validator: Draft202012Validator, service: dict[str, Any]
) -> None:
    spec = service["spec"]["template"]["spec"]
    spec["containerConcurency"] = spec.pop("containerConcurrency")
    spec["containers"][0]["readinessProbe"]["httpGet"]["route"] = "/"
    messages = sorted(error.message for error in validator.iter_errors(service))
    assert len(messages) == 2
    assert "containerConcurency" in messages[0]
    assert "route" in messages[1]


def test_scaling_annotations_stand_on_the_template(service: dict[str, Any]) -> None:
    assert "annotations" not in service["metadata"]
    annotations = service["spec"]["template"]["metadata"]["annotations"]
    assert all(isinstance(value, str) for value in annotations.values())
