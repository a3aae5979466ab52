from __future__ import annotations

import json
from typing import Any

import pytest

from liteship.errors import ConfigurationError
from liteship.runtime.pipeline_steps import (
    CodeStep,
    ModelStep,
    declare,
    parse_step,
    read_pipelines,
    step_problems,
    write_pipelines,
)
from liteship.runtime.settings import Settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits", ("digits", "", "")),
        ("a-1@canary", ("a-1", "canary", "")),
        ("digits/2", ("digits", "", "2")),
    ],
)
def test_a_model(text: str, expected: tuple[str, str, str]) -> None:
    step = parse_step(text)
    assert isinstance(step, ModelStep)
    assert (step.name, step.label, step.version) == expected
    assert step.text == text


def test_code() -> None:
    step = parse_step("app:crop_2")
    assert isinstance(step, CodeStep)
    assert (step.module, step.name, step.text) == ("app", "crop_2", "app:crop_2")


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "Digits", "-a", "a-", "a" * 64, "digits/", "digits@", "digits@a/1", "digits/1@a"),
        *("../digits", "digits/..", "a/b/c", "digits\n", ":", "app:", ":crop", "app:crop:x"),
        *("pack.age:crop", "app:a.b", "app:crop()", "äpp:crop", "1app:crop", "os:système"),
    ],
)
def test_nothing_else_is_a_step(text: str) -> None:
    assert parse_step(text) is None


def test_every_problem_of_the_steps_is_told() -> None:
    assert step_problems(["app:a", "digits", "app:b", "digits@x"]) == []
    problems = step_problems(["No Model", "app:a", "app:b"])
    assert [problem.split(" ")[-1] for problem in problems] == ["module:callable", "answer", "one"]
    assert step_problems([]) == ["the last step must be a model: its outputs are the answer"]


PIPELINES: Any = {"page": {"steps": ["app:crop", "digits"], "default": True}, "b": {"steps": ["c/1"]}}


def test_what_is_written_can_be_read() -> None:
    text = write_pipelines({"page": (["app:crop", "digits"], True), "b": (["c/1"], False)})
    assert json.loads(text) == PIPELINES
    assert " " not in text
    pipelines = Settings({"LITESHIP_PIPELINES": text}).pipelines
    assert {name: [step.text for step in each.steps] for name, each in pipelines.items()} == {
        "page": ["app:crop", "digits"],
        "b": ["c/1"],
    }
    assert [each.is_default for each in pipelines.values()] == [True, False]
    assert Settings({}).pipelines == Settings({"LITESHIP_PIPELINES": ""}).pipelines == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([], "expected a table of pipelines, received []"),
        ({"Page": {"steps": ["a"]}}, "'Page' is not a name of lower-case letters, digits and -"),
        ({"page": ["a"]}, "page: expected steps, a list of text, and default"),
        ({"page": {}}, "page: expected steps"),
        ({"page": {"steps": "a"}}, "page: expected steps"),
        ({"page": {"steps": [1]}}, "page: expected steps"),
        ({"page": {"steps": ["a"], "default": 1}}, "page: expected steps"),
        ({"page": {"steps": ["a"], "other": 1}}, "page: expected steps"),
        ({"page": {"steps": ["app:crop"]}}, "page: the last step must be a model"),
        ({"page": {"steps": ["own"]}, "own": {"steps": ["a"]}}, "pipeline own has the name of"),
        ({"page": {"steps": ["b"]}, "b": {"steps": ["a"]}}, "step b of page is a pipeline"),
        ({"page": {"steps": ["page"]}}, "step page of page is a pipeline"),
        (
            {name: {"steps": ["a"], "default": True} for name in ("x", "y")},
            "only one pipeline can be the default, not x and y",
        ),
    ],
)
def test_what_cannot_be_a_pipeline_is_told(content: Any, problem: str) -> None:
    problems: list[str] = []
    assert declare(content, problems, "own") == {}
    assert any(each.startswith(problem) for each in problems), problems


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "\ud800"])
def test_text_that_is_no_json_is_told(text: str) -> None:
    problems: list[str] = []
    assert read_pipelines(text, problems) == {}
    assert problems[0].startswith("not JSON: ")


def test_the_environment_tells_all_problems() -> None:
    text = json.dumps({"page": {"steps": ["app:crop"]}, "B": {"steps": ["digits"]}})
    with pytest.raises(ConfigurationError) as raised:
        Settings({"LITESHIP_PIPELINES": text, "PORT": "x"})
    assert len(raised.value.problems) == 3
    assert sum(each.startswith("LITESHIP_PIPELINES: ") for each in raised.value.problems) == 2
