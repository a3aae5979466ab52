from __future__ import annotations

import pytest

from liteship.artifact.reading import FieldReader


def reader(value: object) -> FieldReader:
    return FieldReader(value, "place", [])


@pytest.mark.parametrize("value", [None, [], "text", 1, True])
def test_anything_but_an_object_is_a_problem(value: object) -> None:
    fields = reader(value)
    assert fields.problems == [f"place: expected an object, received {type(value).__name__}"]


def test_takes_what_is_of_the_right_kind() -> None:
    fields = reader({"a": 1, "b": "x", "c": 2.5})
    assert fields.take("a", int) == 1
    assert fields.take("b", str) == "x"
    assert fields.take("c", (float, int)) == 2.5
    assert fields.take("d", int, 7) == 7
    assert fields.problems == []


def test_a_boolean_is_no_number() -> None:
    fields = reader({"a": True, "b": [1, True]})
    assert fields.take("a", int) == 0
    assert fields.items("b", int) == []
    assert fields.problems == [
        "place.a: expected int, received bool True",
        "place.b: True does not belong in this list",
    ]


def test_missing_unknown_and_wrong_fields_are_all_named() -> None:
    fields = reader({"a": "x", "c": "red", "stray": 1})
    assert fields.take("a", (float, int)) == 0.0
    assert fields.take("b", str) == ""
    assert fields.choose("c", ("green", "blue")) == "green"
    fields.close()
    assert fields.problems == [
        "place.a: expected float or int, received str 'x'",
        "place.b: missing",
        "place.c: expected one of green, blue, received 'red'",
        "place.stray: unknown",
    ]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_are_finite(number: float) -> None:
    fields = reader({"a": number, "b": [1.0, number]})
    assert fields.take("a", (float, int)) == 0.0
    assert fields.items("b", (float, int)) == []
    assert fields.problems == [
        f"place.a: expected a finite number, received {number!r}",
        f"place.b: {number!r} does not belong in this list",
    ]


def test_nested_readers_share_the_list_and_name_their_place() -> None:
    fields = reader({"in": {"x": 1}, "many": [{"x": 1}, 5]})
    fields.nested("in").take("y", int)
    for each in fields.each("many"):
        each.take("x", int)
    assert fields.problems == [
        "place.in.y: missing",
        "place.many[1]: expected an object, received int",
        "place.many[1].x: missing",
    ]
