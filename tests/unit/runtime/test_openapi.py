"""The OpenAPI document of a model: its tensors, its labels, examples, what it says of every route."""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.conftest import ROOT

from liteship import Function
from liteship.artifact.parts import Postprocessing
from liteship.artifact.tensors import TensorSpec
from liteship.quantization import GREATEST_REAL
from liteship.runtime import openapi
from liteship.runtime.http import QUESTION, WORK, Response, Route
from liteship.runtime.openapi import native, open_inference, parts, tf_serving
from liteship.runtime.predictor import Predictor
from liteship.runtime.protocols.tf_serving_tensors import decode
from liteship.runtime.routes import all_routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

NAMES = ("digits", "wine", "shapes")


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def predictor(name: str) -> Predictor:
    return load(name)


def load(name: str) -> Predictor:
    return Predictor.load(ROOT / "functions" / name / "model")


def answered(_function: Any, _request: Any) -> Response:
    """A route of a test."""
    return Response(200, {})


PROTOCOLS = [Route(method, path, answered, QUESTION) for method, path in openapi.OPERATIONS] + [
    Route("POST", "/v2/models/{name}/versions/{version}/infer", answered, WORK),
    Route("POST", "/v1/models/{name}/labels/{label}:predict", answered, WORK),
]
"""Every route that has a description, whether it is answered yet or not; some name versions, too."""


def describe(predictor: Predictor) -> dict[str, Any]:
    return openapi.describe({"openapi": "3.1.0"}, PROTOCOLS, predictor)


def body_of(document: dict[str, Any], path: str) -> dict[str, Any]:
    content: dict[str, Any] = document["paths"][path]["post"]["requestBody"]["content"]
    return content


def test_every_route_of_the_short_list_has_a_description() -> None:
    """A new route: its description belongs into `OPERATIONS` of its protocol's module in `openapi`."""
    keys = [openapi.described_as(route) for route in all_routes()]
    assert [key for key in keys if key not in openapi.OPERATIONS] == []


def test_no_route_is_in_the_document_that_is_not_there(make_function: Callable[..., Function]) -> None:
    document = make_function().app.openapi()
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    there = {(route.method, route.template) for route in all_routes()}
    assert described == {key for key in there if openapi.OPERATIONS.get(_versionless(key))}


def _versionless(key: tuple[str, str]) -> tuple[str, str]:
    return openapi.described_as(Route(*key, answered, QUESTION))


def test_the_document_is_valid(predictor: Predictor) -> None:
    document = describe(predictor)
    OpenAPIV31SpecValidator(document).validate()
    json.dumps(document, allow_nan=False)
    ids = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(ids)) == len(ids)


def test_every_schema_and_every_example_in_it_is_valid(predictor: Predictor) -> None:
    count = 0
    for methods in describe(predictor)["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                validator = Draft202012Validator(content["schema"])
                validator.check_schema(content["schema"])
                for example in content.get("examples", {}).values():
                    validator.validate(example["value"])
                    count += 1
            for status, response in operation["responses"].items():
                if status == "200":
                    for content in response["content"].values():
                        Draft202012Validator.check_schema(content["schema"])
    assert count >= 3


def test_it_is_called_like_the_model() -> None:
    info = describe(load("digits"))["info"]
    assert (info["title"], info["version"]) == ("digits", "1")
    assert "`int8`" in info["description"]
    assert "accuracy: 0.993333 on 450 samples" in info["description"]


def test_without_a_measured_accuracy_there_is_none_in_it() -> None:
    predictor = load("digits")
    predictor.manifest.provenance = {"accuracy": None}
    assert "accuracy" not in describe(predictor)["info"]["description"]


def test_content_types_are_those_of_the_model() -> None:
    pictures, rows = (body_of(describe(load(name)), "/predict") for name in ("digits", "wine"))
    assert {"image/png", "image/jpeg", "application/json"} <= pictures.keys()
    assert "text/csv" not in pictures
    assert "text/csv" in rows
    assert not any(media_type.startswith("image/") for media_type in rows)
    assert pictures["application/octet-stream"]["schema"]["minLength"] == 64
    assert rows["application/octet-stream"]["schema"]["minLength"] == 13 * 4


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [[0.0] * 13]},
        {"inputs": [0.0] * 13},
        {"inputs": {"measurements": [0] * 13}},
        {"inputs": [[0.0] * 13, [1.0] * 13]},
    ],
)
def test_inputs_have_the_models_shape(body: object) -> None:
    schema = body_of(describe(load("wine")), "/predict")["application/json"]["schema"]
    Draft202012Validator(schema).validate(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": []},
        {"inputs": [0.0] * 12},
        {"inputs": ["0"] * 13},
        {"inputs": [1e39] * 13},
        {"inputs": {"other": [0.0] * 13}},
        {"image": {"b64": "AAAA"}},
    ],
)
def test_nothing_else_is_an_input(body: object) -> None:
    schema = body_of(describe(load("wine")), "/predict")["application/json"]["schema"]
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(body)


def test_labels_are_an_enumeration_and_scores_have_the_range_that_quantization_gives() -> None:
    predictor = load("wine")
    answer = describe(predictor)["paths"]["/predict"]["post"]["responses"]["200"]
    one, several = answer["content"]["application/json"]["schema"]["anyOf"]
    predictions = one["properties"]["predictions"]
    assert predictions["maxItems"] == 3
    item = predictions["items"]["properties"]
    assert item["label"]["enum"] == ["Barbera", "Barolo", "Grignolino"]
    assert (item["score"]["minimum"], item["score"]["maximum"]) == (0, 255 / 256)
    assert "results" in several["required"]
    assert "server-timing" in answer["headers"]


def test_an_activation_gives_scores_up_to_one() -> None:
    predictor = load("wine")
    labels = predictor.manifest.postprocessing.labels
    predictor.manifest.postprocessing = Postprocessing("softmax", labels)
    answer = describe(predictor)["paths"]["/predict"]["post"]["responses"]["200"]
    one, _ = answer["content"]["application/json"]["schema"]["anyOf"]
    score = one["properties"]["predictions"]["items"]["properties"]["score"]
    assert (score["minimum"], score["maximum"]) == (0, 1)


def test_a_model_without_labels_answers_its_outputs() -> None:
    predictor = load("wine")
    predictor.manifest.postprocessing = Postprocessing()
    answer = describe(predictor)["paths"]["/predict"]["post"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    outputs = [{"name": "output", "shape": [1, 3], "data": [0.25, 0.5, 0.25]}]
    answer = {"outputs": outputs, "model": "wine", "version": "1"}
    Draft202012Validator(schema).validate(answer)
    outputs[0]["data"] = [0.5, 0.5]
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(answer)


def test_hooks_take_and_give_what_they_want() -> None:
    artifact = load("wine").artifact
    predictor = Predictor(
        artifact, preprocess=lambda _body, _type: {}, postprocess=lambda _outputs: {"wine": "red"}
    )
    operation = describe(predictor)["paths"]["/predict"]["post"]
    assert operation["requestBody"]["content"] == {"*/*": {}}
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator(schema).validate({"wine": "red", "model": "wine", "version": "1"})


@pytest.mark.parametrize(
    ("spec", "least", "greatest"),
    [
        (TensorSpec("x", "uint8", (1,)), 0, 255),
        (TensorSpec("x", "int16", (1,)), -32768, 32767),
        (TensorSpec("x", "int64", (1,)), -(2**63), 2**63 - 1),
        (TensorSpec("x", "float32", (1,)), -GREATEST_REAL, GREATEST_REAL),
        (TensorSpec("x", "int8", (1,), 0.5, 3), -GREATEST_REAL, GREATEST_REAL),
    ],
)
def test_numbers_have_the_range_of_their_dtype(spec: TensorSpec, least: float, greatest: float) -> None:
    schema = parts.input_element(spec)
    assert schema["type"] == ("number" if spec.is_quantized or "float" in spec.dtype else "integer")
    assert (schema["minimum"], schema["maximum"]) == (least, greatest)


def test_other_numbers_have_no_range() -> None:
    assert parts.input_element(TensorSpec("x", "float64", (1,))) == {"type": "number"}
    assert parts.input_element(TensorSpec("x", "bool", (1,)))["enum"] == [False, True, 0, 1]
    assert parts.output_element(TensorSpec("x", "float32", (1,))) == {"type": "number"}


def test_long_tensors_are_no_example() -> None:
    predictor = load("shapes")
    for path in ("/predict", "/v1/models/{name}:predict", "/v2/models/{name}/infer"):
        content = body_of(describe(predictor), path)["application/json"]
        assert content["examples"].keys() == {"picture"}
    assert len(json.dumps(describe(predictor))) < 60_000


@pytest.mark.parametrize("path", ["/predict", "/v1/models/{name}:predict", "/v2/models/{name}/infer"])
def test_where_code_of_ones_own_reads_bodies_there_is_no_example(path: str) -> None:
    predictor = Predictor(load("wine").artifact, preprocess=lambda _body, _type: {})
    for content in body_of(describe(predictor), path).values():
        assert not content.get("examples")


@pytest.mark.parametrize(
    ("inputs", "outputs", "instances"),
    [
        ([[2, 1]], [[3]], [[1.0], [2.0]]),
        ([[2], [2, 1]], [[3]], [{"0": 1.0, "1": [1.0]}, {"0": 2.0, "1": [2.0]}]),
        ([[2], [3]], [[3]], None),
        ([[2]], [[3], [4]], None),
        ([[]], [[3]], None),
        ([[2]], [[]], None),
    ],
)
def test_row_form_is_an_example_where_it_can_say_it(
    inputs: list[list[int]], outputs: list[list[int]], instances: object
) -> None:
    predictor = load("wine")
    specs = tuple(TensorSpec(str(index), "float32", each) for index, each in enumerate(inputs))
    predictor.manifest.inputs = specs
    predictor.manifest.outputs = tuple(TensorSpec("y", "float32", each) for each in outputs)
    golden = [array("f", range(1, spec.elements + 1)).tobytes() for spec in specs]
    predictor.artifact.golden_inputs[:] = golden
    examples = tf_serving._examples(predictor)
    assert examples.get("tensor", {"value": {"instances": None}})["value"]["instances"] == instances
    content = {"inputs": examples["columns"]["value"]["inputs"]}
    (item,) = decode(content, predictor.manifest, 1, 1)
    assert list(item.values()) == golden
    if instances is not None:
        (item,) = decode({"instances": instances}, predictor.manifest, 1, 1)
        assert list(item.values()) == golden


def test_paths_name_what_is_served() -> None:
    operation = describe(load("wine"))["paths"]["/v2/models/{name}/versions/{version}/infer"]["post"]
    by_name = {parameter["name"]: parameter for parameter in operation["parameters"]}
    assert by_name["name"]["example"] == "wine"
    assert by_name["version"]["example"] == "1"
    assert operation["operationId"] == "post_v2_models_name_versions_version_infer"


def test_what_is_always_refused_is_left_out() -> None:
    assert "/v1/models/{name}:classify" not in describe(load("wine"))["paths"]


def test_every_operation_has_its_protocols_name(predictor: Predictor) -> None:
    for protocol in (native, open_inference, tf_serving):
        for operation in filter(None, protocol.OPERATIONS.values()):
            assert operation(predictor)["tags"] == [protocol._TAG]


def test_the_users_own_routes_stay(function_folder: Any) -> None:
    def extend(app: FastAPI) -> None:
        @app.get("/echo/{word}")
        def echo(word: int) -> dict[str, int]:
            return {"word": word}

    document = Function(str(function_folder / "app.py"), extend=extend, environ={}).app.openapi()
    assert document["info"]["title"] == "digits"
    assert "/predict" in document["paths"]
    assert "422" in document["paths"]["/echo/{word}"]["get"]["responses"]
    assert {"Error", "HTTPValidationError"} <= document["components"]["schemas"].keys()
    OpenAPIV31SpecValidator(document).validate()


def test_while_no_model_is_ready_there_is_a_document(
    make_function: Callable[..., Function], function_folder: Any
) -> None:
    (function_folder / "model" / "model.tflite").unlink()
    document = make_function().app.openapi()
    assert document["info"]["title"] == "liteship"
    assert document["paths"]["/predict"]["post"]["summary"]
