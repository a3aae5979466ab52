"""What liteship promises on a cluster, step by step.

They hold on Kubernetes 1.30 or later with Knative 1.15 or later, and run there (test_cluster.py) and
against a stand-in (tests/integration/kubernetes/test_scenarios.py). Nothing is assumed about how fast a
cluster is: times are told, not judged.
"""

from __future__ import annotations

import json
import math
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.cluster.world import Load, wait_for

from liteship.deploy.kubernetes.api.cluster import DEPLOYMENT, KNATIVE_SERVICE

if TYPE_CHECKING:
    from tests.cluster.world import World

REQUESTS = 1000
SHARE = 0.1
DEVIATIONS = 4
"""Of the binomial distribution: chance alone goes beyond in one run of 16,000."""


def deploy(world: World) -> None:
    """Ready, answers; a second time nothing differs, and no Revision is made."""
    name = world.project("digits-deploy")
    first = world.deploy(name, "knative")
    assert first["deployed"]
    assert first["changed"]
    assert first["url"] == world.url(name)
    reply = world.ask(first["url"])
    assert reply.status == 200, reply
    assert json.loads(reply.content)["model"] == "digits"
    again = world.deploy(name, "knative")
    assert not again["changed"]
    assert {change["action"] for change in again["plan"]["changes"]} == {"unchanged"}
    assert len(world.versions(name)) == 1
    world.told.append(f"ready {first['ready_s']:.1f} s after it was applied")


def scale_to_zero(world: World) -> None:
    """The last Pod goes after the window; the request that finds none is answered."""
    name = world.project("digits-zero", window_s=6)
    url = world.deploy(name, "knative")["url"]
    wait_for(lambda: not world.pods(name))
    reply = world.ask(url)
    assert reply.status == 200, reply
    world.told.append(
        f"cold start: the first request at zero Pods was answered in {reply.seconds:.2f} s"
    )


def traffic(world: World) -> None:
    """Two versions, 10 to 90 by count; a version without traffic has an address; and back."""
    steady = {"min_scale": 1, "max_scale": 1}  # what a Pod has counted goes with it
    name = world.project("digits-split", version="1", **steady)
    url = world.deploy(name, "knative")["url"]
    world.project(name, version="2", window_s=61, **steady)
    world.deploy(name, "knative", "--no-traffic")
    wait_for(lambda: world.versions(name)["2"]["url"])
    found = world.versions(name)
    assert world.shares(name) == {"1": 100}
    wait_for(lambda: world.ask(found["2"]["url"]).status == 200)

    world.ask_liteship("traffic", name, "v1=90", "v2=10", "--on=knative")
    assert world.shares(name) == {"1": 90, "2": 10}
    _wait_until_divided(world, name, url, {found[each]["name"] for each in ("1", "2")})
    before = _answered(world, name, {found[each]["name"] for each in ("1", "2")})
    with ThreadPoolExecutor(4) as threads:
        replies = list(threads.map(lambda _: world.ask(url), range(REQUESTS)))
    assert {reply.status for reply in replies} == {200}
    after = _answered(world, name, set(before))
    counts = {
        version: after[found[version]["name"]] - before[found[version]["name"]]
        for version in ("1", "2")
    }
    assert sum(counts.values()) == REQUESTS, counts
    tolerance = DEVIATIONS * math.sqrt(REQUESTS * SHARE * (1 - SHARE))
    assert abs(counts["2"] - REQUESTS * SHARE) <= tolerance, counts
    world.told.append(
        f"10/90: {counts['2']:.0f} of {REQUESTS} requests, {tolerance:.0f} more or less allowed"
    )

    world.ask_liteship("rollback", name, "--on=knative")
    assert world.shares(name) == {"1": 100}
    _wait_until_divided(world, name, url, {found["1"]["name"]})


def _answered(world: World, name: str, revisions: set[str]) -> dict[str, float]:
    """What each of these has answered; a Pod that is not ready just now is waited for."""
    counts: dict[str, float] = {}

    def all_tell() -> bool:
        counts.update(world.answered(name))
        return revisions <= counts.keys()

    wait_for(all_tell)
    return {revision: counts[revision] for revision in revisions}


def _wait_until_divided(world: World, name: str, url: str, revisions: set[str]) -> None:
    """Until requests reach these Revisions and no others: an ingress learns of a change a little later.

    Knative says that it routes so once its ingress does; what is on its way then may go otherwise.
    """

    def divided() -> bool:
        before = world.answered(name)
        for _ in range(60):
            assert world.ask(url).status == 200
        after = world.answered(name)
        return {each for each in after if after[each] > before.get(each, 0)} == revisions

    wait_for(divided)


def rolling_update(world: World) -> None:
    """A new version takes over while requests come; none fails."""
    name = world.project("digits-roll", version="1", min_scale=1)
    url = world.deploy(name, "knative")["url"]
    world.project(name, version="2", min_scale=1)
    with Load(lambda: world.ask(url)) as load:
        world.deploy(name, "knative", "--no-traffic")
        world.ask_liteship("promote", name, "v2", "--on=knative")
        count = load.replies
        wait_for(lambda: load.replies > count + 100 or load.failures)
    assert world.shares(name) == {"2": 100}
    assert load.failures == []
    world.told.append(f"rolling update on Knative: {load.replies} requests, none failed")


def plain_rolling_update(world: World) -> None:
    """The same in the plain form, whose Pods are replaced one by one; then it is deleted."""
    name = world.project("digits-plain", version="1")
    first = world.deploy(name, "kubernetes")
    assert first["changed"]
    assert not world.deploy(name, "kubernetes")["changed"]
    world.project(name, version="2")
    with Load(world.plain_asker(name)) as load:
        assert world.deploy(name, "kubernetes")["changed"]
        count = load.replies
        wait_for(lambda: load.replies > count + 20 or load.failures)
    assert load.failures == []
    ready = [
        pod["metadata"]["labels"]["app.kubernetes.io/version"]
        for pod in world.pods(name, "kubernetes")
        if "deletionTimestamp" not in pod["metadata"]
    ]
    assert set(ready) == {"2"}
    world.told.append(f"rolling update of the Deployment: {load.replies} requests, none failed")
    world.remove(name, "kubernetes")
    with world.cluster() as cluster:
        assert cluster.get(DEPLOYMENT, name) is None
    assert world.pods(name, "kubernetes") == []


def canary(world: World) -> None:
    """A new version that does as well as the one before goes through all steps."""
    name = world.project("digits-canary", version="1", min_scale=1)
    url = world.deploy(name, "knative")["url"]
    world.project(name, version="2", min_scale=1)
    world.deploy(name, "knative", "--no-traffic")
    # Not judged by latency: both run the same image, and how evenly a cluster serves is its own matter
    bounds = ["--max-p99-ms", "60000", "--max-low-confidence", "100%", "--min-requests", "20"]
    steps = ["--steps", "20,50,100", "--watch", "--step-s", "5"]
    with Load(lambda: world.ask(url)) as load:
        outcome = world.ask_liteship("canary", name, "v2", *steps, *bounds)
    assert outcome["result"] == "promoted", outcome
    assert world.shares(name) == {"2": 100}
    assert load.failures == []


def logs(world: World) -> None:
    """What Pods have logged, and what they log while somebody follows."""
    name = world.project("digits-logs", min_scale=1)
    url = world.deploy(name, "knative")["url"]
    assert world.ask(url).status == 200
    where = ["--on=knative", "--namespace", world.namespace, "--json"]
    written = _lines(world.run("logs", name, *where, project=name))
    assert any(_is_prediction(line) for line in written), written
    assert {line["version"] for line in written} == {"1"}

    followed: list[Any] = []
    with subprocess.Popen(
        world.command("logs", name, "--follow", "--since=1s", *where),
        cwd=world.home / name,
        env=world.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        output = process.stdout
        assert output is not None
        reader = threading.Thread(
            target=lambda: followed.extend(json.loads(line) for line in output), daemon=True
        )
        reader.start()
        try:
            # Asked until a line comes: nobody can tell from when on it is followed
            wait_for(lambda: world.ask(url).status == 200 and any(map(_is_prediction, followed)))
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        reader.join()


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def _is_prediction(line: Any) -> bool:
    return isinstance(line["message"], dict) and line["message"].get("message") == "predicted"


def delete(world: World) -> None:
    """Nothing is left, and a second time there is nothing to do."""
    name = world.project("digits-delete")
    world.deploy(name, "knative")
    assert world.remove(name, "knative")["deleted"]
    with world.cluster() as cluster:
        assert cluster.get(KNATIVE_SERVICE, name) is None
    assert world.pods(name) == []
    assert not world.remove(name, "knative")["deleted"]


SCENARIOS = (
    deploy,
    scale_to_zero,
    traffic,
    rolling_update,
    plain_rolling_update,
    canary,
    logs,
    delete,
)
