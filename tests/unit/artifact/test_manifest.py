from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from liteship.artifact import Manifest
from liteship.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Damage = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def text(artifact_folder: Path) -> str:
    return (artifact_folder / "model.json").read_text()


def problems_after(damage: Damage, text: str) -> tuple[str, ...]:
    content = json.loads(text)
    damage(content)
    with pytest.raises(ArtifactError) as raised:
        Manifest.from_json(json.dumps(content), "x/model.json")
    assert raised.value.reference == "manifest-invalid"
    assert "x/model.json" in raised.value.message
    return raised.value.problems


def test_the_committed_manifest_survives_a_round_trip_byte_for_byte(text: str) -> None:
    manifest = Manifest.from_json(text, "model.json")
    assert manifest.to_json() == text
    assert Manifest.from_json(text.encode(), "model.json").as_dict() == manifest.as_dict()


def test_items_of_a_run_are_written_where_they_are_several(text: str) -> None:
    manifest = Manifest.from_json(text, "model.json")
    assert manifest.batching == 1
    manifest.batching = 32
    assert json.loads(manifest.to_json())["batching"] == 32
    assert Manifest.from_json(manifest.to_json(), "model.json").batching == 32


@pytest.mark.parametrize("items", [0, -1, "auto", 1.5, True, None])
def test_a_run_of_no_items_is_refused(items: object, text: str) -> None:
    (problem,) = problems_after(lambda content: content.update(batching=items), text)
    assert "batching" in problem


def test_text_outside_ascii_stays_readable(text: str) -> None:
    content = json.loads(text)
    content["postprocessing"]["labels"][0] = "Größe 零"
    manifest = Manifest.from_json(json.dumps(content), "model.json")
    assert "Größe 零" in manifest.to_json()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\xff", b"nothing"])
def test_what_is_not_json_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError) as raised:
        Manifest.from_json(content, "model.json")
    assert raised.value.reference == "manifest-json"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_neither_read_nor_written(constant: str, text: str) -> None:
    with pytest.raises(ArtifactError) as raised:
        Manifest.from_json(text.replace('"top_k": 3', f'"top_k": {constant}'), "model.json")
    assert raised.value.reference == "manifest-json"
    assert constant in raised.value.message
    manifest = Manifest.from_json(text, "model.json")
    manifest.provenance["similarity"] = float(constant)
    with pytest.raises(ValueError, match="JSON"):
        manifest.to_json()


@pytest.mark.parametrize("schema", [0, 2, 99])
def test_an_unknown_schema_is_refused_before_its_fields_are_read(schema: int) -> None:
    with pytest.raises(ArtifactError) as raised:
        Manifest.from_json(json.dumps({"schema": schema, "new": 1}), "model.json")
    assert raised.value.reference == "manifest-schema"
    assert raised.value.received == f"schema {schema}"


@pytest.mark.parametrize("content", ["[]", "1", "null", '"text"'])
def test_json_that_is_no_object_is_refused(content: str) -> None:
    with pytest.raises(ArtifactError) as raised:
        Manifest.from_json(content, "model.json")
    assert raised.value.problems[0].startswith("model.json: expected an object")


def every_field(content: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths of every field of every object, `provenance` left out: the runtime ignores it."""
    found: list[tuple[str | int, ...]] = []
    if isinstance(content, dict):
        for key, value in content.items():
            if key != "provenance":
                found += [(*path, key), *every_field(value, (*path, key))]
    elif isinstance(content, list) and content and isinstance(content[0], dict):
        found += every_field(content[0], (*path, 0))
    return found


def owner(content: Any, path: tuple[str | int, ...]) -> Any:
    for step in path[:-1]:
        content = content[step]
    return content


def test_every_field_that_is_missing_or_of_another_type_is_named(text: str) -> None:
    content = json.loads(text)
    optional = {"scale", "zero_point"}  # of a tensor that is not quantized
    fields = every_field(content)
    assert len(fields) > 20
    for path in fields:
        name = str(path[-1])

        def remove(broken: Any, path: tuple[str | int, ...] = path) -> None:
            del owner(broken, path)[path[-1]]

        def replace(broken: Any, path: tuple[str | int, ...] = path) -> None:
            owner(broken, path)[path[-1]] = True

        if name not in optional:
            assert any(f"{name}: missing" in line for line in problems_after(remove, text)), path
        assert any(name in line for line in problems_after(replace, text)), path


def test_every_unknown_field_is_named(text: str) -> None:
    def add(content: dict[str, Any]) -> None:
        for each in (content, content["inputs"][0], content["preprocessing"], content["golden"]):
            each["stray"] = 1

    assert sorted(problems_after(add, text)) == [
        "model.json.golden.stray: unknown",
        "model.json.inputs[0].stray: unknown",
        "model.json.preprocessing.stray: unknown",
        "model.json.stray: unknown",
    ]


def set_in(*path: str | int, to: object) -> Damage:
    def damage(content: dict[str, Any]) -> None:
        owner(content, path)[path[-1]] = to

    return damage


CONTRADICTIONS: dict[str, tuple[Damage, str]] = {
    "no inputs": (set_in("inputs", to=[]), "at least one input"),
    "no outputs": (set_in("outputs", to=[]), "at least one input"),
    "open height": (set_in("inputs", 0, "shape", to=[-1, -1, 8, 1]), "only the first dimension"),
    "empty width": (set_in("inputs", 0, "shape", to=[-1, 8, 0, 1]), "only the first dimension"),
    "grey with three channels": (
        set_in("inputs", 0, "shape", to=[-1, 8, 8, 3]),
        "needs one input of shape [batch, height, width, 1]",
    ),
    "picture without channels": (set_in("inputs", 0, "shape", to=[-1, 8, 8]), "needs one input"),
    "picture of int64": (
        set_in("inputs", 0, to={"name": "image", "dtype": "int64", "shape": [-1, 8, 8, 1]}),
        "a picture becomes float32 or quantized integers",
    ),
    "int8 without a scale": (set_in("inputs", 0, "scale", to=0), "quantized integers"),
    "two means for one channel": (set_in("preprocessing", "mean", to=[0, 0]), "need 1 values each"),
    "division by zero": (set_in("preprocessing", "std", to=[0]), "0 divides nothing"),
    "nine labels": (
        set_in("postprocessing", "labels", to=list("012345678")),
        "9 labels for 10 outputs",
    ),
    "top 0": (set_in("postprocessing", "top_k", to=0), "top_k: expected at least 1"),
    "golden not hexadecimal": (set_in("golden", "outputs", to=["zz"]), "outputs[0]: not hexadecimal"),
    "golden too short": (set_in("golden", "outputs", to=["8080"]), "golden.outputs has [2] bytes"),
    "golden of two outputs": (set_in("golden", "outputs", to=["80" * 10] * 2), "golden.outputs has"),
    "golden above the folder": (set_in("golden", "file", to="../x"), "expected a file name"),
    "golden is the folder": (set_in("golden", "file", to="."), "expected a file name"),
    "unknown dtype": (set_in("inputs", 0, "dtype", to="float8"), "dtype: expected one of"),
    "unknown scheme": (set_in("scheme", to="int3"), "scheme: expected one of int8"),
    "negative scale": (set_in("outputs", 0, "scale", to=-1.0), "scale: expected 0 or more"),
    "zero point outside the dtype": (
        set_in("outputs", 0, "zero_point", to=300),
        "zero_point: expected a value of int8",
    ),
    "text in a shape": (set_in("inputs", 0, "shape", to=["8"]), "does not belong in this list"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_named(name: str, text: str) -> None:
    damage, expected = CONTRADICTIONS[name]
    problems = problems_after(damage, text)
    assert any(expected in problem for problem in problems), problems


def test_a_float_that_carries_a_scale_is_a_contradiction(text: str) -> None:
    tensor = {"name": "image", "dtype": "float32", "shape": [-1, 8, 8, 1], "scale": 0.5}
    problems = problems_after(set_in("inputs", 0, to=tensor), text)
    assert problems == ("model.json.inputs[0]: float32 cannot carry a scale",)


def test_all_problems_are_told_at_once(text: str) -> None:
    def damage(content: dict[str, Any]) -> None:
        content["name"] = 5
        content["scheme"] = "int3"
        content["golden"]["file"] = "/etc/passwd"

    assert len(problems_after(damage, text)) == 3


def test_a_tensor_model_has_only_its_kind(text: str) -> None:
    content = copy.deepcopy(json.loads(text))
    content["preprocessing"] = {"kind": "tensor"}
    manifest = Manifest.from_json(json.dumps(content), "model.json")
    assert manifest.as_dict()["preprocessing"] == {"kind": "tensor"}
    content["preprocessing"]["color"] = "L"
    with pytest.raises(ArtifactError) as raised:
        Manifest.from_json(json.dumps(content), "model.json")
    assert raised.value.problems == ("model.json.preprocessing.color: unknown",)
