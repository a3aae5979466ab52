"""Documents that must say what the code does."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command

import liteship
from liteship import config, errors
from liteship.artifact import Artifact
from liteship.cli import exits
from liteship.cli.main import app
from liteship.runtime.http import STATUS
from liteship.runtime.settings import OBSERVABILITY

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"


def commands() -> list[str]:
    return sorted(get_command(app).commands)  # type: ignore[attr-defined]


def test_readme_lists_every_command() -> None:
    listed = re.findall(r"^\| `liteship (\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == commands()


@pytest.mark.parametrize("command", commands())
def test_every_command_has_json_and_examples(command: str) -> None:
    parsed = get_command(app).commands[command]  # type: ignore[attr-defined]
    assert f"liteship {command}" in parsed.help
    assert "--json" in {option for parameter in parsed.params for option in parameter.opts}


def test_every_exit_code_is_documented() -> None:
    text = (GUIDES / "errors.md").read_text()
    documented = {
        family: int(code) for code, family in re.findall(r"^\| (\d+) \| (\w+) \|", text, re.MULTILINE)
    }
    assert documented == {family.__name__: code for family, code in exits.CODES.items()}
    assert len(set(exits.CODES.values())) == len(exits.CODES)


def test_every_error_family_has_an_exit_code() -> None:
    families = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.LiteshipError)
    }
    for family in families - {errors.LiteshipError}:
        assert exits.exit_code(family("x", "y", hint="z")) != exits.INTERNAL


def test_every_key_of_function_toml_is_documented() -> None:
    text = (GUIDES / "function-toml.md").read_text()
    sections: dict[str, type[BaseModel]] = {
        "model": config.ModelSection,
        "models": config.ModelsSection,
        "input": config.ImageInput,
        "output": config.OutputSection,
        "runtime": config.RuntimeSection,
        "pipelines.NAME": config.PipelineSection,
        "triggers": config.TriggersSection,
        "triggers.s3": config.S3Trigger,
        "lambda": config.LambdaSection,
        "lambda.alarms": config.AlarmsSection,
        "knative": config.KnativeSection,
    }
    for section, model in sections.items():
        for key in model.model_fields:
            assert f"`{section}.{key}`" in text, f"{section}.{key}"
    for value in OBSERVABILITY:
        assert f'"{value}"' in text
    settings = (ROOT / "src" / "liteship" / "runtime" / "settings.py").read_text()
    for variable in re.findall(r"LITESHIP_[A-Z0-9_]+", settings):
        assert f"`{variable}`" in text, variable


def references(folder: Path, family: str) -> set[str]:
    """The references of errors that modules raise."""
    raised = re.compile(rf'\b{family}\(\s*"([a-z0-9-]+)"')
    return {found for path in folder.rglob("*.py") for found in raised.findall(path.read_text())}


def test_every_reference_that_a_caller_can_meet_is_documented() -> None:
    """In the table of its status in requests.md, or in protocols.md, whose table is of status 400."""
    table = (GUIDES / "requests.md").read_text().partition("| status | of | references |")[2]
    documented: dict[str, set[str]] = {}
    status = ""
    for cell, said in re.findall(
        r"^\| (.*?) ?\|.*?\| (.*) \|$", table.partition("\n## ")[0], re.MULTILINE
    ):
        status = cell or status
        for each in status.split(", "):
            documented.setdefault(each, set()).update(re.findall(r"`([a-z0-9-]+)`", said))
    errors_of_protocols = (GUIDES / "protocols.md").read_text().partition("\n## Errors\n")[2]
    documented["400"] |= set(re.findall(r"`([a-z0-9-]+)`", errors_of_protocols))
    runtime = ROOT / "src" / "liteship" / "runtime"
    for family, code in STATUS.items():
        found = references(runtime, family.__name__) - references(runtime / "triggers", family.__name__)
        if family is errors.NotReadyError:  # a model that cannot be loaded is in other guides
            found = references(runtime / "protocols", family.__name__) | {"queue-full", "body-slow"}
        assert found - documented[str(code)] == set(), code
    assert {f"{what}-unknown" for what in ("model", "version", "label", "route")} <= documented["404"]
    for folder in ("codecs", "protocols"):
        everything = set().union(*documented.values())
        assert references(runtime / folder, r"\w+Error") <= everything


def test_links_lead_somewhere() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target, _, place in re.findall(r"\]\(([^)#]*)(#([^)]+))?\)", path.read_text()):
            if "://" in target:
                continue
            document = path.parent / target if target else path
            assert document.exists(), f"{path.name} → {target}"
            if place:
                assert place in places(document), f"{path.name} → {target}#{place}"


def places(document: Path) -> set[str]:
    """What links to a document's headings end in, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_versions_agree() -> None:
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    litert = next(pin for pin in pins if pin.startswith("ai-edge-litert=="))
    assert litert in (ROOT / "layers" / "litert" / "requirements.txt").read_text()
    manifest = Artifact.load(ROOT / "functions" / "digits" / "model").manifest
    tools = json.loads(manifest.to_json())["provenance"]["tools"]
    assert litert == f"ai-edge-litert=={tools['ai-edge-litert']}"
    assert f"## {liteship.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_public_names_are_these() -> None:
    assert liteship.__all__ == [
        "Artifact",
        "Function",
        "LiteshipError",
        "PipelineInput",
        "Predictor",
        "__version__",
        "convert",
    ]
    for name in liteship.__all__:
        assert getattr(liteship, name) is not None
    with pytest.raises(AttributeError, match="it has Artifact"):
        _ = liteship.nothing


def test_locks_name_no_index() -> None:
    locks = [
        *(ROOT / "requirements").glob("*.txt"),
        *(ROOT / "layers").glob("*/requirements.txt"),
        *(ROOT / "src").rglob("environments/*.txt"),
    ]
    for path in locks:
        text = path.read_text()
        assert "://" not in text, path
        assert "--hash=sha256:" in text, path
