"""What the manifests say of function.toml; their validity: test_schemas."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from liteship.deploy.kubernetes.images import image_of
from liteship.deploy.kubernetes.manifests import (
    GRACE_S,
    MIB,
    TMP_ALLOWANCE_MIB,
    kserve,
    plain,
    render,
    revision_name,
    service,
)
from liteship.deploy.rendering import drifted, write
from liteship.project import load_functions
from liteship.runtime.server import GRACEFUL_SHUTDOWN_S
from liteship.runtime.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from liteship.config import FunctionConfig

ROOT = Path(__file__).parents[4]

IMAGE = f"registry.example.com/one@sha256:{'a' * 64}"


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def kustomize(folder: Path) -> list[dict[str, Any]]:
    """What `kubectl kustomize` makes of a folder, of the fields that ours use."""
    (content,) = documents(folder / "kustomization.yaml")
    known = {"apiVersion", "kind", "resources", "components", "images", "labels"}
    assert content.keys() <= known
    manifests = []
    for entry in content.get("resources", []):
        path = folder / entry
        manifests += kustomize(path) if path.is_dir() else documents(path)
    components = [
        documents(folder / each / "kustomization.yaml")[0] for each in content.get("components", [])
    ]
    for transformer in (content, *components):
        images = {image["name"]: image for image in transformer.get("images", [])}
        for manifest in manifests:
            for container in containers(manifest):
                if image := images.get(container["image"]):
                    container["image"] = f"{image['newName']}@{image['digest']}"
            for labels in transformer.get("labels", []):
                manifest["metadata"]["labels"] |= labels["pairs"]
    return manifests


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    spec = manifest.get("spec", {})
    pod = spec.get("template", {}).get("spec", spec)
    found: list[dict[str, Any]] = pod.get("containers", [])
    return found


def kustomizations() -> list[Path]:
    paths = (ROOT / "knative").rglob("kustomization.yaml")
    return sorted(path.parent for path in paths if documents(path)[0]["kind"] == "Kustomization")


def in_order(manifests: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(manifest, sort_keys=True) for manifest in manifests)


@pytest.mark.parametrize("folder", kustomizations(), ids=lambda each: each.name)
def test_every_kustomization_can_be_built(folder: Path) -> None:
    """Every file that is listed exists; where there is a kubectl, it makes the same of them."""
    built = kustomize(folder)
    assert built
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in built]
    assert len(set(names)) == len(names)
    kubectl = shutil.which("kubectl")
    if kubectl is not None:
        done = subprocess.run(
            [kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=True
        )
        assert in_order(list(yaml.safe_load_all(done.stdout))) == in_order(built)


@pytest.mark.parametrize("folder", ["", "kubernetes", "kserve", "overlays/minio"])
def test_images_are_named_by_digest(folder: str) -> None:
    images = [
        each["image"]
        for manifest in kustomize(ROOT / "knative" / folder)
        for each in containers(manifest)
    ]
    assert len(images) == len(load_functions(ROOT))
    assert all("@sha256:" in image for image in images)


def test_the_committed_service_is_the_one_that_the_commands_make() -> None:
    built = {each["metadata"]["name"]: each for each in kustomize(ROOT / "knative")}
    for function in load_functions(ROOT):
        name = function.config.name
        assert built[name] == service(function.config, image_of(ROOT, name))


def test_every_setting_arrives(make_config: Callable[..., FunctionConfig]) -> None:
    config = make_config("""
[runtime]
memory_mib = 2048
timeout_s = 20
max_pixels = 1000
[knative]
cpu_request = 1.25
cpu_limit = 3.5
memory_request_mib = 300
target = 2
target_utilization_percent = 85
min_scale = 5
max_scale = 40
window_s = 90
retention_s = 30
visibility = "cluster-local"
""")
    manifest = service(config, IMAGE)
    template = manifest["spec"]["template"]
    (container,) = template["spec"]["containers"]
    annotations = template["metadata"]["annotations"]
    assert manifest["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"
    assert "annotations" not in manifest["metadata"]  # there, scaling would not be heard
    assert all(isinstance(value, str) for value in annotations.values())
    assert {key.partition("/")[2]: value for key, value in annotations.items()} == {
        "class": "kpa.autoscaling.knative.dev",
        "metric": "concurrency",
        "target": "2",
        "target-utilization-percentage": "85",
        "min-scale": "5",
        "max-scale": "40",
        "initial-scale": "1",
        "window": "90s",
        "scale-to-zero-pod-retention-period": "30s",
    }
    assert template["spec"]["containerConcurrency"] == 3
    assert template["spec"]["timeoutSeconds"] > config.runtime.timeout_s
    assert container["image"] == IMAGE
    assert container["resources"] == {
        "requests": {"cpu": "1250m", "memory": "300Mi"},
        "limits": {"cpu": "3500m", "memory": "2Gi"},
    }
    assert {each["name"]: each["value"] for each in container["env"]} == config.environment()


def test_several_models_arrive(make_config: Callable[..., FunctionConfig]) -> None:
    config = make_config('[models]\nmemory_mib = 64\n[models.labels.wine]\nstable = "7"')
    for pod in pods(config):
        told = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
        setting = Settings(told).models
        assert setting is not None
        assert (setting.name, setting.version) == (config.name, config.version)
        assert (setting.labels, setting.memory_mib) == ({"wine": {"stable": "7"}}, 64)


def test_no_request_waits_longer_than_knative_allows(
    make_config: Callable[..., FunctionConfig],
) -> None:
    manifest = service(make_config("[runtime]\ntimeout_s = 900\n"), IMAGE)
    assert manifest["spec"]["template"]["spec"]["timeoutSeconds"] == 600


def test_a_revision_has_another_name_for_other_content(
    make_config: Callable[..., FunctionConfig],
) -> None:
    one = revision_name(make_config(), IMAGE)
    assert one == revision_name(make_config(), IMAGE)
    assert one.startswith("one-v3-")
    others = {
        revision_name(make_config(), IMAGE.replace("a", "b")),
        revision_name(make_config("[knative]\nmax_scale = 11\n"), IMAGE),
        revision_name(make_config(version="4"), IMAGE),
    }
    assert len(others - {one}) == 3


def test_a_revision_s_name_is_a_label_and_begins_as_its_service(
    make_config: Callable[..., FunctionConfig],
) -> None:
    config = make_config(name="n" * 40, version="v" * 11 + "-" + "w" * 8)
    name = revision_name(config, IMAGE)
    assert len(name) <= 63
    assert name.startswith(f"{config.name}-v")
    assert "--" not in name


def test_the_plain_form(config: FunctionConfig) -> None:
    kinds = {manifest["kind"]: manifest["spec"] for manifest in plain(config, IMAGE)}
    assert list(kinds) == [
        *("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy")
    ]
    deployment, autoscaler = kinds["Deployment"], kinds["HorizontalPodAutoscaler"]
    assert deployment["replicas"] == autoscaler["minReplicas"] >= 3
    assert autoscaler["maxReplicas"] >= config.knative.max_scale
    pod = deployment["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == GRACE_S > GRACEFUL_SHUTDOWN_S
    (port,) = kinds["Service"]["ports"]
    (container,) = pod["containers"]
    assert port["port"] == 80
    assert {"name": port["targetPort"], "containerPort": 8080} in container["ports"]
    is_public = config.knative.visibility == "public"
    assert kinds["Service"]["type"] == ("LoadBalancer" if is_public else "ClusterIP")
    labels = deployment["template"]["metadata"]["labels"].items()
    for selector in (
        deployment["selector"]["matchLabels"],
        kinds["Service"]["selector"],
        kinds["PodDisruptionBudget"]["selector"]["matchLabels"],
        kinds["NetworkPolicy"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    asks_s3 = config.triggers.s3 is not None or config.model.location.startswith("s3://")
    assert bool(kinds["NetworkPolicy"]["egress"]) == asks_s3


def test_quantities_are_written_as_kubernetes_gives_them_back(
    make_config: Callable[..., FunctionConfig],
) -> None:
    config = make_config("""
[runtime]
memory_mib = 3072
[knative]
cpu_request = 0.5
memory_request_mib = 1536
""")
    for manifest in (service(config, IMAGE), plain(config, IMAGE)[0]):
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"]["memory"] == "3Gi"
        assert container["resources"]["requests"] == {"cpu": "500m", "memory": "1536Mi"}


def test_pods_of_kserve_are_not_the_plain_form_s(config: FunctionConfig) -> None:
    selector = plain(config, IMAGE)[1]["spec"]["selector"]
    for manifest in kserve(config, IMAGE):
        assert not selector.items() <= manifest["metadata"]["labels"].items()


def test_a_model_in_s3_is_downloaded_into_a_folder_of_its_size(
    make_config: Callable[..., FunctionConfig], artifact_folder: Path
) -> None:
    cluster = "[knative]\nsecret = 'one-aws'\nservice_account = 'reader'\n"
    config = make_config(f"location = 's3://some.bucket/models'\n{cluster}")
    model = (artifact_folder / "model.tflite").stat().st_size
    for pod in pods(config):
        (container,) = pod["containers"]
        variables = {each["name"]: each["value"] for each in container["env"]}
        assert variables["LITESHIP_MODEL"] == "s3://some.bucket/models/one/3"
        assert Settings(variables).model_cache.startswith(container["volumeMounts"][0]["mountPath"])
        assert container["envFrom"] == [{"secretRef": {"name": "one-aws"}}]
        (volume,) = pod["volumes"]
        assert volume["name"] == container["volumeMounts"][0]["name"]
        limit_mib = int(volume["emptyDir"]["sizeLimit"].removesuffix("Mi"))
        assert model <= (limit_mib - TMP_ALLOWANCE_MIB) * MIB
        assert pod["serviceAccountName"] == "reader"
        assert pod["automountServiceAccountToken"] is False


def test_a_mounted_model_lies_where_the_claim_is_mounted(
    make_config: Callable[..., FunctionConfig],
) -> None:
    config = make_config("location = '/mnt/models'\n[knative]\nvolume_claim = 'our-models'\n")
    for pod in pods(config):
        (container,) = pod["containers"]
        (mount,), (volume,) = container["volumeMounts"], pod["volumes"]
        variables = {each["name"]: each["value"] for each in container["env"]}
        assert variables["LITESHIP_MODEL"] == f"{mount['mountPath']}/one/3"
        assert mount["name"] == volume["name"]
        # What Knative demands where only reading is enabled
        assert volume["persistentVolumeClaim"] == {"claimName": "our-models", "readOnly": True}


def test_a_new_version_of_a_located_model_is_a_new_revision_of_the_same_image(
    make_config: Callable[..., FunctionConfig],
) -> None:
    location = "location = 's3://some.bucket/models'\n"
    third = service(make_config(location), IMAGE)["spec"]["template"]
    fourth = service(make_config(location, version="4"), IMAGE)["spec"]["template"]
    assert third["metadata"]["name"] != fourth["metadata"]["name"]
    (before,), (after,) = third["spec"]["containers"], fourth["spec"]["containers"]
    assert before.pop("env") != after.pop("env")
    assert before == after


def pods(config: FunctionConfig) -> list[dict[str, Any]]:
    """As Knative, plain Kubernetes and KServe are told."""
    runtime, inference = kserve(config, IMAGE)
    account = {"serviceAccountName", "automountServiceAccountToken"}
    predictor = inference["spec"]["predictor"]
    return [
        service(config, IMAGE)["spec"]["template"]["spec"],
        plain(config, IMAGE)[0]["spec"]["template"]["spec"],
        runtime["spec"] | {key: predictor[key] for key in account & predictor.keys()},
    ]


def test_containers_may_do_nothing(config: FunctionConfig) -> None:
    pods = [
        service(config, IMAGE)["spec"]["template"]["spec"],
        plain(config, IMAGE)[0]["spec"]["template"]["spec"],
    ]
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        security = pod["containers"][0]["securityContext"]
        assert security["runAsNonRoot"] is security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def test_a_name_that_yaml_takes_for_something_else(project: Callable[..., Path]) -> None:
    root = project(no="[triggers.s3]\n")
    write(root)
    assert drifted(root) == []
    for path in (root / "knative").rglob("*.yaml"):
        for manifest in documents(path):
            labels = manifest.get("metadata", {}).get("labels", {})
            names = [labels.get("app.kubernetes.io/name", "no").removesuffix("-kserve")]
            names += [each["name"] for each in containers(manifest) if path.parent.name != "kserve"]
            names += [each["name"] for each in manifest.get("images", [])]
            assert set(names) == {"no"}


def test_events_are_for_functions_that_answer_uploads(project: Callable[..., Path]) -> None:
    root = project(one="")
    assert not any(path.parent.name == "eventing" for path in render(root))
    root = project(one="", two="[triggers.s3]\ninput_prefix = 'in/'\nbucket = 'some.bucket'\n")
    eventing = {
        path.name: text for path, text in render(root).items() if path.parent.name == "eventing"
    }
    assert eventing.keys() == {"kustomization.yaml", "broker.yaml", "two.yaml"}
    trigger = yaml.safe_load(eventing["two.yaml"])
    assert trigger["spec"]["filters"] == [{"prefix": {"subject": "in/"}}]
    assert trigger["spec"]["subscriber"]["ref"]["name"] == "two"


@pytest.mark.parametrize("overlay", ["integration-source", "minio"])
@pytest.mark.parametrize(("prefix", "results"), [("in/", "out/"), ("read/", "m"), ("re", "done/")])
def test_uploads_are_moved_and_neither_deleted_nor_read_again(
    prefix: str, results: str, overlay: str, project: Callable[..., Path]
) -> None:
    prefixes = f"input_prefix = '{prefix}'\noutput_prefix = '{results}'\n"
    root = project(one=f"[triggers.s3]\n{prefixes}bucket = 'some.bucket'\n")
    source = yaml.safe_load(render(root)[root / "knative" / "overlays" / overlay / "one.yaml"])
    s3 = source["spec"]["aws"]["s3"]
    assert s3["prefix"] == prefix
    assert s3["moveAfterRead"] is True
    assert s3["destinationBucket"] == "some.bucket"
    moved = f"{s3['destinationBucketPrefix']}{prefix}picture.png"
    assert not moved.startswith((prefix, results))
    assert source["spec"]["aws"]["auth"] == {"secret": {"ref": {"name": "one-uploads"}}}
    assert source["spec"]["sink"]["ref"]["kind"] == "Service"
    assert source["spec"]["sink"]["uri"] == "/?bucket=some.bucket"


@pytest.mark.parametrize(
    ("more", "bucket"), [("", "one-uploads"), ("bucket = 'some.bucket'\n", "some.bucket")]
)
def test_events_are_taken_of_the_bucket_that_is_read_and_not_from_everybody(
    project: Callable[..., Path], more: str, bucket: str
) -> None:
    root = project(one=f"[triggers.s3]\n{more}")
    write(root, [render])
    knative = root / "knative"
    (source,) = documents(knative / "overlays" / "minio" / "one.yaml")
    assert source["spec"]["aws"]["s3"]["arn"] == bucket
    (deployed,) = documents(knative / "base" / "one" / "service.yaml")
    _, inference = documents(knative / "kserve" / "one.yaml")
    for manifest in (deployed, inference):
        labels = manifest["metadata"]["labels"]
        assert labels["networking.knative.dev/visibility"] == "cluster-local"
    runtime, _ = documents(knative / "kserve" / "one.yaml")
    deployment, reached, *_ = documents(knative / "kubernetes" / "one.yaml")
    assert reached["spec"]["type"] == "ClusterIP"
    for manifest in (deployed, runtime, deployment):
        (container,) = containers(manifest)
        variables = {each["name"]: each["value"] for each in container["env"]}
        assert variables["LITESHIP_S3_BUCKET"] == bucket


def test_a_queue_says_which_bucket_its_uploads_are_in(project: Callable[..., Path]) -> None:
    root = project(one="[triggers.s3]\nqueue = true\n")
    source = yaml.safe_load(
        render(root)[root / "knative" / "overlays" / "integration-source" / "one.yaml"]
    )
    assert source["spec"]["aws"].keys() == {"sqs", "auth"}
    service = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "one"}
    assert source["spec"]["sink"] == {"ref": service}


def test_secrets_stand_nowhere() -> None:
    for path in (ROOT / "knative").rglob("*.yaml"):
        assert all(manifest["kind"] != "Secret" for manifest in documents(path))


def test_a_new_image_is_drift_until_the_revision_is_renamed(project: Callable[..., Path]) -> None:
    root = project(one="")
    write(root)
    images = root / "knative" / "images" / "kustomization.yaml"
    images.write_text(images.read_text().replace("0" * 64, "c" * 64))
    assert drifted(root) == [root / "knative" / "base" / "one" / "service.yaml"]
    write(root)
    assert "c" * 64 in images.read_text()
    assert drifted(root) == []
