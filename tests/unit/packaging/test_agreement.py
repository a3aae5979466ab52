"""template.yaml, Dockerfile, knative/ and the makefiles say what function.toml says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from liteship.packaging.image_config import MARKER
from liteship.packaging.image_inputs import default_base_image
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
    loaded: dict[str, Any] = yaml.safe_load(
        (ROOT / "knative" / "base" / "digits" / "service.yaml").read_text()
    )
    return loaded


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "functions" / "Dockerfile").read_text()


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
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)", dockerfile, re.MULTILINE))
    assert defaults["BASE_IMAGE"] == default_base_image("${PYTHON}")
    assert defaults["PYTHON"] == config.runtime.python == metadata["DockerBuildArgs"]["PYTHON"]
    assert template["Parameters"]["BaseImage"]["Default"] == default_base_image(config.runtime.python)
    assert defaults["ARCHITECTURE"] == config.runtime.architecture


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
    bucket = {"LITESHIP_S3_BUCKET": f"{config.name}-uploads"}  # anybody can send an event here
    assert {each["name"]: each["value"] for each in container["env"]} == config.environment() | bucket
    assert template["metadata"]["name"].startswith(f"{config.name}-v{config.version}-")


def test_the_service_runs_as_the_image_says(service: dict[str, Any], dockerfile: str) -> None:
    (container,) = service["spec"]["template"]["spec"]["containers"]
    security = container["securityContext"]
    assert f"\nUSER {security['runAsUser']}:{security['runAsGroup']}\n" in dockerfile
    assert f"\nEXPOSE {container['ports'][0]['containerPort']}\n" in dockerfile


def test_the_image_needs_no_buildkit(dockerfile: str) -> None:
    assert not re.search(r"^# syntax=|--mount=|--link|--chmod|<<", dockerfile, re.MULTILINE)


def test_the_last_stage_runs_nothing_and_begins_with_the_marker(dockerfile: str) -> None:
    """So an image for another processor needs no emulation, and its own layers are told apart."""
    last = re.split(r"^FROM .*\n", dockerfile, flags=re.MULTILINE)[-1]
    lines = [line for line in last.splitlines() if line and not line.startswith((" ", "#"))]
    assert lines[0].startswith(MARKER)
    instructions = {line.partition(" ")[0] for line in lines}
    assert instructions == {
        *("LABEL", "ENV", "COPY", "WORKDIR", "EXPOSE", "ONBUILD", "USER", "ENTRYPOINT", "CMD")
    }
    assert 'LABEL com.amazonaws.lambda.feature.snapstart="Allow"' in lines


def test_code_comes_last_into_the_image(dockerfile: str) -> None:
    copies = re.findall(r"^COPY --from=\w+ (\S+) \S+$", dockerfile, re.MULTILINE)
    assert copies[-3:] == ["/bundle/model", "/bundle/liteship", "/bundle/own"]
    assert all(copy.startswith("/layers/") for copy in copies[:-3])


def test_the_image_holds_every_layer_that_it_builds(dockerfile: str) -> None:
    target = r'--python "\$PYTHON" --architecture "\$ARCHITECTURE" --output /layers/\1$'
    built = re.findall(rf"^RUN python3 build\.py (\w+) {target}", dockerfile, re.MULTILINE)
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
