"""The stand-in itself: a cluster that says what a real one would, and does what it says."""

from __future__ import annotations

import copy
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import kubernetes
import pytest
from tests.integration.kubernetes.conftest import (
    BROKEN_IMAGE,
    CRASHING_IMAGE,
    IMAGE,
    IMAGE_V2,
    MISSING_IMAGE,
    ROOT,
)

from liteship.deploy.kubernetes import manifests
from liteship.project import load_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kubernetes_stand_in import StandIn

KNATIVE = "/apis/serving.knative.dev/v1/namespaces/default"
DIGITS = f"{KNATIVE}/services/digits"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/digits"
PODS = "/api/v1/namespaces/default/pods"
SERVICE = "/api/v1/namespaces/default/services/digits"
EVENTS = "/api/v1/namespaces/default/events"
APPLY = {"content-type": "application/apply-patch+yaml"}
PNG = {"content-type": "image/png"}
PATIENCE_S = 60


def knative(image: str = IMAGE, version: str = "1", **spec: object) -> Any:
    config = load_function("digits", ROOT).config.model_copy(update={"version": version})
    manifest = manifests.service(config, image)
    manifest["spec"]["template"]["spec"] |= spec
    return manifest


def plain(image: str = IMAGE, replicas: int = 1) -> list[Any]:
    made = manifests.plain(load_function("digits", ROOT).config, image)
    made[0]["spec"]["replicas"] = replicas
    return made[:2]


def traffic(*targets: dict[str, object]) -> Any:
    name = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "digits"}}
    return name | {"spec": {"traffic": list(targets)}}


def apply(
    cluster: StandIn, thing: Any, manager: str = "liteship", path: str = DIGITS, **options: str
) -> httpx.Response:
    query = {"fieldManager": manager, **options}
    url = f"{cluster.server}{path}"
    return httpx.patch(url, params=query, content=json.dumps(thing), headers=APPLY, timeout=30)


def get(cluster: StandIn, path: str = DIGITS, **options: str) -> Any:
    return httpx.get(f"{cluster.server}{path}", params=options, timeout=30).json()


def wait_for(cluster: StandIn, path: str, is_so: Callable[[Any], object], **options: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if is_so(found := get(cluster, path, **options)):
            return found
        time.sleep(0.05)
    pytest.fail(f"still {json.dumps(found, indent=1)}")


def says(thing: Any, kind: str = "Ready") -> tuple[str, str, str]:
    listed = thing.get("status", {}).get("conditions", [])
    for each in listed:
        if each["type"] == kind:
            return each["status"], each.get("reason", ""), each.get("message", "")
    return "", "", ""


def is_ready(thing: Any) -> bool:
    seen = thing.get("status", {}).get("observedGeneration")
    return says(thing)[0] == "True" and seen == thing["metadata"]["generation"]


def deployed(cluster: StandIn, manifest: Any) -> Any:
    assert apply(cluster, manifest).is_success
    return wait_for(cluster, DIGITS, is_ready)


def ask(cluster: StandIn, host: str, path: str, **named: Any) -> httpx.Response:
    headers = {"host": host.removeprefix("http://")} | named.pop("headers", {})
    method = "POST" if "content" in named else "GET"
    return httpx.request(method, f"{cluster.ingress}{path}", headers=headers, timeout=60, **named)


def pods(cluster: StandIn) -> list[Any]:
    items: list[Any] = get(cluster, PODS)["items"]
    return items


def test_a_service_becomes_ready_and_answers(cluster: StandIn, digit_png: bytes) -> None:
    first = apply(cluster, knative())
    assert first.status_code == 201
    service = wait_for(cluster, DIGITS, is_ready)
    name = service["spec"]["template"]["metadata"]["name"]
    status = service["status"]
    assert status["url"] == "http://digits.default.example.com"
    assert status["latestReadyRevisionName"] == status["latestCreatedRevisionName"] == name
    assert status["traffic"] == [{"latestRevision": True, "percent": 100, "revisionName": name}]
    answer = ask(cluster, status["url"], "/predict", content=digit_png, headers=PNG)
    assert answer.json()["predictions"][0]["label"] == "7"
    assert ask(cluster, "http://other.default.example.com", "/").status_code == 404

    again = apply(cluster, knative())
    assert (again.status_code, again.json()["metadata"]["generation"]) == (200, 1)
    assert len(get(cluster, f"{KNATIVE}/revisions")["items"]) == 1
    assert cluster.store["serving.knative.dev/v1", "Service", "default", "digits"] == again.json()
    assert ("PATCH", DIGITS, "fieldManager=liteship") in cluster.requests

    revision = get(cluster, f"{KNATIVE}/revisions/{name}")
    assert says(revision)[0] == says(revision, "Active")[0] == "True"
    labels = revision["metadata"]["labels"]
    assert labels["serving.knative.dev/service"] == "digits"
    assert labels["app.kubernetes.io/version"] == "1"


def test_the_kubernetes_client_reads_it(cluster: StandIn) -> None:
    deployed(cluster, knative())
    api: Any = kubernetes
    with api.config.new_client_from_config(str(cluster.kubeconfig)) as client:
        (pod,) = api.client.CoreV1Api(client).list_namespaced_pod("default").items
        assert [each.name for each in pod.status.container_statuses] == ["digits", "queue-proxy"]
        seen = api.watch.Watch().stream(
            api.client.CustomObjectsApi(client).list_namespaced_custom_object,
            *("serving.knative.dev", "v1", "default", "services"),
            timeout_seconds=1,
        )
        assert [event["type"] for event in seen] == ["ADDED"]


def test_who_manages_what(cluster: StandIn) -> None:
    manifest = knative()
    apply(cluster, manifest)
    theirs = traffic({"latestRevision": True, "percent": 100, "tag": "v1"})
    assert apply(cluster, theirs, "liteship-traffic").is_success  # what a webhook wrote is nobody's
    assert apply(cluster, manifest).json()["spec"]["traffic"][0]["tag"] == "v1"

    other = {**traffic(), "spec": {"template": {"spec": {"timeoutSeconds": 17}}}}
    other["spec"]["template"]["metadata"] = {"name": "digits-other"}
    refused = apply(cluster, other, "other")
    fields = [".spec.template.metadata.name", ".spec.template.spec.timeoutSeconds"]
    assert refused.status_code == 409
    assert refused.json()["reason"] == "Conflict"
    assert refused.json()["message"] == (
        'Apply failed with 2 conflicts: conflicts with "liteship":\n'
        + "\n".join(f"- {f}" for f in fields)
    )
    assert refused.json()["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "liteship"', "field": field}
        for field in fields
    ]
    assert apply(cluster, other, "other", force="true").is_success
    assert 'conflicts with "other"' in apply(cluster, manifest).json()["message"]

    dropped = copy.deepcopy(manifest)
    dropped["spec"]["template"]["metadata"] |= {"name": "digits-dropped"}
    del dropped["metadata"]["labels"]["app.kubernetes.io/version"]
    dry = apply(cluster, dropped, force="true", dryRun="All").json()
    assert "app.kubernetes.io/version" not in dry["metadata"]["labels"]
    assert "app.kubernetes.io/version" in get(cluster)["metadata"]["labels"]
    assert get(cluster)["metadata"]["generation"] + 1 == dry["metadata"]["generation"]


def test_lists_of_built_in_kinds_are_merged_by_their_keys(cluster: StandIn) -> None:
    deployment = plain(replicas=0)[0]
    apply(cluster, deployment, path=DEPLOYMENT)
    added = copy.deepcopy(deployment)
    added["spec"] = {"template": {"spec": {"containers": [{"name": "digits", "env": []}]}}}
    added["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "EXTRA", "value": "1"}]
    merged = apply(cluster, added, "other", DEPLOYMENT).json()
    names = [each["name"] for each in merged["spec"]["template"]["spec"]["containers"][0]["env"]]
    ours = ["LITESHIP_S3_BUCKET", "LITESHIP_S3_INPUT_PREFIX", "LITESHIP_S3_OUTPUT_PREFIX"]
    assert sorted(names) == ["EXTRA", *ours]
    del added["spec"]
    merged = apply(cluster, added, "other", DEPLOYMENT).json()
    names = [each["name"] for each in merged["spec"]["template"]["spec"]["containers"][0]["env"]]
    assert sorted(names) == ours


def test_traffic_is_divided_to_the_percent(cluster: StandIn) -> None:
    first = deployed(cluster, knative())["status"]["latestReadyRevisionName"]
    second = deployed(cluster, knative(IMAGE_V2, "2"))["status"]["latestReadyRevisionName"]
    wanted = traffic(
        {"revisionName": first, "percent": 90},
        {"revisionName": second, "percent": 10, "tag": "v2"},
    )
    assert apply(cluster, wanted, "liteship-traffic").is_success
    service = wait_for(cluster, DIGITS, lambda it: is_ready(it) and len(it["status"]["traffic"]) == 2)
    tagged = service["status"]["traffic"][1]
    assert tagged["url"] == "http://v2-digits.default.example.com"
    assert ask(cluster, tagged["url"], "/health/ready").json()["version"] == "2"

    def version(_: int) -> str:
        url = service["status"]["url"]
        return str(ask(cluster, url, "/health/ready").json()["version"])

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(version, range(100)))
    assert (versions.count("1"), versions.count("2")) == (90, 10)

    apply(cluster, traffic({"revisionName": "digits-gone", "percent": 100}), "liteship-traffic")
    service = wait_for(cluster, DIGITS, lambda it: says(it, "RoutesReady")[0] == "False")
    why = 'Revision "digits-gone" referenced in traffic not found.'
    assert says(service) == says(service, "RoutesReady") == ("False", "RevisionMissing", why)
    assert len(service["status"]["traffic"]) == 2  # as before


def test_the_last_pod_goes_and_a_request_brings_it_back(cluster: StandIn) -> None:
    service = deployed(cluster, knative())
    name = service["status"]["latestReadyRevisionName"]
    cluster.window_s = 0.5
    wait_for(cluster, PODS, lambda found: not found["items"])
    revision = get(cluster, f"{KNATIVE}/revisions/{name}")
    why = ("False", "NoTraffic", "The target is not receiving traffic.")
    assert (says(revision)[0], says(revision, "Active")) == ("True", why)
    assert is_ready(get(cluster))
    cluster.window_s = 60
    assert ask(cluster, service["status"]["url"], "/health/ready").status_code == 200
    assert len(pods(cluster)) == 1


def test_an_image_that_is_nowhere(cluster: StandIn) -> None:
    apply(cluster, knative(MISSING_IMAGE))
    (pod,) = wait_for(cluster, PODS, lambda it: "BackOff" in json.dumps(it))["items"]
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    options = {"fieldSelector": f"involvedObject.name={pod['metadata']['name']}"}
    told = {event["reason"] for event in get(cluster, EVENTS, **options)["items"]}
    assert told == {"Pulling", "Failed", "BackOff"}
    waiting = 'Configuration "digits" is waiting for a Revision to become ready.'
    assert says(get(cluster)) == ("Unknown", "RevisionMissing", waiting)
    cluster.progress_deadline_s = 0
    service = wait_for(cluster, DIGITS, lambda it: says(it)[0] == "False")
    assert says(service)[1] == says(service, "RoutesReady")[1] == "RevisionMissing"
    _, reason, message = says(service, "ConfigurationsReady")
    assert reason == "RevisionFailed"
    assert f'Back-off pulling image "{MISSING_IMAGE}"' in message


def test_a_tag_that_is_nowhere(cluster: StandIn) -> None:
    apply(cluster, knative("registry.example.com/digits:nope"))
    service = wait_for(cluster, DIGITS, lambda it: says(it)[0] == "False")
    message = says(service, "ConfigurationsReady")[2]
    assert 'Unable to fetch image "registry.example.com/digits:nope"' in message
    revision = get(cluster, f"{KNATIVE}/revisions/{service['status']['latestCreatedRevisionName']}")
    assert says(revision)[1] == "ContainerMissing"


def test_a_container_that_ends(cluster: StandIn) -> None:
    apply(cluster, knative(CRASHING_IMAGE))
    service = wait_for(cluster, DIGITS, lambda it: says(it)[0] == "False")
    name = service["status"]["latestCreatedRevisionName"]
    text = "Container failed with: no such hook\n"
    message = says(service, "ConfigurationsReady")[2]
    assert message == f'Revision "{name}" failed with message: {text}.'
    assert says(get(cluster, f"{KNATIVE}/revisions/{name}"))[1] == "ExitCode1"
    (pod,) = wait_for(cluster, PODS, lambda it: "CrashLoopBackOff" in json.dumps(it))["items"]
    status = pod["status"]["containerStatuses"][0]
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert status["restartCount"] >= 1
    url = f"{cluster.server}{PODS}/{pod['metadata']['name']}/log"
    before = httpx.get(url, params={"container": "digits", "previous": "true"})
    assert before.text == "no such hook\n"


def test_a_model_that_is_never_ready(cluster: StandIn) -> None:
    apply(cluster, knative(BROKEN_IMAGE))
    events = wait_for(cluster, EVENTS, lambda it: "Unhealthy" in json.dumps(it))["items"]
    (unhealthy,) = [event for event in events if event["reason"] == "Unhealthy"]
    assert unhealthy["message"] == "Readiness probe failed: HTTP probe failed with statuscode: 503"
    (pod,) = pods(cluster)
    assert says(pod)[:2] == ("False", "ContainersNotReady")
    answer = httpx.get(f"{cluster.server}{PODS}/{pod['metadata']['name']}:8080/proxy/health/ready")
    assert (answer.status_code, answer.json()["reference"]) == (503, "self-test-failed")


def test_what_a_pod_answers_through_the_api_server(cluster: StandIn, digit_png: bytes) -> None:
    deployed(cluster, knative())
    (pod,) = pods(cluster)
    proxy = f"{cluster.server}{PODS}/{pod['metadata']['name']}"
    answer = httpx.post(f"{proxy}:8080/proxy/predict", content=digit_png, headers=PNG)
    assert answer.json()["predictions"][0]["label"] == "7"
    assert httpx.post(f"{proxy}:8080/proxy/predict", content=b"no picture").status_code == 415
    unheard = httpx.get(f"{proxy}:9999/proxy/").json()
    assert (unheard["code"], unheard["reason"]) == (503, "ServiceUnavailable")


def test_logs(cluster: StandIn, digit_png: bytes) -> None:
    service = deployed(cluster, knative())
    (pod,) = pods(cluster)
    url = f"{cluster.server}{PODS}/{pod['metadata']['name']}/log"
    refused = httpx.get(url).json()
    assert "choose one of: [digits queue-proxy]" in refused["message"]
    named = {"container": "digits"}
    whole = httpx.get(url, params=named).text.splitlines()
    assert json.loads(whole[-1])["message"] == "serving"
    assert httpx.get(url, params=named | {"tailLines": "1"}).text.splitlines() == whole[-1:]
    stamped = httpx.get(url, params=named | {"timestamps": "true"}).text.splitlines()
    assert [line.partition(" ")[2] for line in stamped] == whole
    assert httpx.get(url, params=named | {"sinceSeconds": "0"}).text == ""
    previous = httpx.get(url, params=named | {"previous": "true"})
    assert (previous.status_code, previous.json()["reason"]) == (400, "BadRequest")
    with httpx.stream("GET", url, params=named | {"follow": "true"}, timeout=30) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in whole] == whole
        ask(cluster, service["status"]["url"], "/predict", content=digit_png, headers=PNG)
        assert json.loads(next(lines))["message"] == "predicted"
    cluster.faults.drop_logs = 1
    with (
        httpx.stream("GET", url, params=named) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        answer.read()
    assert cluster.faults.happened["drop_logs"] == 1


def watch(cluster: StandIn, **options: str) -> list[Any]:
    query = {"watch": "true", "timeoutSeconds": "1", "fieldSelector": "metadata.name=digits", **options}
    answer = httpx.get(f"{cluster.server}{KNATIVE}/services", params=query, timeout=30)
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_watch_tells_what_happens_and_what_goes_wrong(cluster: StandIn) -> None:
    start = get(cluster, f"{KNATIVE}/services")["metadata"]["resourceVersion"]
    deployed(cluster, knative())
    events = watch(cluster, resourceVersion=start, allowWatchBookmarks="true")
    kinds = [event["type"] for event in events]
    assert (kinds[0], kinds[-1], set(kinds[1:-1])) == ("ADDED", "BOOKMARK", {"MODIFIED"})
    last = events[-1]["object"]["metadata"]["resourceVersion"]
    assert watch(cluster, resourceVersion=last) == []
    assert [event["type"] for event in watch(cluster)] == ["ADDED"]
    cluster.faults.expire_watches = 1
    (error,) = watch(cluster, resourceVersion=start)
    assert error["type"] == "ERROR"
    assert (error["object"]["code"], error["object"]["reason"]) == (410, "Expired")
    cluster.faults.drop_watches = 1
    with pytest.raises(httpx.RemoteProtocolError):
        watch(cluster)
    assert [event["type"] for event in watch(cluster)] == ["ADDED"]


def test_a_rolling_update_loses_no_request(cluster: StandIn) -> None:
    deployment, service = plain(replicas=2)
    assert apply(cluster, service, path=SERVICE).status_code == 201
    assert apply(cluster, deployment, path=DEPLOYMENT).status_code == 201

    def is_rolled_out(found: Any) -> bool:
        status = found.get("status", {})
        counts = [status.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")]
        return counts == [2, 2, 2] and status["observedGeneration"] == found["metadata"]["generation"]

    wait_for(cluster, DEPLOYMENT, is_rolled_out)
    (ingress,) = get(cluster, SERVICE)["status"]["loadBalancer"]["ingress"]
    url = cluster.balancer("digits")
    assert ingress["ip"] in url
    through = httpx.get(f"{cluster.server}{SERVICE}:http/proxy/health/ready")
    assert through.json()["version"] == "1"

    apply(cluster, plain(IMAGE_V2, 2)[0], path=DEPLOYMENT)
    versions = set()
    while not is_rolled_out(get(cluster, DEPLOYMENT)):
        versions.add(httpx.get(f"{url}/health/ready", timeout=30).raise_for_status().json()["version"])
    versions.add(httpx.get(f"{url}/health/ready").json()["version"])
    assert versions == {"1", "2"}
    assert says(get(cluster, DEPLOYMENT), "Progressing")[1] == "NewReplicaSetAvailable"
    numbers = [
        each["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
        for each in get(cluster, "/apis/apps/v1/namespaces/default/replicasets")["items"]
    ]
    assert sorted(numbers) == ["1", "2"]


def test_an_address_may_be_long_in_coming(cluster: StandIn) -> None:
    cluster.faults.pending_addresses = True
    apply(cluster, plain()[1], path=SERVICE)
    assert "loadBalancer" not in get(cluster, SERVICE).get("status", {})
    cluster.faults.pending_addresses = False
    wait_for(cluster, SERVICE, lambda it: it.get("status", {}).get("loadBalancer"))


def test_deleting_a_service_ends_its_processes(cluster: StandIn) -> None:
    service = deployed(cluster, knative())
    answer = httpx.delete(f"{cluster.server}{DIGITS}")
    assert (answer.status_code, answer.json()["status"]) == (200, "Success")
    (pod,) = pods(cluster)
    assert "deletionTimestamp" in pod["metadata"]
    assert ask(cluster, service["status"]["url"], "/").status_code == 404
    wait_for(cluster, PODS, lambda found: not found["items"])
    gone = httpx.delete(f"{cluster.server}{DIGITS}").json()
    assert gone["message"] == 'services.serving.knative.dev "digits" not found'
    assert gone["details"] == {"name": "digits", "group": "serving.knative.dev", "kind": "services"}


def test_what_has_finalizers_waits_for_them(cluster: StandIn) -> None:
    manifest = knative(MISSING_IMAGE)
    manifest["metadata"]["finalizers"] = ["example.com/keep"]
    apply(cluster, manifest)
    httpx.delete(f"{cluster.server}{DIGITS}").raise_for_status()
    assert "deletionTimestamp" in get(cluster)["metadata"]
    del manifest["metadata"]["finalizers"]
    apply(cluster, manifest)
    assert get(cluster)["reason"] == "NotFound"


def test_a_revision_name_says_one_thing_only(cluster: StandIn) -> None:
    deployed(cluster, first := knative())
    changed = copy.deepcopy(first)
    changed["spec"]["template"]["spec"]["timeoutSeconds"] = 17
    refused = apply(cluster, changed).json()
    assert "Saw the following changes without a name change" in refused["message"]
    second = copy.deepcopy(changed)
    second["spec"]["template"]["metadata"]["name"] = "digits-second"
    deployed(cluster, second)
    assert apply(cluster, changed).is_success
    service = wait_for(cluster, DIGITS, lambda it: says(it)[0] == "False")
    name = first["spec"]["template"]["metadata"]["name"]
    assert says(service, "ConfigurationsReady")[2] == (
        f'Revision creation failed with message: revisions.serving.knative.dev "{name}" already exists.'
    )
    assert says(service, "RoutesReady")[1] == "RevisionNameTaken"
    third = copy.deepcopy(first)
    third["spec"]["template"]["metadata"]["name"] = "digits-third"
    assert deployed(cluster, third)["status"]["latestReadyRevisionName"] == "digits-third"


def test_no_room_for_pods(cluster: StandIn) -> None:
    cluster.faults.pod_quota = "compute, requested: pods=1, used: pods=4, limited: pods=4"
    apply(cluster, knative())
    service = wait_for(cluster, DIGITS, lambda it: says(it)[0] == "False")
    message = says(service, "ConfigurationsReady")[2]
    assert "is forbidden: exceeded quota: compute, requested: pods=1" in message
    cluster.faults.pod_quota = ""
    cluster.faults.unschedulable = "1 Insufficient memory"
    wait_for(cluster, PODS, lambda it: "0/1 nodes are available" in json.dumps(it))
    cluster.faults.unschedulable = ""
    wait_for(cluster, DIGITS, is_ready)


FORBIDDEN = (
    'services.serving.knative.dev "digits" is forbidden: User "developer" cannot patch resource '
    '"services" in API group "serving.knative.dev" in the namespace "default"'
)
DENIED = 'webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: no'


@pytest.mark.parametrize(
    ("fault", "value", "code", "reason", "text"),
    [
        ("unauthorized", True, 401, "Unauthorized", "Unauthorized"),
        ("busy", [429], 429, "TooManyRequests", "too many requests"),
        ("busy", [503], 503, "ServiceUnavailable", "unable to handle the request"),
        ("busy", [500], 500, "InternalError", "etcdserver: request timed out"),
        ("forbidden", {("patch", "services.serving.knative.dev")}, 403, "Forbidden", FORBIDDEN),
        (
            "quota",
            "objects, requested: 1, used: 1, limited: 1",
            403,
            "Forbidden",
            "exceeded quota: obj",
        ),
        ("webhook", "validation failed: no", 400, "BadRequest", DENIED),
        ("terminating", {"default"}, 403, "Forbidden", "because it is being terminated"),
        (
            "invalid",
            [
                ("FieldValueInvalid", "spec.a", "Invalid value: 1"),
                ("FieldValueRequired", "spec.b", "x"),
            ],
            422,
            "Invalid",
            "[spec.a: Invalid value: 1, spec.b: x]",
        ),
    ],
)
def test_refusals(
    cluster: StandIn, fault: str, value: object, code: int, reason: str, text: str
) -> None:
    setattr(cluster.faults, fault, value)
    refused = apply(cluster, knative())
    assert (refused.status_code, refused.json()["code"], refused.json()["reason"]) == (
        code,
        code,
        reason,
    )
    assert text in refused.json()["message"]
    assert cluster.faults.happened[fault] == 1
    assert ("retry-after" in refused.headers) == (code == 429)


def test_refusals_without_a_status(cluster: StandIn) -> None:
    cluster.faults.no_knative = True
    missing = apply(cluster, knative())
    assert (missing.status_code, missing.text) == (404, "404 page not found\n")
    assert httpx.get(f"{cluster.server}/apis/serving.knative.dev/v1").status_code == 404
    cluster.faults.no_knative = False
    assert httpx.get(f"{cluster.server}/apis/serving.knative.dev/v1").status_code == 200
    cluster.faults.refuse_connections = 1
    with pytest.raises(httpx.RemoteProtocolError):
        get(cluster)
    assert get(cluster)["reason"] == "NotFound"


def test_refusals_that_the_manifest_earns(cluster: StandIn) -> None:
    nowhere = DIGITS.replace("/default/", "/nowhere/")
    assert apply(cluster, knative(), path=nowhere).json()["message"] == 'namespaces "nowhere" not found'
    unknown = apply(cluster, knative() | {"spec": {"nope": 1}})
    assert unknown.status_code == 500
    assert "(/digits; serving.knative.dev/v1, Kind=Service): .spec.nope: field not" in unknown.text
    apply(cluster, knative())
    sums = traffic({"latestRevision": True, "percent": 90})
    message = apply(cluster, sums, "liteship-traffic").json()["message"]
    assert message.endswith("validation failed: Traffic targets sum to 90, want 100: spec.traffic")
    twice = [{"latestRevision": True, "percent": 50, "tag": "v1"}] * 2
    message = apply(cluster, traffic(*twice), "liteship-traffic").json()["message"]
    assert 'Multiple definitions for "v1": spec.traffic[0].tag, spec.traffic[1].tag' in message
    stale = knative()
    stale["metadata"]["resourceVersion"] = "1"
    assert "the object has been modified" in apply(cluster, stale).json()["message"]
