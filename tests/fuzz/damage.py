"""Damage to what was valid: bytes, JSON texts, and the values that events are made of."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import strategies as st

BLOWS = st.sampled_from((0, 0, 1, 1, 1, 2, 4))
"""Many make a request that is refused at its first word."""

RARELY = st.sampled_from((False,) * 9 + (True,))

LONG = 20_000
"""Characters of a hostile name: enough to be seen in an answer that quotes it, quick enough to try."""

HOSTILE_LITERALS = (
    "NaN",
    "-Infinity",
    "1e400",
    "-1e-400",
    "1e38",
    "3.5e38",
    "9" * 310,
    "9" * 5000,
    "-" + "9" * 310,
    str(2**31),
    str(-(2**63)),
    str(2**64),
    "-1",
    "-0.0",
    "0",
    "0.5",
    "256",
    "01",
    "null",
    "true",
    '""',
    '"\\ud800"',
    '"\\u0000"',
    '"AAAA"',
    '"iVBORw0KGgo="',
    '"' + "A" * LONG + '"',
    "[]",
    "[[]]",
    "{}",
    '{"b64": "!"}',
    '{"b64": null}',
    '{"b64": "AA=="}',
    "[" * 900 + "]" * 900,
    "[" * 3000 + "]" * 3000,
    '{"a":' * 900 + "0" + "}" * 900,
    "[" + "[]," * 300 + "0]",
    "[" + ",".join("0" * 500) + "]",
    "",
)
"""What a number or any other value of a JSON text becomes."""

HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**70,
    0.5,
    "",
    "\0",
    "\ud800",
    "../../etc/passwd",
    "a\r\nb: c",
    "x" * LONG,
    [],
    [None],
    {},
    {"a": []},
)
"""What a value of an event becomes."""

_WORDS = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff",
    b'"',
    b"[",
    b"}",
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")


@st.composite
def damaged(draw: st.DrawFn, body: bytes, least: int = 0) -> bytes:
    """The body after a few blows, and whole at times."""
    for _ in range(max(least, draw(BLOWS))):
        at = draw(st.integers(0, len(body)))
        kind = draw(
            st.sampled_from(("flip", "flip", "word", "cut", "drop", "insert", "repeat", "number"))
        )
        if kind == "flip" and at < len(body):
            body = body[:at] + bytes([body[at] ^ draw(st.integers(1, 255))]) + body[at + 1 :]
        elif kind == "word":
            word = draw(st.sampled_from(_WORDS))
            body = body[:at] + word + body[at + len(word) :]
        elif kind == "cut":
            body = body[:at]
        elif kind == "drop":
            body = body[:at] + body[at + draw(st.integers(1, 64)) :]
        elif kind == "insert":
            body = body[:at] + draw(st.binary(min_size=1, max_size=8)) + body[at:]
        elif kind == "repeat":
            part = body[at : at + draw(st.integers(1, 32))]
            body = body[:at] + part * draw(st.integers(2, 40)) + body[at:]
        elif kind == "number" and (numbers := list(_NUMBER.finditer(body))):
            number = draw(st.sampled_from(numbers))
            literal = draw(st.sampled_from(HOSTILE_LITERALS)).encode()
            body = body[: number.start()] + literal + body[number.end() :]
    return body


@st.composite
def damaged_json(draw: st.DrawFn, content: Any) -> bytes:
    """The content as a JSON text, with hostile values, names given twice, and broken bytes at times."""
    marks: dict[str, str] = {}
    for _ in range(draw(BLOWS)):
        mark = f"@{len(marks)}@"
        marks[mark] = draw(st.sampled_from(HOSTILE_LITERALS))
        content = _with_blow(draw, content, mark)
    text = json.dumps(content, ensure_ascii=draw(st.booleans()))
    for mark, literal in marks.items():
        text = text.replace(f'"{mark}"', literal)
    encoding = "utf-8"
    if draw(RARELY):
        encoding = draw(st.sampled_from(("utf-16", "utf-32-be", "utf-8-sig")))
    body = text.encode(encoding, errors="backslashreplace")
    return draw(damaged(body)) if draw(RARELY) else body


@st.composite
def damaged_value(draw: st.DrawFn, content: Any) -> Any:
    """The content with hostile values in a few places."""
    for _ in range(draw(BLOWS)):
        content = _with_blow(draw, content, draw(st.sampled_from(HOSTILE_VALUES)))
    return content


def _with_blow(draw: st.DrawFn, content: Any, hostile: Any) -> Any:
    """A copy with one place damaged, the place chosen level by level."""
    kind = draw(st.sampled_from(("deeper",) * 8 + ("replace", "remove", "add", "wrap")))
    if kind == "wrap":
        return draw(st.sampled_from(([content], {"data": content}, [content, content])))
    if not content or not isinstance(content, (dict, list)) or kind == "replace":
        return hostile
    if isinstance(content, list):
        at = draw(st.integers(0, len(content) - 1))
        inner = {"deeper": lambda: [_with_blow(draw, content[at], hostile)], "remove": list}
        changed = inner.get(kind, lambda: [content[at], hostile])()
        return [*content[:at], *changed, *content[at + 1 :]]
    name = draw(st.sampled_from(sorted(content, key=repr)))
    if kind == "remove":
        return {key: value for key, value in content.items() if key != name}
    if kind == "add":
        other = draw(st.sampled_from((_Twice(name), "", "\ud800", "x" * LONG, "parameters", "inputs")))
        return content | {other: hostile}
    return content | {name: _with_blow(draw, content[name], hostile)}


class _Twice(str):
    """A name that a `dict` holds beside the same name, so that it is written twice."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)
