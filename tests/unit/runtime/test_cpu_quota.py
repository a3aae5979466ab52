from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from liteship.runtime.cpu_quota import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PERIOD_US = 100_000


@pytest.fixture
def cpus() -> int:
    return len(os.sched_getaffinity(0))


@pytest.fixture
def one_cpu() -> Iterator[None]:
    """This thread on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


class Machine:
    """A tree of control groups, and the membership of a process."""

    def __init__(self, folder: Path) -> None:
        self.cgroups = folder / "cgroup"
        self.membership = folder / "membership"

    def limit_v2(self, group: str, cpus: float | None) -> None:
        quota = "max" if cpus is None else str(int(cpus * PERIOD_US))
        self.write(f"{group}/cpu.max", f"{quota} {PERIOD_US}\n")

    def limit_v1(self, group: str, cpus: float | None, mounted: str = "cpu,cpuacct") -> None:
        quota = -1 if cpus is None else int(cpus * PERIOD_US)
        self.write(f"{mounted}/{group}/cpu.cfs_quota_us", f"{quota}\n")
        self.write(f"{mounted}/{group}/cpu.cfs_period_us", f"{PERIOD_US}\n")

    def write(self, name: str, text: str) -> None:
        path = self.cgroups / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def usable(self) -> int:
        return usable_cpus(str(self.cgroups), str(self.membership))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_control_groups_it_is_the_affinity(machine: Machine, cpus: int) -> None:
    assert machine.usable() == cpus


def test_this_machine_says_a_number_of_its_own(cpus: int) -> None:
    assert 1 <= usable_cpus() <= cpus


@pytest.mark.parametrize("quota", [0.1, 0.5, 1, 1.5, 1.999])
@pytest.mark.parametrize("version", [1, 2])
def test_a_quota_below_two_is_one(quota: float, version: int, machine: Machine) -> None:
    machine.membership.write_text("0::/\n" if version == 2 else "3:cpu,cpuacct:/\n")
    (machine.limit_v2 if version == 2 else machine.limit_v1)("", quota)
    assert machine.usable() == 1


@pytest.mark.parametrize("quota", [None, 10_000])
@pytest.mark.parametrize("version", [1, 2])
def test_no_limit_and_a_large_one_are_the_affinity(
    quota: float | None, version: int, machine: Machine, cpus: int
) -> None:
    machine.membership.write_text("0::/\n" if version == 2 else "3:cpu,cpuacct:/\n")
    (machine.limit_v2 if version == 2 else machine.limit_v1)("", quota)
    assert machine.usable() == cpus


@pytest.mark.usefixtures("one_cpu")
def test_the_affinity_is_the_most(machine: Machine) -> None:
    machine.limit_v2("", 8)
    assert machine.usable() == 1


@pytest.mark.parametrize("limited", ["", "kubepods", "kubepods/pod1", "kubepods/pod1/main"])
def test_the_least_of_all_groups_above_counts(limited: str, machine: Machine) -> None:
    machine.membership.write_text("0::/kubepods/pod1/main\n")
    for group in ("kubepods", "kubepods/pod1", "kubepods/pod1/main"):
        machine.limit_v2(group, None)
    machine.limit_v2(limited, 1)
    assert machine.usable() == 1


@pytest.mark.parametrize("mounted", ["cpu", "cpu,cpuacct"])
def test_version_1_by_either_name_of_its_mount(mounted: str, machine: Machine) -> None:
    machine.membership.write_text("11:memory:/a\n4:cpu,cpuacct:/docker/b\n0::/\n")
    machine.limit_v1("docker/b", 1, mounted)
    assert machine.usable() == 1


def test_a_path_of_the_node_that_is_not_mounted_here(machine: Machine) -> None:
    """Version 1 in a container: its group is mounted as the root, its path is the node's."""
    machine.membership.write_text("4:cpu,cpuacct:/docker/0123\n")
    machine.limit_v1("", 1)
    assert machine.usable() == 1


def test_a_path_outside_of_the_namespace(machine: Machine) -> None:
    machine.membership.write_text("0::/../../other\n")
    machine.limit_v2("", 1)
    assert machine.usable() == 1


@pytest.mark.parametrize("group", ["other", "kubepods/pod1/sibling"])
def test_groups_of_others_do_not_count(group: str, machine: Machine, cpus: int) -> None:
    machine.membership.write_text("0::/kubepods/pod1/main\n7:cpuset:/x\n")
    machine.limit_v2(group, 0.5)
    machine.limit_v1("x", 0.5, "cpuset")
    assert machine.usable() == cpus


@pytest.mark.parametrize("text", ["", "\n", "max", "100000", "a b", "50000 0", "-1 100000", "1 2 3"])
def test_a_file_that_says_nothing_limits_nothing(text: str, machine: Machine, cpus: int) -> None:
    machine.membership.write_text("0::/\nno line of this form\n")
    machine.write("cpu.max", text)
    assert machine.usable() == cpus
