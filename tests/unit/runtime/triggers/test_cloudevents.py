from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from liteship.errors import InputError
from liteship.runtime.triggers.cloudevents import is_event, read_event

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/some", "type": "some.type"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=UTF-8"}


def binary(**attributes: str) -> dict[str, str]:
    return {f"ce-{name}": value for name, value in (ATTRIBUTES | attributes).items()}


def structured(**content: object) -> bytes:
    return json.dumps(ATTRIBUTES | content).encode()


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("a/b.png", "a/b.png"),
        # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
        ("%e2%82%ac", "€"),
        ("%61%2Fb", "a/b"),
        ("100%2520", "100%20"),
        ("100%", "100%"),
        ("a+b", "a+b"),
        ('"a b"', "a b"),
        (r'"a \"b\" \\"', 'a "b" \\'),
        ("é".encode().decode("latin-1"), "é"),
        ("é", "é"),
    ],
)
def test_a_header_is_decoded_once(header: str, meant: str) -> None:
    assert read_event(binary(subject=header), b"").subject == meant


@pytest.mark.parametrize("header", ["%C0%A0", "%FF", "a%E2%82"])
def test_a_header_that_is_not_utf_8_is_refused(header: str) -> None:
    with pytest.raises(InputError, match="ce-subject is not UTF-8") as caught:
        read_event(binary(subject=header), b"")
    assert caught.value.reference == "event-invalid"


def test_both_modes_say_the_same() -> None:
    data = b"\x89PNG \xff"
    one = read_event(binary(subject="a") | {"content-type": "image/png"}, data)
    two = read_event(STRUCTURED, structured(subject="a", data_base64=base64.b64encode(data).decode()))
    for event in (one, two):
        said = event.id, event.source, event.type, event.subject, event.data
        assert said == ("1", "/some", "some.type", "a", data)


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ({}, b""),
        ({"data": None}, b""),
        ({"data": None, "data_base64": "eA=="}, b"x"),
        ({"data": "text é"}, "text é".encode()),
        ({"data": {"a": ["é", 1]}}, '{"a": ["é", 1]}'.encode()),
        ({"data": 0}, b"0"),
        ({"data_base64": ""}, b""),
    ],
)
def test_data_in_structured_mode(content: dict[str, Any], data: bytes) -> None:
    assert read_event(STRUCTURED, structured(**content)).data == data


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        (b"", "json-invalid"),
        (b"{", "json-invalid"),
        (b"[]", "event-invalid"),
        (b"null", "event-invalid"),
        (structured(specversion="0.3"), "event-version"),
        (structured(specversion=1.0), "event-version"),
        (structured(specversion=None), "event-version"),
        (structured(id=""), "event-invalid"),
        (structured(source=7), "event-invalid"),
        (structured(type=None), "event-invalid"),
        (structured(subject=["a"]), "event-invalid"),
        (structured(data_base64="!"), "event-invalid"),
        (structured(data_base64={}), "event-invalid"),
        (structured(data=1, data_base64="eA=="), "event-invalid"),
        (structured(data=float("nan")), "json-not-finite"),
    ],
)
def test_a_broken_event_is_refused(body: bytes, reference: str) -> None:
    with pytest.raises(InputError) as caught:
        read_event(STRUCTURED, body)
    assert caught.value.reference == reference


@pytest.mark.parametrize("missing", ["id", "source", "type"])
def test_what_is_missing_is_named(missing: str) -> None:
    headers = binary()
    del headers[f"ce-{missing}"]
    with pytest.raises(InputError, match=f"it has no {missing}"):
        read_event(headers, b"")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents-batch+json",
        "application/cloudevents+avro",
        "application/cloudevents",
        "Application/CloudEvents-Batch+JSON; charset=utf-8",
    ],
)
def test_batches_and_other_formats_are_refused(content_type: str) -> None:
    with pytest.raises(InputError) as caught:
        read_event(binary() | {"content-type": content_type}, b"[]")
    assert caught.value.reference == "event-mode"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"ce-id", b"1")], True),
        ([(b"content-type", b"application/CloudEvents-batch+json")], True),
        ([(b"content-type", b"application/json"), (b"cell", b"1")], False),
        ([], False),
    ],
)
def test_what_means_to_be_an_event(headers: list[tuple[bytes, bytes]], expected: bool) -> None:
    assert is_event(headers) is expected


@pytest.mark.parametrize("data", ["1e999", '{"a": [1e999]}', "[" * 100_000, "[" * 980 + "]" * 980])
def test_data_that_python_cannot_hold_is_refused_or_kept(data: str) -> None:
    """Never another error: that would be the function's fault, and the event would come again."""
    body = json.dumps(ATTRIBUTES)[:-1] + f', "data": {data}}}'
    try:
        event = read_event(STRUCTURED, body.encode())
    except InputError as error:
        known = {"event-invalid", "json-invalid", "json-not-finite"}
        assert error.reference in known  # noqa: PT017  # any of them will do
    else:
        assert json.loads(event.data) == json.loads(data)


def test_a_version_of_any_form_is_refused() -> None:
    for version in ("null", "1.0", "{}", "[" * 900 + "]" * 900):
        with pytest.raises(InputError, match="does not know"):
            read_event(STRUCTURED, f'{{"specversion": {version}}}'.encode())


def test_of_an_id_the_log_gets_the_beginning() -> None:
    assert len(read_event(binary(id="x" * 10_000), b"").id) == 256
