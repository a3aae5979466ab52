"""The entries of a Knative Service's spec.traffic, and which ones make a division.

https://knative.dev/docs/serving/traffic-management/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liteship.deploy.kubernetes.traffic.revisions import newest_ready

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from liteship.deploy.kubernetes.traffic.revisions import Revision

LATEST = ""
"""Instead of a Revision's name: whichever is the newest ready one, now and later (`latestRevision`)."""

TAG = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""What Knative takes as a tag: a DNS label that begins with a letter
(https://knative.dev/docs/serving/traffic-management/)."""


@dataclass(frozen=True, order=True)
class Target:
    """One entry of spec.traffic.

    Attributes:
        revision: A Revision's name, or `LATEST`.
        percent: 0 to 100.
        tag: What precedes the Service's name in a URL of its own; empty without.
    """

    revision: str
    percent: int
    tag: str = ""

    def manifest(self) -> dict[str, Any]:
        """As spec.traffic holds it."""
        which = {"latestRevision": True}
        if self.revision != LATEST:
            which = {"latestRevision": False, "revisionName": self.revision}  # type: ignore[dict-item]
        return {**which, "percent": self.percent, **({"tag": self.tag} if self.tag else {})}


def target_of(entry: Mapping[str, Any]) -> Target:
    """An entry of spec.traffic, or of status.traffic."""
    # In a status, an entry that follows the newest names the Revision too
    revision = LATEST if entry.get("latestRevision") else entry.get("revisionName", LATEST)
    return Target(revision, entry.get("percent") or 0, entry.get("tag", ""))


def shares_of(targets: Iterable[Target]) -> dict[str, int]:
    """Revision name or `LATEST` to percent above 0."""
    shares: dict[str, int] = {}
    for each in targets:
        if each.percent:
            shares[each.revision] = shares.get(each.revision, 0) + each.percent
    return shares


def plan_targets(
    percents: Mapping[str, int], present: Iterable[Target], revisions: Sequence[Revision]
) -> list[Target]:
    """The whole of spec.traffic for a division.

    Every Revision with traffic gets the tag of its version, and so does the newest ready one: it is
    looked at before it gets traffic. No other, as Knative does not scale below `min-scale` what has a
    tag (https://knative.dev/docs/serving/autoscaling/scale-bounds/). Tags of other forms are somebody
    else's and stay.

    Args:
        percents: Revision name or `LATEST` to percent.
        present: What spec.traffic holds now.
        revisions: All there are, newest first.
    """
    newest = newest_ready(revisions)
    ours: dict[str, str] = {}
    for each in revisions:  # where two have the same version, the newer one gets the tag
        if _tag(each) and (each is newest or percents.get(each.name)):
            ours.setdefault(_tag(each), each.name)
    tags = {revision: tag for tag, revision in ours.items()}
    targets = [
        Target(revision, percent, tags.pop(revision, ""))
        for revision, percent in percents.items()
        if percent
    ]
    targets += [Target(revision, 0, tag) for revision, tag in tags.items()]
    of_versions = {_tag(each) for each in revisions}
    known = {LATEST, *(each.name for each in revisions)}
    theirs = [each for each in present if each.tag and each.tag not in of_versions]
    return targets + [Target(each.revision, 0, each.tag) for each in theirs if each.revision in known]


def _tag(revision: Revision) -> str:
    tag = revision.spelled if revision.version else ""
    return tag if TAG.fullmatch(tag) else ""
