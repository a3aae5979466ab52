from __future__ import annotations

import json

import pytest

from liteship import errors
from liteship.runtime.http import (
    QUESTION,
    STATUS,
    Request,
    Response,
    Route,
    check_body_size,
    error_response,
)


@pytest.mark.parametrize(
    ("family", "status"),
    [
        (errors.InputError, 400),
        (errors.NotFoundError, 404),
        (errors.PayloadTooLargeError, 413),
        (errors.UnsupportedMediaError, 415),
        (errors.NotReadyError, 503),
        (errors.ArtifactError, 500),
        (errors.ConfigurationError, 500),
    ],
)
def test_a_family_has_its_status(family: type[errors.LiteshipError], status: int) -> None:
    response = error_response(family("some-reference", "m", hint="h"), "id-1")
    assert response.status == status
    assert json.loads(response.body)["reference"] == "some-reference"
    assert json.loads(response.body)["request_id"] == "id-1"


def test_a_callers_mistake_says_everything() -> None:
    error = errors.InputError("x", "m", hint="h", expected="e", received="r", problems=["p"])
    content = json.loads(error_response(error, "id-1").body)
    assert content == {**error.as_dict(), "request_id": "id-1"}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("secret"),
        errors.ArtifactError("x", "secret", hint="secret", expected="secret", problems=["secret"]),
    ],
)
def test_any_other_failure_is_opaque(error: Exception) -> None:
    response = error_response(error, "id-1")
    assert response.status == 500
    assert b"secret" not in response.body
    assert json.loads(response.body)["request_id"] == "id-1"


def test_the_table_has_only_families_of_the_hierarchy() -> None:
    assert all(issubclass(family, errors.LiteshipError) for family in STATUS)
    assert all(400 <= status < 600 for status in STATUS.values())


def test_a_body_is_utf8_json_with_its_length() -> None:
    response = Response(200, {"label": "Größe"}, {"x-one": "1"})
    assert response.body == '{"label": "Größe"}\n'.encode()
    assert response.headers == {
        "content-type": "application/json",
        "content-length": str(len(response.body)),
        "x-one": "1",
    }


def test_half_a_character_is_escaped() -> None:
    """JSON can carry a lone surrogate, UTF-8 cannot: a caller may send one as a key."""
    response = Response(400, {"received": "é\ud800"})
    assert json.loads(response.body) == {"received": "é\ud800"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_cannot_hold_is_never_sent(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Response(200, {"score": value})


def test_the_limit_itself_is_allowed() -> None:
    check_body_size(1000, 1000)
    with pytest.raises(errors.PayloadTooLargeError) as raised:
        check_body_size(1001, 1000)
    assert raised.value.reference == "body-too-large"
    assert (raised.value.expected, raised.value.received) == ("at most 1,000 bytes", "1,001 bytes")


def _answer(_function: object, _request: object) -> Response:
    return Response(200, {})


@pytest.mark.parametrize(
    ("template", "path", "named"),
    [
        ("/v2", "/v2", {}),
        ("/v2", "/v2/x", None),
        ("/m/{name}", "/m/digits", {"name": "digits"}),
        ("/m/{name}", "/m/", None),
        ("/m/{name}", "/m/../x", None),
        ("/m/{name}:predict", "/m/digits:predict", {"name": "digits"}),
        ("/m/{name}:predict", "/m/:predict", None),
        ("/m/{name}:predict", "/m/digits", None),
        ("/m/{name}/v/{version}", "/m/digits/v/2", {"name": "digits", "version": "2"}),
    ],
)
def test_a_route_names_the_parts_of_a_path(
    template: str, path: str, named: dict[str, str] | None
) -> None:
    route = Route("GET", template, _answer, QUESTION)
    assert route.match("GET", path.split("/")) == named
    assert route.match("POST", path.split("/")) is None


def test_the_last_value_of_a_parameter_counts() -> None:
    request = Request("GET", "/", {}, b"", "id-1", "top=1&a=%C3%BC&top=5&empty=")
    assert request.parameter("top") == "5"
    assert request.parameter("a") == "ü"
    assert request.parameter("empty") == ""
    assert request.parameter("none") is None


def test_a_query_of_too_many_parameters_is_refused() -> None:
    request = Request("GET", "/", {}, b"", "id-1", "&".join(["a=1"] * 1000))
    with pytest.raises(errors.InputError) as caught:
        request.parameter("a")
    assert caught.value.reference == "query-invalid"


def test_bytes_go_out_as_they_are() -> None:
    response = Response(200, b"\xff\x00", {"content-type": "application/octet-stream"})
    assert response.body == b"\xff\x00"
    assert response.headers == {"content-type": "application/octet-stream", "content-length": "2"}
