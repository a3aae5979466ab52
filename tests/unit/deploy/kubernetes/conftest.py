"""Variants of function.toml, and what an API server with strict field validation would refuse."""

from __future__ import annotations

import copy
import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from liteship.config import FunctionConfig

if TYPE_CHECKING:
    from collections.abc import Callable

SPECS = os.environ.get("LITESHIP_SPECS", "")

KUBERNETES = "1.36"

FUNCTION = """
name = "{name}"
version = "{version}"
[input]
kind = "tensor"
[model]
source = "x.keras"
calibration = "calibration.npz"
{more}
"""

VARIANTS = {
    "smallest": "",
    "everything": """
[runtime]
memory_mib = 2048
timeout_s = 900
observability = "powertools"
max_pixels = 1000
[output]
low_confidence = 0.25
[triggers.s3]
input_prefix = "a b: #+\\"'\\\\é/"
output_prefix = "yes/"
bucket = "some.bucket"
[knative]
cpu_request = 1.25
cpu_limit = 3.5
memory_request_mib = 300
container_concurrency = 3
target = 2
target_utilization_percent = 85
min_scale = 5
max_scale = 40
window_s = 6
retention_s = 3600
visibility = "cluster-local"
""",
    "queue": "[triggers.s3]\nqueue = true\n",
    "model in S3": """
location = "s3://some.bucket/models"
[knative]
secret = "one-aws"
service_account = "no"
""",
    "mounted model": """
location = "/mnt/models/of.us"
[knative]
volume_claim = "models"
""",
    "fraction": "[knative]\ncpu_request = 0.01\ncpu_limit = 0.25\n",
}


@pytest.fixture(params=VARIANTS)
def config(
    request: pytest.FixtureRequest, make_config: Callable[..., FunctionConfig]
) -> FunctionConfig:
    """Each of the variants."""
    return make_config(VARIANTS[request.param])


@pytest.fixture
def make_config(tmp_path: Path, artifact_folder: Path) -> Callable[..., FunctionConfig]:
    """Makes a configuration from further lines of TOML, which begin in `[model]`."""

    def make(more: str = "", name: str = "one", version: str = "3") -> FunctionConfig:
        content = json.loads((artifact_folder / "model.json").read_text())
        manifest = json.dumps(content | {"name": name, "version": version})
        (tmp_path / "model.json").write_text(manifest)
        return read(more, name, version).with_model_in(tmp_path)

    return make


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Makes a project of functions: `project(one="…", two="…")`, each with lines of its own."""

    def make(**functions: str) -> Path:
        for name, more in functions.items():
            folder = tmp_path / "functions" / name.replace("_", "-")
            folder.mkdir(parents=True, exist_ok=True)
            text = FUNCTION.format(name=folder.name, version="3", more=more)
            (folder / "function.toml").write_text(text)
        return tmp_path

    return make


@pytest.fixture(scope="session")
def refusals() -> Callable[[dict[str, Any]], list[str]]:
    """What is wrong with a manifest of any kind, unknown fields included."""
    if not SPECS:
        pytest.skip("LITESHIP_SPECS names no folder with Knative's and KServe's published schemas")
    definitions = {}
    for path in Path(SPECS).glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())
        if definition.get("kind") == "CustomResourceDefinition":
            spec = definition["spec"]
            for version in spec["versions"]:
                api = f"{spec['group']}/{version['name']}"
                definitions[api, spec["names"]["kind"]] = version["schema"]["openAPIV3Schema"]

    def find(manifest: dict[str, Any]) -> list[str]:
        schema = definitions.get((manifest["apiVersion"], manifest["kind"]))
        if schema is None:
            return kubernetes_refusals(manifest)
        schema = strict(schema)
        # The definitions leave these to Kubernetes
        schema["properties"] |= {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "required": ["name"]},
        }
        messages = [error.message for error in Draft202012Validator(schema).iter_errors(manifest)]
        return messages + [each for pod in pods(manifest) for each in kubernetes_refusals(pod)]

    return find


def read(more: str = "", name: str = "one", version: str = "3") -> FunctionConfig:
    text = FUNCTION.format(name=name, version=version, more=more)
    return FunctionConfig.model_validate(tomllib.loads(text))


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


def kubernetes_refusals(manifest: dict[str, Any]) -> list[str]:
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [str(error)]
    return []


def pods(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The Pods that Knative and KServe make of a manifest: their definitions check those loosely."""
    if manifest["kind"] == "Service":
        template = copy.deepcopy(manifest["spec"]["template"])
        del template["spec"]["containerConcurrency"], template["spec"]["timeoutSeconds"]
        for probe in ("readinessProbe", "livenessProbe"):
            # Knative fills it in
            template["spec"]["containers"][0][probe]["httpGet"]["port"] = 8080
        return [{"apiVersion": "v1", "kind": "Pod", **template}]
    if manifest["kind"] == "ServingRuntime":
        containers = manifest["spec"]["containers"]
        metadata = {"name": manifest["metadata"]["name"]}
        return [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": metadata,
                "spec": {"containers": containers, "volumes": manifest["spec"].get("volumes", [])},
            }
        ]
    return []
