"""What `liteship render` makes of function.toml; what SAM makes of that: integration/test_template."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
import yaml

from liteship.config import Rollout
from liteship.deploy.sam.template import DEPLOYMENT_TYPES, render
from liteship.errors import ArtifactError, ConfigurationError
from liteship.packaging.quotas import HTTP_API_TIMEOUT_S, LAYERS
from liteship.project import load_functions

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[4]

FUNCTION = """
name = "{name}"
version = "3"
[input]
kind = "tensor"
[model]
source = "x.keras"
calibration = "calibration.npz"
{more}
"""


class CloudFormationLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: `!Ref X` is read as {"Ref": "X"}."""


def _short_form(loader: CloudFormationLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    assert isinstance(node, yaml.ScalarNode)
    return {tag if tag == "Ref" else f"Fn::{tag}": loader.construct_scalar(node)}


CloudFormationLoader.add_multi_constructor("!", _short_form)


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Makes a project of functions: `project(one="…", two="…")`, each with lines of its own."""

    def make(**functions: str) -> Path:
        for name, more in functions.items():
            folder = tmp_path / "functions" / name.replace("_", "-")
            folder.mkdir(parents=True)
            text = FUNCTION.format(name=folder.name, more=more)
            (folder / "function.toml").write_text(text)
        return tmp_path

    return make


def put_artifact(target: Path, source: Path, *, version: str) -> None:
    content = json.loads((source / "model.json").read_text())
    target.mkdir(exist_ok=True)
    (target / "model.json").write_text(json.dumps(content | {"name": "one", "version": version}))


def parse(root: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = CloudFormationLoader(
        render(root)[root / "template.yaml"]
    ).get_single_data()
    return parsed


def test_every_setting_arrives(project: Callable[..., Path]) -> None:
    root = project(
        one="""
[runtime]
memory_mib = 1024
timeout_s = 20
max_pixels = 1000
[lambda]
tmp_mib = 2048
reserved_concurrency = 7
provisioned_concurrency = 2
log_retention_days = 90
tags = { team = "ml: a+b" }
"""
    )
    resources = parse(root)["Resources"]
    properties = resources["OneFunction"]["Properties"]
    assert (properties["MemorySize"], properties["Timeout"]) == (1024, 20)
    assert properties["EphemeralStorage"] == {"Size": 2048}
    assert properties["ReservedConcurrentExecutions"] == 7
    assert properties["ProvisionedConcurrencyConfig"] == {"ProvisionedConcurrentExecutions": 2}
    assert properties["Tags"] == {"team": "ml: a+b"}
    (function,) = load_functions(root)
    assert properties["Environment"]["Variables"] == function.config.environment()
    assert resources["OneLogs"]["Properties"] == {
        "RetentionInDays": 90,
        "Tags": [{"Key": "team", "Value": "ml: a+b"}],
    }
    metadata = resources["OneFunction"]["Metadata"]
    assert (metadata["DockerTag"], metadata["DockerBuildArgs"]["FUNCTION"]) == ("v3", "one")


def test_a_model_in_s3_may_be_read_by_the_function_alone(
    project: Callable[..., Path], artifact_folder: Path
) -> None:
    root = project(one='location = "s3://some.bucket/models"')
    put_artifact(root / "functions" / "one" / "model", artifact_folder, version="3")
    resources = parse(root)["Resources"]
    variables = resources["OneFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["LITESHIP_MODEL"] == "s3://some.bucket/models/one/3"
    content = (root / "functions" / "one" / "model" / "model.json").read_bytes()
    assert variables["LITESHIP_MODEL_SHA256"] == hashlib.sha256(content).hexdigest()
    allowed = {
        statement["Sid"]: statement["Resource"]
        for policy in resources["OneRole"]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "s3:GetObject"
    }
    # Every version: one that a rollout still runs, or a rollback returns to, starts anew too
    arn = "arn:${AWS::Partition}:s3:::some.bucket/models/one/*"
    assert allowed == {"ReadModel": {"Fn::Sub": arn}}


def test_only_a_new_version_of_a_model_in_s3_changes_the_stack(
    project: Callable[..., Path], artifact_folder: Path
) -> None:
    root = project(one='location = "s3://some.bucket/models"')
    path = root / "functions" / "one" / "function.toml"
    texts = []
    for version in ("3", "4"):
        path.write_text(path.read_text().replace('version = "3"', f'version = "{version}"'))
        put_artifact(path.parent / "model", artifact_folder, version=version)
        texts.append(render(root)[root / "template.yaml"].splitlines())
    changed = [new.strip() for old, new in zip(*texts, strict=True) if old != new]
    assert [line.partition(":")[0] for line in changed] == [
        *("DockerTag", "Description", "LITESHIP_MODEL", "LITESHIP_MODEL_SHA256")
    ]


def test_a_mounted_model_is_not_lambda_s(project: Callable[..., Path]) -> None:
    root = project(one='location = "/mnt/models"\n[knative]\nvolume_claim = "models"')
    assert "LITESHIP_MODEL" not in render(root)[root / "template.yaml"]


def test_a_model_that_was_not_converted_cannot_be_located(
    project: Callable[..., Path], artifact_folder: Path
) -> None:
    root = project(one='location = "s3://some.bucket/models"')
    with pytest.raises(ArtifactError) as raised:
        render(root)
    assert raised.value.reference == "artifact-missing"
    put_artifact(root / "functions" / "one" / "model", artifact_folder, version="2")
    with pytest.raises(ArtifactError) as raised:
        render(root)
    assert raised.value.reference == "artifact-version"
    assert (raised.value.expected, raised.value.received) == ("one version 3", "one version 2")


def test_snap_start_is_for_published_versions(project: Callable[..., Path]) -> None:
    properties = parse(project(one="[lambda]\nsnap_start = true"))["Resources"]["OneFunction"][
        "Properties"
    ]
    assert properties["SnapStart"] == {"ApplyOn": "PublishedVersions"}


def test_the_http_api_waits_longer_than_the_function(project: Callable[..., Path]) -> None:
    properties = parse(project(one=""))["Resources"]["OneFunction"]["Properties"]
    http = properties["Events"]["Http"]["Properties"]
    assert properties["Timeout"] * 1000 < http["TimeoutInMillis"] <= HTTP_API_TIMEOUT_S * 1000


def test_a_zip_function_attaches_the_layers_that_it_needs(project: Callable[..., Path]) -> None:
    root = project(one='[lambda]\npackage = "zip"\n[runtime]\npython = "3.14"\narchitecture = "arm64"')
    template = parse(root)
    resources = template["Resources"]
    attached = [layer["Ref"] for layer in resources["OneFunction"]["Properties"]["Layers"]]
    assert attached == ["LitertLayer", "WebLayer"]
    assert len(attached) <= LAYERS
    for layer in attached:
        properties = resources[layer]["Properties"]
        assert properties["CompatibleRuntimes"] == ["python3.14"]
        assert properties["CompatibleArchitectures"] == ["arm64"]
        assert resources[layer]["Metadata"]["BuildArchitecture"] == "arm64"
    assert "BaseImage" not in template["Parameters"]
    makefiles = {path.parent.name: text for path, text in render(root).items()}
    assert "build.py litert --python 3.14 --architecture arm64 " in makefiles["layers"]
    assert "bundle) one" not in makefiles["functions"]
    assert "$(BUNDLE) one --python 3.14 " in makefiles["functions"]


def test_every_built_resource_has_a_makefile_target(project: Callable[..., Path]) -> None:
    for root in (ROOT, project(one='[lambda]\npackage = "zip"', two="")):
        texts = render(root)
        for name, resource in parse(root)["Resources"].items():
            if resource.get("Metadata", {}).get("BuildMethod") != "makefile":
                continue
            properties = resource["Properties"]
            folder = root / (properties.get("CodeUri") or properties["ContentUri"])
            assert f"\nbuild-{name}:\n" in texts[folder / "Makefile"]


def test_alarms_stand_where_somebody_asked_or_a_rollout_needs_them(
    project: Callable[..., Path],
) -> None:
    root = project(
        quiet="",
        watched="[lambda.alarms]\np99_ms = 800\nlow_confidence_share = 0.3",
        slow='[lambda]\nrollout = "linear 10%/1m"',
    )
    resources = parse(root)["Resources"]

    def alarms(name: str) -> list[str]:
        preference = resources[f"{name}Function"]["Properties"]["DeploymentPreference"]
        return [each["Ref"] for each in preference.get("Alarms", [])]

    assert alarms("Quiet") == []
    assert alarms("Slow") == ["SlowErrorsAlarm"]
    assert alarms("Watched") == ["WatchedErrorsAlarm", "WatchedP99Alarm", "WatchedLowConfidenceAlarm"]
    for name in alarms("Watched"):
        assert resources[name]["Type"] == "AWS::CloudWatch::Alarm"
    assert resources["WatchedP99Alarm"]["Properties"]["Threshold"] == 800
    assert resources["WatchedLowConfidenceAlarm"]["Properties"]["Threshold"] == 0.3


def test_every_rollout_has_sams_name_for_it() -> None:
    assert tuple(DEPLOYMENT_TYPES) == get_args(Rollout)


def test_a_queue_waits_six_times_as_long_as_the_function_and_keeps_what_fails(
    project: Callable[..., Path],
) -> None:
    resources = parse(project(one="[triggers.s3]\nqueue = true"))["Resources"]
    queue = resources["OneQueue"]["Properties"]
    assert queue["VisibilityTimeout"] == 6 * resources["OneFunction"]["Properties"]["Timeout"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": "OneDeadLetters.Arn"}
    source = resources["OneFunction"]["Properties"]["Events"]["Queue"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize(
    ("functions", "problem"),
    [
        ({"one": "", "two": '[runtime]\npython = "3.12"'}, "runtime.python: one for all"),
        (
            {
                "one": '[lambda]\npackage = "zip"',
                "two": '[lambda]\npackage = "zip"\n[runtime]\narchitecture = "arm64"',
            },
            "arm64 and x86_64",
        ),
        ({"a_1": "", "a1": ""}, "two functions have the logical id A1"),
        (
            {"an_example_with_a_long_name_1": "", "an_example_with_a_long_name_2": ""},
            "two functions have the hook name an-example-with-a-long-n",
        ),
        ({"an_example_with_a_long_name": "[triggers.s3]"}, "at most 20 characters"),
    ],
)
def test_functions_that_cannot_stand_together_are_refused(
    project: Callable[..., Path], functions: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        render(project(**functions))
    assert refused.value.reference == "stack-invalid"
    assert problem in str(refused.value)


def test_a_project_without_functions_says_so(tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    with pytest.raises(ConfigurationError) as refused:
        render(tmp_path)
    assert refused.value.reference == "function-missing"


def test_several_models_are_told_to_the_function_and_to_its_hook(project: Callable[..., Path]) -> None:
    labels = '[models]\ncontrol = true\n[models.labels.one]\nstable = "2"\ncanary = "3"'
    root = project(one=labels, two="")
    resources = parse(root)["Resources"]
    variables = {
        name: resource["Properties"]["Environment"]["Variables"]
        for name, resource in resources.items()
        if "Environment" in resource.get("Properties", {})
    }
    told = '{"name":"one","version":"3","labels":{"one":{"stable":"2","canary":"3"}},"control":true}'
    assert variables["OneFunction"] == {"LITESHIP_MODELS": told}
    assert variables["OneHook"]["LITESHIP_MODELS"] == told
    assert "LITESHIP_MODELS" not in variables["TwoHook"]
