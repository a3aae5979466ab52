"""A strict reader of Prometheus' text format, as far as a function's `/metrics` uses it.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details
"""

from __future__ import annotations

import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
ESCAPED = re.compile(r'\\(["\\n])')

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A name, and its labels in alphabetical order."""

Samples = dict[Series, float]


class ExpositionError(ValueError):
    """A text is not in the format; says which line."""


def parse(text: str) -> Samples:
    """The samples of a text.

    Args:
        text: What `GET /metrics` answered.

    Returns:
        Value by name and labels.

    Raises:
        ExpositionError: A line is not as the format wants it, stands twice, or is the last one and not
            whole.
    """
    if text and not text.endswith("\n"):
        raise ExpositionError("the text ends within a line")
    samples: Samples = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip(" \t") or line.lstrip(" \t").startswith("#"):
            continue
        try:
            series, value = _sample(line)
        except ValueError as error:
            raise ExpositionError(f"line {number}: {error}: {line[:200]!r}") from None
        if series in samples:
            raise ExpositionError(f"line {number}: stands twice: {line[:200]!r}")
        samples[series] = value
    return samples


def _sample(line: str) -> tuple[Series, float]:
    line = line.strip(" \t")
    name = NAME.match(line)
    if not name:
        raise ValueError("no name")
    labels, rest = _labels(line[name.end() :].lstrip(" \t"))
    words = rest.split()
    if not 1 <= len(words) <= 2:  # the second is a time stamp
        raise ValueError("not one value")
    if len(words) == 2:
        int(words[1])
    if "_" in words[0]:  # Python's float() would take 1_000
        raise ValueError("no number")
    return (name[0], tuple(sorted(labels.items()))), float(words[0])


def _labels(text: str) -> tuple[dict[str, str], str]:
    """The labels in braces at the beginning, if there are any, and what follows them."""
    labels: dict[str, str] = {}
    if not text.startswith("{"):
        return labels, text
    text = text[1:].lstrip(" \t")
    while not text.startswith("}"):
        label = LABEL.match(text)
        if not label or label[1] in labels:
            raise ValueError("labels that cannot be read")
        labels[label[1]] = ESCAPED.sub(lambda found: {"n": "\n"}.get(found[1], found[1]), label[2])
        text = text[label.end() :].lstrip(" \t")
        if text.startswith(","):
            text = text[1:].lstrip(" \t")
        elif not text.startswith("}"):
            raise ValueError("labels that cannot be read")
    return labels, text[1:]
