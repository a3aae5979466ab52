from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.conftest import DIGITS, copy_version

from liteship import Function, Predictor
from liteship.errors import InputError, NotFoundError, NotReadyError
from liteship.runtime.models import find_versions, version_key
from liteship.runtime.models_setting import ModelsSetting
from liteship.runtime.served import MOST_NAMED, unknown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., Function]

LABELS = {"digits": {"stable": "1", "canary": "2", "gone": "7"}}


@pytest.fixture
def serve(repository_folder: Path) -> Make:
    """A function of digits 1 and 2, its own, and wine 1; with labels of digits where none are given."""

    def make(
        labels: dict[str, dict[str, str]] | None = None, memory_mib: int | None = None
    ) -> Function:
        setting = ModelsSetting("digits", "2", LABELS if labels is None else labels, memory_mib)
        environ = {"LITESHIP_MODELS": setting.to_json()}
        return Function(str(repository_folder / "app.py"), environ=environ)

    return make


def found(function: Function, name: str = "", version: str = "", label: str = "") -> str:
    manifest = function.predictor_for(name, version=version, label=label).manifest
    return f"{manifest.name} {manifest.version}"


def add_versions(folder: Path, *versions: str, model: str = "wine") -> None:
    for version in versions:
        copy_version(DIGITS / "model", folder / "model" / model / version)


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ({}, "digits 2"),
        ({"name": "digits"}, "digits 2"),
        ({"version": "1"}, "digits 1"),
        ({"name": "digits", "version": "1"}, "digits 1"),
        ({"label": "stable"}, "digits 1"),
        ({"name": "digits", "label": "canary"}, "digits 2"),
        ({"name": "wine"}, "wine 1"),
        ({"name": "wine", "version": "1"}, "wine 1"),
    ],
)
def test_what_is_asked_for_answers(serve: Make, asked: dict[str, str], answers: str) -> None:
    assert found(serve(), **asked) == answers


@pytest.mark.parametrize(
    ("asked", "reference", "expected", "received"),
    [
        ({"name": "other"}, "model-unknown", "digits, wine", "other"),
        ({"version": "3"}, "version-unknown", "1, 2", "3"),
        ({"name": "wine", "version": "2"}, "version-unknown", "1", "2"),
        ({"label": "beta"}, "label-unknown", "stable, canary, gone", "beta"),
        ({"label": "gone"}, "version-unknown", "1, 2", "7"),
        ({"name": "wine", "label": "stable"}, "label-unknown", "no label", "stable"),
        ({"name": "x" * 10_000}, "model-unknown", "digits, wine", "x" * 80),
    ],
)
def test_what_is_not_served_is_told_with_what_is(
    serve: Make, asked: dict[str, str], reference: str, expected: str, received: str
) -> None:
    with pytest.raises(NotFoundError) as raised:
        found(serve(), **asked)
    assert raised.value.reference == reference
    assert (raised.value.expected, raised.value.received) == (expected, received)


@pytest.mark.parametrize(
    "odd",
    ["..", "../digits", "%2e%2e", "/etc", "1/../2", ".", "1\0", "x" * 100_000, "\ud800", "wine/1", " "],
)
def test_no_name_leads_to_a_file(serve: Make, odd: str) -> None:
    function = serve()
    for asked in ({"name": odd}, {"version": odd}, {"label": odd}, {"name": "wine", "version": odd}):
        with pytest.raises(NotFoundError) as raised:
            found(function, **asked)
        assert len(str(raised.value)) < 500


def test_another_model_s_default_is_its_greatest_number(serve: Make, repository_folder: Path) -> None:
    add_versions(repository_folder, "9", "10", "trial")
    function = serve()
    assert found(function, "wine") == "wine 10"
    assert function.served.versions("wine") == ["trial", "1", "9", "10"]
    assert function.served.versions() == function.served.versions("digits") == ["1", "2"]


def test_or_the_one_that_is_stable(serve: Make, repository_folder: Path) -> None:
    add_versions(repository_folder, "9", "10")
    assert found(serve({"wine": {"stable": "9", "beta": "10"}}), "wine") == "wine 9"


def test_or_the_last_name_where_there_is_no_number(serve: Make, repository_folder: Path) -> None:
    add_versions(repository_folder, "a", "b", model="named")
    assert found(serve(), "named") == "named b"


def test_versions_are_ordered_by_value() -> None:
    versions = ["2", "10", "1", "b", "a", "9" * 60, "010", "v3"]
    assert sorted(versions, key=version_key) == ["a", "b", "v3", "1", "2", "010", "10", "9" * 60]


def test_only_folders_with_a_name_are_served(serve: Make, repository_folder: Path) -> None:
    model = repository_folder / "model"
    (model / ".git" / "1").mkdir(parents=True)
    (model / "a b" / "1").mkdir(parents=True)
    (model / "wine" / ".2").mkdir()
    (model / "wine" / "notes.txt").write_text("")
    (model / "notes.txt").write_text("")
    assert find_versions(str(model)) == [("digits", "1"), ("digits", "2"), ("wine", "1")]
    assert find_versions(str(model / "nowhere")) == []
    assert serve().served.versions("wine") == ["1"]


def test_a_refusal_lists_so_many_and_no_more() -> None:
    error = unknown("model", "x", [f"model-{number}" for number in range(1000)])
    assert error.expected is not None
    assert error.expected.endswith(f"model-{MOST_NAMED - 1}, {1000 - MOST_NAMED} more")


def test_the_function_s_own_model_is_loaded_at_start_and_stays(
    serve: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    function = serve(memory_mib=1)
    assert messages(capsys) == [("model ready", "digits", "2")]
    own = function.require_predictor()
    for asked in ({"version": "1"}, {"name": "wine"}, {"version": "1"}):
        found(function, **asked)
    assert function.predictor_for() is function.predictor_for("digits", version="2") is own
    assert ("model evicted", "digits", "2") not in messages(capsys)


def messages(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str, str]]:
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    return [(line["message"], line["model"], line["version"]) for line in lines]


def test_the_http_server_counts_an_interpreter_for_each_worker(serve: Make) -> None:
    function = serve()
    assert function.served.models is not None
    assert not function.is_server
    assert function.served.models.cache.workers == 1
    function.settings.workers = 3
    assert function.asgi.workers == function.served.models.cache.workers == 3
    assert function.is_server


def test_another_model_is_loaded_when_it_is_asked_for(
    serve: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    function = serve()
    capsys.readouterr()
    assert function.predictor_for("wine") is function.predictor_for("wine", version="1")
    assert messages(capsys) == [("model ready", "wine", "1")]


def test_a_model_that_cannot_be_loaded_is_no_other_s_concern(
    serve: Make, repository_folder: Path
) -> None:
    (repository_folder / "model" / "wine" / "1" / "model.tflite").write_bytes(b"damaged")
    function = serve()
    assert function.served.refusal("wine") is None, "nobody has tried"
    with pytest.raises(NotReadyError) as raised:
        found(function, "wine")
    assert raised.value.reference == "artifact-digest"
    assert function.served.refusal("wine") is not None
    assert function.served.refusal() is None
    assert found(function) == "digits 2"


def test_a_self_test_that_fails_is_told(serve: Make, repository_folder: Path) -> None:
    path = repository_folder / "model" / "wine" / "1" / "model.json"
    manifest = json.loads(path.read_text())
    manifest["golden"]["outputs"] = ["80807f"]  # int8: the last of three
    path.write_text(json.dumps(manifest))
    with pytest.raises(NotReadyError) as raised:
        found(serve(), "wine")
    assert raised.value.reference == "self-test-failed"


def test_the_own_model_may_fail_alone(serve: Make, repository_folder: Path) -> None:
    (repository_folder / "model" / "digits" / "2" / "model.json").unlink()
    function = serve()
    with pytest.raises(NotReadyError) as raised:
        found(function)
    assert raised.value.reference == "artifact-missing"
    assert function.served.refusal() is not None
    assert found(function, "wine") == "wine 1"
    assert function.served.versions() == ["1", "2"]


@pytest.mark.parametrize("version", ["1", "2"])
def test_an_artifact_in_another_one_s_folder_is_refused(
    serve: Make, repository_folder: Path, version: str
) -> None:
    path = repository_folder / "model" / "digits" / version / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": "3"}))
    with pytest.raises(NotReadyError) as raised:
        found(serve(), version=version)
    assert raised.value.reference == "artifact-version"
    assert (raised.value.expected, raised.value.received) == (
        f"digits version {version}",
        "digits version 3",
    )


def test_hooks_are_for_every_version_of_the_own_model_and_for_no_other(
    repository_folder: Path,
) -> None:
    function = Function(
        str(repository_folder / "app.py"),
        postprocess=lambda _: {"mine": True},
        environ={"LITESHIP_MODELS": ModelsSetting("digits", "2").to_json()},
    )
    hooks = {
        f"{name} {version}": function.predictor_for(name, version=version).hooks
        for name, version in (("digits", "1"), ("digits", "2"), ("wine", "1"))
    }
    assert hooks == {"digits 1": ["postprocess"], "digits 2": ["postprocess"], "wine 1": []}


def test_what_is_built_is_served_by_name(serve: Make) -> None:
    function = serve()
    assert function.served.models is not None
    built = Predictor.load(DIGITS / "model")
    function.served.models.add("built", "5", lambda: built)
    assert function.predictor_for("built") is built
    assert function.served.versions("built") == ["5"]
    assert function.served.refusal("built") is None
    with pytest.raises(InputError) as raised:
        function.served.models.unload("built")
    assert raised.value.reference == "model-kept"


def test_what_cannot_be_built_is_not_ready(serve: Make) -> None:
    def give() -> Predictor:
        raise NotReadyError("step-missing", "a step is missing", hint="none")

    function = serve()
    assert function.served.models is not None
    function.served.models.add("built", "1", give)
    assert function.served.refusal("built") is not None
    assert {each["state"] for each in function.served.models.index() if each["name"] == "built"} == {
        "UNAVAILABLE"
    }


def test_a_function_of_one_model_has_one_version(make_function: Make, function_folder: Path) -> None:
    function = make_function()
    assert function.served.models is None
    assert function.served.versions() == function.served.versions("digits") == ["1"]
    assert function.served.refusal() is None
    assert function.served.refusal("digits", version="1") is None
    with pytest.raises(NotFoundError) as raised:
        function.served.versions("wine")
    assert (raised.value.reference, raised.value.expected) == ("model-unknown", "digits")
    with pytest.raises(NotFoundError) as raised:
        function.predictor_for(label="stable")
    assert (raised.value.reference, raised.value.expected) == ("label-unknown", "no label")
    (function_folder / "model" / "model.json").unlink()
    assert make_function().served.refusal() is not None


def test_an_artifact_alone_is_not_a_repository(function_folder: Path) -> None:
    environ = {"LITESHIP_MODELS": ModelsSetting("digits", "1").to_json()}
    function = Function(str(function_folder / "app.py"), environ=environ)
    with pytest.raises(NotReadyError) as raised:
        function.require_predictor()
    assert raised.value.reference == "artifact-missing"
