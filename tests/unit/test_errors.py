from __future__ import annotations

import inspect

import pytest

from liteship import errors
from liteship.errors import InputError, LiteshipError
from liteship.runtime.http import STATUS

FAMILIES = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, LiteshipError) and each is not LiteshipError
]


def test_says_everything_in_the_order_a_person_reads() -> None:
    error = InputError(
        "tensor-shape", "cannot", expected="[1]", received="[2]", problems=["a", "b"], hint="mend it"
    )
    assert str(error).splitlines() == [
        "cannot",
        "  - a",
        "  - b",
        "  expected: [1]",
        "  received: [2]",
        "  next step: mend it",
    ]


def test_absent_fields_are_left_out() -> None:
    error = InputError("body-empty", "no body", hint="send one")
    assert error.as_dict() == {"error": "no body", "reference": "body-empty", "hint": "send one"}
    assert str(error) == "no body\n  next step: send one"


def test_empty_text_is_not_absent() -> None:
    fields = InputError("x", "m", hint="h", expected="", received="").as_dict()
    assert fields["expected"] == fields["received"] == ""


def test_problems_may_be_any_iterable() -> None:
    error = InputError("x", "m", hint="h", problems=(str(each) for each in range(2)))
    assert error.problems == ("0", "1")
    assert error.as_dict()["problems"] == ["0", "1"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_in_the_docstrings_tree(family: type[LiteshipError]) -> None:
    assert family.__name__ in (errors.__doc__ or "")
    with pytest.raises(LiteshipError, match="what"):
        raise family("reference", "what", hint="h")


def test_a_subclass_comes_before_its_family_in_the_table_of_statuses() -> None:
    # error_response takes the first family that fits
    families = list(STATUS)
    for index, family in enumerate(families):
        assert not any(issubclass(later, family) for later in families[index + 1 :])
