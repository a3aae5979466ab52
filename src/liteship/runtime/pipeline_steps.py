"""What `function.toml` and `LITESHIP_PIPELINES` say of pipelines; standard library only.

{"page": {"steps": ["app:crop", "digits"], "default": true}}
"""

from __future__ import annotations

import json
import re
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PART = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_MODEL = re.compile(rf"({_PART})(?:@({_PART})|/({_PART}))?")
_CODE = re.compile(r"([A-Za-z_]\w*):([A-Za-z_]\w*)", re.ASCII)

FORMS = "MODEL, MODEL@LABEL, MODEL/VERSION or module:callable"


class ModelStep:
    """A model of the function's.

    Args:
        text: As `function.toml` has it.
        name: The model's.
        label: Of a version; empty for none.
        version: Empty for the one that the label names, or the default one.
    """

    __slots__ = ("label", "name", "text", "version")

    def __init__(self, text: str, name: str, label: str, version: str) -> None:
        self.text = text
        self.name = name
        self.label = label
        self.version = version


class CodeStep:
    """A step in Python, in the function's folder.

    Args:
        text: As `function.toml` has it.
        module: Beside `app.py`, or that.
        name: Of a callable in it.
    """

    __slots__ = ("module", "name", "text")

    def __init__(self, text: str, module: str, name: str) -> None:
        self.text = text
        self.module = module
        self.name = name


class Declaration:
    """One pipeline.

    Args:
        steps: In order; the last one is a model.
        is_default: Whether it answers what names no model, instead of the function's own.
    """

    __slots__ = ("is_default", "steps")

    def __init__(self, steps: Sequence[ModelStep | CodeStep], is_default: bool) -> None:
        self.steps = tuple(steps)
        self.is_default = is_default


def parse_step(text: str) -> ModelStep | CodeStep | None:
    """Reads one step; None if it has none of `FORMS`."""
    if found := _MODEL.fullmatch(text):
        name, label, version = found.groups(default="")
        return ModelStep(text, name, label, version)
    if found := _CODE.fullmatch(text):
        return CodeStep(text, *found.groups())
    return None


def step_problems(texts: Sequence[str]) -> list[str]:
    """What is wrong with a pipeline's steps, one line each."""
    steps = [parse_step(text) for text in texts]
    problems = [
        f"{text!r:.80} is not {FORMS}" for text, step in zip(texts, steps, strict=True) if step is None
    ]
    if not steps or isinstance(steps[-1], CodeStep):
        problems.append("the last step must be a model: its outputs are the answer")
    problems += [
        f"{first.text} and {second.text} are two steps in Python without a model between: make them one"
        for first, second in pairwise(steps)
        if isinstance(first, CodeStep) and isinstance(second, CodeStep)
    ]
    return problems


def pipeline_problems(own: str, pipelines: Mapping[str, tuple[Sequence[str], bool]]) -> list[str]:
    """What is wrong with several pipelines together, one line each.

    Args:
        own: Name of the function, which its own model has too; empty if it is not known.
        pipelines: By name: the steps, and whether it is the default.
    """
    problems = []
    if own in pipelines:
        problems.append(f"pipeline {own} has the name of the function's own model: choose another")
    problems += [
        f"step {step.text} of {name} is a pipeline: write its steps instead"
        for name, (texts, _) in pipelines.items()
        for step in map(parse_step, texts)
        if isinstance(step, ModelStep) and step.name in pipelines
    ]
    defaults = [name for name, (_, is_default) in pipelines.items() if is_default]
    if len(defaults) > 1:
        problems.append(f"only one pipeline can be the default, not {' and '.join(defaults)}")
    return problems


def write_pipelines(pipelines: Mapping[str, tuple[Sequence[str], bool]]) -> str:
    """The text of `LITESHIP_PIPELINES`: what there is none of is left out."""
    content = {
        name: {"steps": [*texts], **({"default": True} if is_default else {})}
        for name, (texts, is_default) in pipelines.items()
    }
    return json.dumps(content, separators=(",", ":"))


def read_pipelines(text: str, problems: list[str]) -> dict[str, Declaration]:
    """Reads the text of `LITESHIP_PIPELINES`; what is wrong with it goes to `problems`."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.append(f"not JSON: {error}")
        return {}
    return declare(content, problems)


def declare(content: object, problems: list[str], own: str = "") -> dict[str, Declaration]:
    """The pipelines that a table of them declares: `LITESHIP_PIPELINES`, or `[pipelines]`.

    Args:
        content: JSON or TOML, read.
        problems: What is wrong with it goes here, one line each.
        own: As `pipeline_problems` takes it.

    Returns:
        By name; none where there are problems.
    """
    if not isinstance(content, dict):
        problems.append(f"expected a table of pipelines, received {content!r:.60}")
        return {}
    pipelines: dict[str, tuple[list[str], bool]] = {}
    for name, fields in content.items():
        if not re.fullmatch(_PART, name):
            problems.append(f"{name!r:.80} is not a name of lower-case letters, digits and -")
        elif not (
            isinstance(fields, dict)
            and fields.keys() <= {"steps", "default"}
            and isinstance(fields.get("default", False), bool)
            and isinstance(fields.get("steps"), list)
            and all(isinstance(each, str) for each in fields["steps"])
        ):
            problems.append(
                f"{name}: expected steps, a list of text, and default, true or false; "
                f"received {fields!r:.60}"
            )
        else:
            problems += [f"{name}: {problem}" for problem in step_problems(fields["steps"])]
            pipelines[name] = fields["steps"], fields.get("default", False)
    problems += pipeline_problems(own, pipelines)
    if problems:
        return {}
    return {
        name: Declaration([step for step in map(parse_step, texts) if step is not None], is_default)
        for name, (texts, is_default) in pipelines.items()
    }
