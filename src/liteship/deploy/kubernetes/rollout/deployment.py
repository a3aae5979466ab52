"""From manifests to a function's answer on a cluster: apply, wait, smoke test."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from liteship.artifact import Artifact
from liteship.deploy.kubernetes.addresses import service_address
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.balancers import plain_address
from liteship.deploy.kubernetes.rollout.plan import apply
from liteship.deploy.kubernetes.rollout.preparation import explained
from liteship.deploy.kubernetes.rollout.readiness import wait_for_revision, wait_for_rollout
from liteship.deploy.kubernetes.traffic.revisions import list_revisions, read_service
from liteship.deploy.kubernetes.traffic.routing import pin_traffic, read_routing, tag_newest
from liteship.deploy.smoke import smoke_test
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liteship.deploy.kubernetes.addresses import Address
    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.rollout.plan import Plan
    from liteship.deploy.kubernetes.rollout.preparation import Prepared
    from liteship.deploy.smoke import SmokeTest

    Listener = Callable[[str], None]


@dataclass(kw_only=True)
class Progress:
    """How far a deployment is, for whoever interrupts it.

    Attributes:
        done: One entry a step that changed something on the cluster.
        doing: The change that was begun and may be done or not; empty where there is none.
    """

    done: list[str] = field(default_factory=list)
    doing: str = ""

    @contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """Notes a change while it is made, and when it is."""
        self.doing = doing
        yield
        self.doing = ""
        self.done.append(done)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment that was carried out.

    Attributes:
        plan: What was done.
        url: Where the function answers.
        way: How it was reached.
        percent: The new Revision's share of the traffic; None in the plain form: no Revisions.
        ready_s: From the first change on, until it was ready.
        smoke_test: What it answered; None where nobody could be asked.
        not_asked: Why not; empty where it was asked.
    """

    plan: Plan
    url: str
    way: str
    percent: int | None
    ready_s: float
    smoke_test: SmokeTest | None
    not_asked: str


def carry_out(prepared: Prepared, cluster: Cluster, said: Listener, progress: Progress) -> Deployment:
    """Applies, waits until it is ready, and asks for the golden input's answer.

    Where the plan is empty nothing is written: it is waited for and asked, as an earlier run may have
    been interrupted. Stopped at any point, it can be begun again.

    Args:
        prepared: As `prepare` gives it.
        cluster: The same cluster.
        said: Told what is being done.
        progress: Gets an entry for each change on the cluster.

    Raises:
        DeploymentError: As `wait_for_revision`; `traffic-changed`, `traffic-not-routed`,
            `smoke-test-failed`.
        ClusterError: What the cluster refuses.
    """
    request, plan = prepared.request, prepared.plan
    started_s = time.monotonic()
    if not plan.is_empty:
        if request.no_traffic:
            said("keeping the traffic where it is")
            with progress.step(
                "keeping the traffic where it was",
                "the traffic stays where it was, also when later Revisions come: "
                f"liteship promote {request.name} --on knative moves it",
            ):
                pin_traffic(cluster, request.name)
        _apply(prepared, cluster, said, progress)
    try:
        _wait(prepared, cluster, said)
        ready_s = time.monotonic() - started_s
        progress.done.append("it is ready")
        percent = _share(prepared, cluster)
        address = _address(prepared, cluster, percent, said)
        test, not_asked = _ask(prepared, address, percent, said)
    except ClusterError as error:
        raise explained(error, request, progress.done) from error
    return Deployment(
        plan=plan,
        url=address.url,
        way=address.way,
        percent=percent,
        ready_s=ready_s,
        smoke_test=test,
        not_asked=not_asked,
    )


def _apply(prepared: Prepared, cluster: Cluster, said: Listener, progress: Progress) -> None:
    for manifest, change in zip(prepared.manifests, prepared.plan.changes, strict=True):
        what = f"{change.kind} {change.name}"
        if change.action == "unchanged":
            continue
        said(f"applying the {what}")
        try:
            with progress.step(f"applying the {what}", f"the {what} is applied"):
                apply(cluster, manifest, force=prepared.request.force)
        except ClusterError as error:
            raise explained(error, prepared.request, progress.done) from error


def _wait(prepared: Prepared, cluster: Cluster, said: Listener) -> None:
    request = prepared.request
    if request.platform == "knative":
        wait_for_revision(
            cluster, request.name, prepared.plan.revision, timeout_s=request.timeout_s, said=said
        )
    else:
        begun = prepared.plan.changes[0].action == "unchanged"
        wait_for_rollout(
            cluster, request.name, timeout_s=request.timeout_s, said=said, begun_before=begun
        )


def _share(prepared: Prepared, cluster: Cluster) -> int | None:
    """What the new Revision gets of the traffic, in percent; it has its tag then."""
    request = prepared.request
    if request.platform == "kubernetes":
        return None
    tag_newest(cluster, request.name)
    return read_routing(cluster, request.name).percents.get(prepared.plan.revision, 0)


def _address(prepared: Prepared, cluster: Cluster, percent: int | None, said: Listener) -> Address:
    """Of exactly what was deployed: of its tag, where its Revision does not get all the traffic."""
    request = prepared.request
    if request.platform == "kubernetes":
        address = plain_address(cluster, request.name, ingress=request.ingress)
        if address.remark:
            said(address.remark)
        return address
    service = read_service(cluster, request.name)
    tag = None
    if percent != 100:
        revisions = list_revisions(cluster, request.name, service)
        tags = {each.name: each.tag for each in revisions}
        tag = tags.get(prepared.plan.revision) or None
    return service_address(cluster, service, ingress=request.ingress, tag=tag)


def _ask(
    prepared: Prepared, address: Address, percent: int | None, said: Listener
) -> tuple[SmokeTest | None, str]:
    request = prepared.request
    said(f"asking {address.url} for the golden input's answer, {address.way}")
    artifact = Artifact.load(request.function.model_folder)
    try:
        hint = next_step(request.name, request.platform, percent)
        return smoke_test(request.name, artifact, address.ask, address.url, hint=hint), ""
    except DeploymentError as error:
        # Nothing was deployed, and what runs nowhere can be asked by nobody
        if error.reference == "pods-missing" and prepared.plan.is_empty:
            return None, f"{error.message}; {error.hint}"
        raise


def next_step(name: str, platform: str, percent: int | None) -> str:
    """What to do after a wrong answer.

    Args:
        name: The function's.
        platform: `knative` or `kubernetes`.
        percent: The new Revision's share of the traffic; None in the plain form.
    """
    logs = f"liteship logs {name} --on {platform} says what went wrong"
    if percent is None:
        # A Deployment has no versions to go back to but those of Kubernetes' own
        return f"kubectl rollout undo deployment/{name}; {logs}"
    if percent == 0:
        return f"it gets no traffic: mend it, and deploy again; {logs}"
    return f"liteship rollback {name} --on knative; {logs}"
