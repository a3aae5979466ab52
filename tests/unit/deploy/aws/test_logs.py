"""Patterns of CloudWatch."""

from __future__ import annotations

import pytest

from liteship.deploy.aws.logs import filter_pattern


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("refused", '"refused"'),
        ("two words", '"two words"'),
        ('say "no"', '"say \\"no\\""'),
        ("C:\\temp", '"C:\\\\temp"'),
        ('{ $.level = "ERROR" }', '{ $.level = "ERROR" }'),
        ('"quoted already"', '"quoted already"'),
        ("%[45]00%", "%[45]00%"),
    ],
)
def test_a_text_is_looked_for_as_it_is(text: str, pattern: str) -> None:
    assert filter_pattern(text) == pattern
