"""A real S3 API over HTTP, a bucket in it, and a function that answers its uploads."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import boto3
import pytest
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liteship import Function


@pytest.fixture(scope="module", autouse=True)
def s3_server() -> Iterator[str]:
    """The address of moto's server, which boto3 finds in the environment as a function's would."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_CONFIG_FILE", "/dev/null")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        yield f"http://{host}:{port}"
    server.stop()


class Bucket:
    """A bucket, and what was put into it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.client = boto3.client("s3")
        self.client.create_bucket(Bucket=name)

    def put(self, key: str, body: bytes) -> dict[str, Any]:
        """Uploads, and gives the record that S3 would send."""
        answer = self.client.put_object(Bucket=self.name, Key=key, Body=body)
        return self.record(key, len(body), answer["ETag"].strip('"'), answer.get("VersionId"))

    def record(
        self, key: str, size: int = 1, etag: str = "0" * 32, version: str | None = None
    ) -> dict[str, Any]:
        found: dict[str, Any] = {"key": quote_plus(key, safe="/"), "size": size, "eTag": etag}
        if version is not None:
            found["versionId"] = version
        return {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.name}, "object": found | {"sequencer": "0055AED6DCD9"}},
        }

    def get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [each["Key"] for each in listed]

    def contents(self) -> dict[str, bytes]:
        return {key: self.get(key) for key in self.keys()}

    def results(self) -> dict[str, dict[str, Any]]:
        return {key: json.loads(self.get(key)) for key in self.keys() if key.startswith("results/")}


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    bucket = Bucket(f"uploads-{zlib.crc32(request.node.name.encode()):08x}")
    yield bucket
    bucket.client.close()


@pytest.fixture
def function(make_function: Callable[..., Function]) -> Iterator[Function]:
    function = make_function()
    yield function
    function.s3.close()
