from __future__ import annotations

from typing import Any

import pytest

from liteship.errors import ConfigurationError
from liteship.runtime.models_setting import ModelsSetting, is_name
from liteship.runtime.settings import Settings

LABELS = {"digits": {"stable": "1", "canary": "2"}}


def problems(text: str, **environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as raised:
        Settings({"LITESHIP_MODELS": text, **environ})
    assert raised.value.reference == "environment-invalid"
    return raised.value.problems


def test_a_function_has_one_model_by_default() -> None:
    for environ in ({}, {"LITESHIP_MODELS": ""}):
        settings = Settings(environ)
        assert settings.models is None
        assert settings.model_folder("/var/task") == "/var/task/model"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, '{"name":"digits","version":"2"}'),
        (
            {"labels": LABELS, "memory_mib": 64, "control": True},
            (
                '{"name":"digits","version":"2","labels":{"digits":{"stable":"1","canary":"2"}},'
                '"memory_mib":64,"control":true}'
            ),
        ),
    ],
)
def test_what_is_written_is_read(fields: dict[str, Any], text: str) -> None:
    written = ModelsSetting("digits", "2", **fields)
    assert written.to_json() == text
    settings = Settings({"LITESHIP_MODELS": text})
    assert settings.models is not None
    for name in ModelsSetting.__slots__:
        assert getattr(settings.models, name) == getattr(written, name)
    assert settings.model_folder("/var/task") == "/var/task/model/digits/2"


def test_every_problem_is_told_at_once() -> None:
    text = '{"name":"../x","labels":{"a":1},"memory_mib":0,"control":1,"more":2}'
    found = problems(text, LITESHIP_MODEL="/mnt/models", PORT="none")
    assert [problem.removeprefix("LITESHIP_MODELS: ").partition(":")[0] for problem in found] == [
        *("PORT", "not together with LITESHIP_MODEL"),
        *("'more' is unknown", "name", "version", "labels", "memory_mib", "control"),
    ]


@pytest.mark.parametrize("text", ["x", "[]", "1", '"name"', "null", "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith("LITESHIP_MODELS: expected a JSON object")
    assert len(problem) < 150


@pytest.mark.parametrize("memory_mib", ["true", "1.5", '"64"', "-1"])
def test_a_budget_is_a_whole_number(memory_mib: str) -> None:
    (problem,) = problems(f'{{"name":"a","version":"1","memory_mib":{memory_mib}}}')
    assert "memory_mib" in problem


@pytest.mark.parametrize("text", ["a", "1", "A-b_c.9", "x" * 64])
def test_names(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".git", "a/b", "a\\b", "a\0", "é", "٣", "a b", "x" * 65, "%2e", None, 1, []]
)
def test_what_is_no_name(text: object) -> None:
    assert not is_name(text)
