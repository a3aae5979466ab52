"""What the Pods of a new and of a stable Revision have done since somebody began to look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liteship.deploy.kubernetes.traffic.figures import Increases, figures
from liteship.deploy.kubernetes.traffic.scrapes import scrape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liteship.deploy.kubernetes.api.cluster import Cluster
    from liteship.deploy.kubernetes.traffic.exposition import Samples
    from liteship.deploy.kubernetes.traffic.figures import Figures


class Observation:
    """The counts of two Revisions, from scrape to scrape.

    Args:
        cluster: Where.
        new: The name of the Revision that is to prove itself.
        stable: Of the one that it is compared with.

    Attributes:
        problem: What a Pod did last instead of telling its counts; empty where all told them.
        crashed: Says that a container of the new Revision has ended since, if one has. What ends cannot
            tell what it answered: such errors are in no figure.
    """

    def __init__(self, cluster: Cluster, new: str, stable: str) -> None:
        self.problem = self.crashed = ""
        self._cluster, self._new, self._stable = cluster, new, stable
        self._counts = (Increases(), Increases())
        self._restarts: Mapping[str, int] | None = None

    def scrape(self) -> None:
        """Takes in what all Pods of both have counted.

        Raises:
            DeploymentError: `metrics-missing`.
            ClusterError: See `liteship.deploy.kubernetes.traffic.scrapes`; nothing was taken in then.
        """
        found = scrape(self._cluster, self._new), scrape(self._cluster, self._stable)
        for counts, each in zip(self._counts, found, strict=True):
            counts.add(each.samples)
        new, stable = found
        self.problem = new.problem or stable.problem
        if self._restarts is None:
            self._restarts = new.restarts
        if any(times > self._restarts.get(pod, 0) for pod, times in new.restarts.items()):
            self.crashed = f"a container of {self._new} ended and was started again"

    def mark(self) -> tuple[Samples, Samples]:
        """This moment, for `since`."""
        new, stable = self._counts
        return dict(new.total), dict(stable.total)

    def since(self, mark: tuple[Samples, Samples]) -> tuple[Figures, Figures]:
        """What the new and what the stable Revision did from then on."""
        new, stable = self._counts
        return figures(new.total, mark[0]), figures(stable.total, mark[1])
