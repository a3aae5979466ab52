"""How many CPUs this process may use: what its control groups and its affinity leave it.

`os.cpu_count()` counts the node's CPUs, of which a container may have half of one. Only the HTTP
server asks.

cpu.max: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
cpu.cfs_quota_us: https://docs.kernel.org/scheduler/sched-bwc.html
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUPS = "/sys/fs/cgroup"
MEMBERSHIP = "/proc/self/cgroup"
"""The control groups of this process: https://man7.org/linux/man-pages/man7/cgroups.7.html"""


def usable_cpus(cgroups: str = CGROUPS, membership: str = MEMBERSHIP) -> int:
    """Whole CPUs that this process may use, at least 1: half a CPU more runs no second prediction.

    Args:
        cgroups: Where the control groups are mounted.
        membership: The file that names this process's own.
    """
    quotas = [_quota(folder) for folder in _folders(cgroups, membership)]
    affinity = len(os.sched_getaffinity(0))
    return max(1, int(min([affinity, *(quota for quota in quotas if quota is not None)])))


def _folders(cgroups: str, membership: str) -> Iterator[str]:
    """The control groups that may limit this process's CPU time: its own, and all above them.

    A container often sees its own group mounted as the root, while its membership still has the
    node's path: what is not there limits nothing, and the walk ends at the root in any case.
    """
    for line in [*_read(membership).splitlines(), "0::/", "1:cpu:/"]:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 2 has one tree for all controllers; version 1 one for each, or for several.
        for mounted in {"cpu", controllers} if controllers else {""}:
            above = os.path.normpath(f"/{path.strip('/')}")
            while True:
                yield os.path.join(cgroups, mounted, above.strip("/"))
                if above == "/":
                    break
                above = os.path.dirname(above)


def _quota(folder: str) -> float | None:
    """CPUs that one control group allows; None where it sets no limit."""
    allowed, _, period = _read(os.path.join(folder, "cpu.max")).partition(" ")
    if not period:
        allowed = _read(os.path.join(folder, "cpu.cfs_quota_us"))
        period = _read(os.path.join(folder, "cpu.cfs_period_us"))
    try:
        quota = int(allowed) / int(period)  # "max", "-1" and "" are no limit
    except (ValueError, ZeroDivisionError):
        return None
    return quota if quota > 0 else None


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
