"""Gives a new version more and more of the traffic while it does well, and takes it back otherwise."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from liteship.deploy.kubernetes.api.cluster import REVISION
from liteship.deploy.kubernetes.api.refusals import ClusterError
from liteship.deploy.kubernetes.traffic.bounds import Breach, breaches, missing_requests
from liteship.deploy.kubernetes.traffic.canary_plan import division
from liteship.deploy.kubernetes.traffic.observation import Observation
from liteship.deploy.kubernetes.traffic.revisions import TRANSIENT, condition, not_ready, read_service
from liteship.deploy.kubernetes.traffic.routing import read_routing, write_routing
from liteship.deploy.kubernetes.traffic.targets import LATEST
from liteship.errors import DeploymentError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.traffic.canary_plan import Plan, Start
    from liteship.deploy.kubernetes.traffic.exposition import Samples
    from liteship.deploy.kubernetes.traffic.figures import Figures
    from liteship.deploy.kubernetes.traffic.routing import Routing

T = TypeVar("T")

SCRAPE_S = 5.0
"""Between two scrapes; what a Pod answers between its last one and its end is not counted."""

RETRY_S = 2.0

INTERRUPTED_PATIENCE_S = 20.0
"""For putting the traffic back after Ctrl-C or SIGTERM: whoever sent that may kill after 30 s."""

PASSING = frozenset({"cluster-unreachable", "cluster-busy"})
"""Errors of the API server that may be over when it is asked again."""

Result = Literal["promoted", "reached", "back", "left", "interrupted", "stuck"]
"""All traffic; the last step, which is less; back as it was; as somebody else divided it; back after
Ctrl-C; the traffic could not be put back."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, as it was measured.

    Attributes:
        percent: The new version's share.
        watched_s: For how long.
        new: What the new version did meanwhile.
        stable: What the other did.
        breaches: The bounds that the new version did not keep.
    """

    percent: int
    watched_s: float
    new: Figures
    stable: Figures
    breaches: Sequence[Breach]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of it.

    Attributes:
        result: See `Result`.
        reason: Why, where it did not go through.
        steps: All that were watched, the last one included.
        after: Revision name to percent, as it is now; empty where that is not known.
    """

    result: Result
    reason: str
    steps: Sequence[Step]
    after: Mapping[str, int]


def run_canary(
    cluster: Cluster,
    name: str,
    start: Start,
    plan: Plan,
    *,
    on_step: Callable[[Step], None],
    on_note: Callable[[str], None],
) -> Outcome:
    """Goes through the steps and watches each.

    Ctrl-C, and SIGTERM where it raises `SystemExit`, put the traffic back; they are not raised again.

    Args:
        cluster: Where.
        name: The Knative Service.
        start: See `begin`.
        plan: How; of its steps, those of `start` are left.
        on_step: Called with each step that was watched.
        on_note: Called with what a person should know meanwhile.

    Raises:
        DeploymentError: Before anything was changed: `metrics-missing`.
        ClusterError: The same; later ones are a reason to put the traffic back.
    """
    run = _Run(cluster, name, start, plan, on_step, on_note)
    run.look_around()
    try:
        result, reason = run.climb()
    except (KeyboardInterrupt, SystemExit):
        result, reason = "interrupted", "nobody watches any more"
    except DeploymentError as error:
        result, reason = "back", _told(error)
        if error.reference == "traffic-changed":
            result = "left"
    except BaseException:
        run.put_back(plan.patience_s)
        raise
    if result in {"back", "interrupted"}:
        on_note("the traffic goes back")
        failure = run.put_back(INTERRUPTED_PATIENCE_S if result == "interrupted" else plan.patience_s)
        if failure is not None:
            changed = failure.reference == "traffic-changed"
            result, reason = "left" if changed else "stuck", f"{reason}; then: {_told(failure)}"
    return Outcome(result=result, reason=reason, steps=run.steps, after=run.present())


def _told(error: DeploymentError) -> str:
    return f"{error.message} ({error.received})" if error.received else error.message


class _Run:
    """One canary under way: what was written, and what the Pods have counted since it began."""

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        start: Start,
        plan: Plan,
        on_step: Callable[[Step], None],
        on_note: Callable[[str], None],
    ) -> None:
        self.steps: list[Step] = []
        self._routing = start.before
        self._cluster, self._name, self._start, self._plan = cluster, name, start, plan
        self._on_step, self._on_note = on_step, on_note
        self._ours = [start.before.asked]
        self._observation = Observation(cluster, start.new.name, start.stable.name)

    def look_around(self) -> None:
        """Finds out what is not allowed, or missing, before anything is changed.

        Raises:
            DeploymentError: `metrics-missing`.
            ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
        """
        self._patiently(self._observation.scrape)
        if self._observation.problem:
            self._on_note(f"{self._observation.problem}; what it answers is not counted until it does")

    def climb(self) -> tuple[Result, str]:
        """All steps; where one fails, which and why.

        Raises:
            DeploymentError: `traffic-changed`, `traffic-not-routed`, `metrics-missing`.
            ClusterError: See `liteship.deploy.kubernetes.api.refusals`.
        """
        for percent in self._start.steps:
            if percent == 100:
                self._divide(self._all())
                return "promoted", ""
            self._divide(division(self._start, percent))
            reason = self._watch(percent)
            if reason:
                return "back", f"at {percent} %: {reason}"
        return "reached", ""

    def put_back(self, patience_s: float) -> DeploymentError | None:
        """Gives the stable version what it had; what prevents it, if anything does."""
        start = self._start
        # Of a canary that was cut short, its last step is not what was before
        begun = start.new.name in start.before.percents
        try:
            self._routing = self._patiently(self._read, patience_s)
            if self._routing.asked not in self._ours:
                return self._changed()
            self._divide({start.stable.name: 100} if begun else start.before.asked, patience_s)
        except DeploymentError as error:
            return error
        return None

    def present(self) -> Mapping[str, int]:
        """The division now; empty where it cannot be read."""
        try:
            return self._read().percents
        except DeploymentError:
            return {}

    def _read(self) -> Routing:
        return read_routing(self._cluster, self._name)

    def _all(self) -> dict[str, int]:
        """All for the new version: by itself also for later ones, where it is the newest."""
        service = self._patiently(lambda: read_service(self._cluster, self._name))
        name = self._start.new.name
        newest = (service.get("status") or {}).get("latestReadyRevisionName")
        return {LATEST if newest == name else name: 100}

    def _divide(self, shares: Mapping[str, int], patience_s: float | None = None) -> None:
        self._ours.append(dict(shares))  # from here on it may be written, whatever interrupts us

        def write() -> Routing:
            return write_routing(self._cluster, self._name, shares, before=self._routing)

        self._routing = self._patiently(write, patience_s)

    def _watch(self, percent: int) -> str:
        """Watches one step; why it must not go on, or nothing."""
        plan = self._plan
        self._look()
        mark = self._observation.mark()
        began = time.monotonic()
        step = None
        try:
            while True:
                time.sleep(min(SCRAPE_S, plan.step_s / 4))
                failed = self._look()
                step, missing = self._measured(percent, time.monotonic() - began, mark)
                if failed or step.breaches:
                    return failed or "; ".join(map(str, step.breaches))
                if missing and step.watched_s >= max(plan.step_s, plan.patience_s):
                    problem = self._observation.problem
                    return f"{missing} in {step.watched_s:.0f} s" + (f"; {problem}" if problem else "")
                if not missing and step.watched_s >= plan.step_s:
                    return ""
        finally:
            if step is not None:
                self.steps.append(step)
                self._on_step(step)

    def _measured(
        self, percent: int, watched_s: float, mark: tuple[Samples, Samples]
    ) -> tuple[Step, str]:
        """The step up to now, and what there is too little of to judge it."""
        bounds = self._plan.bounds
        new, stable = self._observation.since(mark)
        missing = missing_requests(new, stable, bounds)
        step = Step(
            percent=percent,
            watched_s=round(watched_s, 1),
            new=new,
            stable=stable,
            breaches=[] if missing else breaches(new, stable, bounds),
        )
        return step, missing

    def _look(self) -> str:
        """Looks at the traffic, the Revision and its Pods; why the new version failed, or nothing.

        Raises:
            DeploymentError: `traffic-changed`.
        """
        name = self._start.new.name
        now = self._patiently(self._read)
        if now.asked != self._ours[-1]:
            self._routing = now
            raise self._changed()
        self._patiently(self._observation.scrape)
        revision = self._patiently(lambda: self._cluster.get(REVISION, name))
        if revision is None:
            return f"{name} was deleted"
        ready = condition(revision, "Ready")
        # Where it scales up, some versions of Knative say that it is not ready as long as Pods start
        if ready.get("status") == "False" and ready.get("reason") not in TRANSIENT:
            return f"{name} is not ready any more: {not_ready(revision)}"
        return self._observation.crashed

    def _changed(self) -> DeploymentError:
        return DeploymentError(
            "traffic-changed",
            "somebody else has changed the traffic, and it stays so",
            hint=f"look at liteship versions {self._name} --on knative, then decide again",
        )

    def _patiently(self, act: Callable[[], T], patience_s: float | None = None) -> T:
        """Does it; again where the API server is away, as long as patience lasts."""
        patience_s = self._plan.patience_s if patience_s is None else patience_s
        until = time.monotonic() + patience_s
        told = False
        while True:
            try:
                return act()
            except ClusterError as error:
                if error.reference not in PASSING or time.monotonic() >= until:
                    raise
                if not told:
                    self._on_note(f"{_told(error)}; trying again, for {patience_s:.0f} s at most")
                told = True
            time.sleep(RETRY_S)
