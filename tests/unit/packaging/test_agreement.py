"""template.yaml, Dockerfile, knative/ and the makefiles say what function.toml says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from liteship.packaging.limits import HTTP_API_TIMEOUT_S, LAYERS
from liteship.project import load_function

if TYPE_CHECKING:
    from liteship.config import FunctionConfig

ROOT = Path(__file__).parents[3]
BUILD_PY = (ROOT / "layers" / "build.py").read_text()


class CloudFormationLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref X` is read as {"Ref": "X"}."""


def _short_form(loader: CloudFormationLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    name = tag if tag == "Ref" else f"Fn::{tag}"
    assert isinstance(node, yaml.ScalarNode)
    return {name: loader.construct_scalar(node)}


CloudFormationLoader.add_multi_constructor("!", _short_form)


@pytest.fixture(scope="module")
def config() -> FunctionConfig:
    return load_function("digits", ROOT).config


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    loader = CloudFormationLoader((ROOT / "template.yaml").read_text())
    loaded: dict[str, Any] = loader.get_single_data()
    return loaded


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "knative" / "service.yaml").read_text())
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "functions" / "Dockerfile").read_text()


@pytest.mark.parametrize("name", ["DigitsFunction", "DigitsZipFunction"])
def test_functions_have_the_settings_of_function_toml(
    template: dict[str, Any], config: FunctionConfig, name: str
) -> None:
    properties = template["Resources"][name]["Properties"]
    assert properties["MemorySize"] == config.runtime.memory_mib
    assert properties["Timeout"] == config.runtime.timeout_s
    assert properties["Architectures"] == [config.runtime.architecture]


@pytest.mark.parametrize("name", ["DigitsFunction", "DigitsZipFunction"])
def test_the_http_api_waits_longer_than_the_function(template: dict[str, Any], name: str) -> None:
    properties = template["Resources"][name]["Properties"]
    http = properties["Events"]["Http"]["Properties"]
    assert properties["Timeout"] * 1000 < http["TimeoutInMillis"] <= HTTP_API_TIMEOUT_S * 1000


def test_the_image_function_is_built_from_the_one_dockerfile(
    template: dict[str, Any], config: FunctionConfig, dockerfile: str
) -> None:
    metadata = template["Resources"]["DigitsFunction"]["Metadata"]
    assert (ROOT / metadata["DockerContext"] / metadata["Dockerfile"]).is_file()
    assert metadata["DockerTag"] == f"v{config.version}"
    assert metadata["DockerBuildArgs"].keys() <= set(
        re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE)
    )
    assert metadata["DockerBuildArgs"]["FUNCTION"] == config.name
    default = re.search(r"^ARG BASE_IMAGE=(\S+)", dockerfile, re.MULTILINE)
    assert default is not None
    assert default[1] == template["Parameters"]["BaseImage"]["Default"]
    assert default[1].endswith(f":{config.runtime.python}")


def test_the_image_function_knows_its_prefixes(
    template: dict[str, Any], config: FunctionConfig
) -> None:
    properties = template["Resources"]["DigitsFunction"]["Properties"]
    assert properties["Environment"]["Variables"] == config.environment()
    assert config.triggers.s3 is not None
    (rule,) = properties["Events"]["Upload"]["Properties"]["Filter"]["S3Key"]["Rules"]
    assert rule == {"Name": "prefix", "Value": config.triggers.s3.input_prefix}


def test_the_policy_reads_uploads_writes_results_and_nothing_else(
    template: dict[str, Any], config: FunctionConfig
) -> None:
    assert config.triggers.s3 is not None
    read, write = config.triggers.s3.input_prefix, config.triggers.s3.output_prefix
    bucket = template["Resources"]["DigitsBucket"]["Properties"]["BucketName"]["Fn::Sub"]
    arn = f"arn:${{AWS::Partition}}:s3:::{bucket}"
    (policy,) = template["Resources"]["DigitsFunction"]["Properties"]["Policies"]
    granted = {
        (statement["Effect"], statement["Action"]): (
            statement["Resource"]["Fn::Sub"],
            statement.get("Condition"),
        )
        for statement in policy["Statement"]
    }
    assert granted == {
        ("Allow", "s3:GetObject"): (f"{arn}/{read}*", None),
        ("Allow", "s3:ListBucket"): (arn, {"StringLike": {"s3:prefix": f"{read}*"}}),
        ("Allow", "s3:PutObject"): (f"{arn}/{write}*", None),
    }


def test_the_zip_function_and_its_layers_are_for_one_python(
    template: dict[str, Any], config: FunctionConfig
) -> None:
    runtime = f"python{config.runtime.python}"
    resources = template["Resources"]
    function = resources["DigitsZipFunction"]["Properties"]
    assert function["Runtime"] == runtime
    attached = [layer["Ref"] for layer in function["Layers"]]
    assert 0 < len(attached) <= LAYERS
    for name in attached:
        properties = resources[name]["Properties"]
        assert properties["CompatibleRuntimes"] == [runtime]
        assert properties["CompatibleArchitectures"] == [config.runtime.architecture]
        assert resources[name]["Metadata"]["BuildArchitecture"] == config.runtime.architecture
    assert f'PYTHON = "{config.runtime.python}"' in BUILD_PY
    makefile = (ROOT / "functions" / "Makefile").read_text()
    assert f"bundle {config.name} --python {config.runtime.python} " in makefile


def test_every_built_resource_has_a_makefile_target(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        if resource.get("Metadata", {}).get("BuildMethod") != "makefile":
            continue
        properties = resource["Properties"]
        folder = ROOT / (properties.get("CodeUri") or properties["ContentUri"])
        assert f"build-{name}:" in (folder / "Makefile").read_text()


def test_every_log_group_forgets(template: dict[str, Any]) -> None:
    groups = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Logs::LogGroup"
    ]
    assert groups
    assert all(group["RetentionInDays"] > 0 for group in groups)


def test_the_service_has_the_settings_of_function_toml(
    service: dict[str, Any], config: FunctionConfig
) -> None:
    template = service["spec"]["template"]
    spec = template["spec"]
    (container,) = spec["containers"]
    annotations = template["metadata"]["annotations"]
    assert service["metadata"]["name"] == config.name == container["name"]
    assert spec["containerConcurrency"] == config.knative.container_concurrency
    assert annotations["autoscaling.knative.dev/min-scale"] == str(config.knative.min_scale)
    assert annotations["autoscaling.knative.dev/max-scale"] == str(config.knative.max_scale)
    assert spec["timeoutSeconds"] >= config.runtime.timeout_s
    assert container["resources"]["limits"]["memory"] == f"{config.runtime.memory_mib}Mi"
    assert {each["name"]: each["value"] for each in container["env"]} == config.environment()
    assert container["image"].endswith(f"/{config.name}:v{config.version}")


def test_the_service_runs_as_the_image_says(service: dict[str, Any], dockerfile: str) -> None:
    (container,) = service["spec"]["template"]["spec"]["containers"]
    security = container["securityContext"]
    assert f"\nUSER {security['runAsUser']}:{security['runAsGroup']}\n" in dockerfile
    assert f"\nEXPOSE {container['ports'][0]['containerPort']}\n" in dockerfile


def test_the_image_needs_no_buildkit(dockerfile: str) -> None:
    assert not re.search(r"^# syntax=|--mount=|--link|--chmod|<<", dockerfile, re.MULTILINE)


def test_the_image_holds_every_layer_that_it_builds(dockerfile: str) -> None:
    built = re.findall(r"^RUN python3 build\.py (\w+) ", dockerfile, re.MULTILINE)
    assert built
    assert built == re.findall(r"^COPY --from=layers /layers/(\w+) /opt$", dockerfile, re.MULTILINE)
    for layer in built:
        assert (ROOT / "layers" / layer / "requirements.txt").is_file()


def test_the_events_are_what_the_names_say() -> None:
    folder = ROOT / "tests" / "data" / "events"
    events = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    assert events["http_v2"]["version"] == "2.0"
    assert events["http_v1"]["version"] == "1.0"
    assert events["http_v1"]["body"] == events["http_v2"]["body"]
    assert events["s3_test"]["Event"] == "s3:TestEvent"
    key = events["s3_put"]["Records"][0]["s3"]["object"]["key"]
    assert key == "incoming/zwei+drei%2Bvier/%C3%A9+7.png"
