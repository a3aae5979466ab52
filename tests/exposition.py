"""A strict reader of Prometheus' text format, version 0.0.4, for tests.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
SUFFIXES = {"histogram": {"_bucket", "_sum", "_count"}, "counter": {""}, "gauge": {""}}

Labels = tuple[tuple[str, str], ...]


@dataclass
class Family:
    """Samples of one name, by suffix and sorted labels."""

    kind: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def value(self, suffix: str = "", **labels: str) -> float:
        return self.samples[suffix, tuple(sorted(labels.items()))]


def parse(text: str) -> dict[str, Family]:
    """Families by name; an assertion fails for whatever the format does not allow."""
    assert text.endswith("\n")
    families: dict[str, Family] = {}
    helped, current = "", ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, helped, meaning = line.split(" ", 3)
            assert meaning
        elif line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current == helped
            assert current not in families, "one group a name"
            families[current] = Family(kind)
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            name, labels, value = match.groups()
            assert name.startswith(current), line
            suffix = name.removeprefix(current)
            assert suffix in SUFFIXES[families[current].kind], line
            key = suffix, _labels(labels or "")
            assert key not in families[current].samples, line
            families[current].samples[key] = float(value)
    for name, family in families.items():
        if family.kind == "histogram":
            _check_histogram(family)
        if family.kind == "counter":
            assert name.endswith("_total")
            assert min(family.samples.values(), default=0) >= 0
    return families


def _labels(text: str) -> Labels:
    end, found = 0, {}
    while end < len(text):
        match = LABEL.match(text, end)
        assert match, text
        name, value = match.groups()
        assert name not in found
        found[name] = re.sub(r"\\.", lambda each: ESCAPES[each[0]], value)
        end = match.end()
    return tuple(sorted(found.items()))


def _check_histogram(family: Family) -> None:
    """Buckets are cumulative, in order, end with +Inf, and agree with the count."""
    series: dict[Labels, list[tuple[float, float]]] = {}
    for (suffix, labels), value in family.samples.items():
        if suffix == "_bucket":
            bound = float(dict(labels)["le"])
            rest = tuple(each for each in labels if each[0] != "le")
            series.setdefault(rest, []).append((bound, value))
    for rest, buckets in series.items():
        assert buckets == sorted(buckets)
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert buckets[-1] == (float("inf"), family.samples["_count", rest])
        assert family.samples["_sum", rest] >= 0
