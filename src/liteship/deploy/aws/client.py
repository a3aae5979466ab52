"""AWS's API: the one place that makes boto3 clients; what they raise is told by `refusals`."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from liteship.deploy.aws.refusals import AwsError, refused, unanswered
from liteship.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Aws", "AwsError"]

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 60.0
ATTEMPTS = 4


class Aws:
    """AWS in one region, with the credentials that boto3 finds; a context manager.

    Args:
        region: As `--region`; by default what AWS_REGION, AWS_DEFAULT_REGION or the profile say.
        read_timeout_s: Longest wait for an answer.
        attempts: How often a request is tried where AWS is busy or the network fails.

    Raises:
        ConfigurationError: `extra-missing`.
        AwsError: `region-missing`, `aws-profile`.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        read_timeout_s: float = READ_TIMEOUT_S,
        attempts: int = ATTEMPTS,
    ) -> None:
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise ConfigurationError(
                "extra-missing",
                f"talking to AWS needs a package that is not installed: {error.name}",
                hint="pip install 'liteship[deploy]', or make install",
            ) from error
        self._config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": attempts},
        )
        self._clients: dict[str, Any] = {}
        with _explained("", "", region or ""):
            # AWS_REGION is what Lambda and AWS's other tools read; boto3 knows AWS_DEFAULT_REGION only
            self._session = boto3.Session(region_name=region or os.environ.get("AWS_REGION") or None)
            found = self._session.region_name
        if found is None:
            raise AwsError(
                "",
                "region-missing",
                "no AWS region is set",
                hint="give --region eu-central-1, or set AWS_REGION",
            )
        self.region: str = found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def client(self, service: str) -> Any:
        """The boto3 client of one service; prefer `call` and `pages`, which explain errors.

        Raises:
            AwsError: `aws-unreachable` where AWS_ENDPOINT_URL or the region make no address.
        """
        if service not in self._clients:
            with _explained(service, "", self.region):
                self._clients[service] = self._session.client(service, config=self._config)
        return self._clients[service]

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Asks AWS once.

        Args:
            service: As boto3 calls it: `lambda`.
            operation: As boto3 calls it: `get_alias`.
            parameters: The operation's own.

        Raises:
            AwsError: With a reference of this module's; `code` tells more.
        """
        client = self.client(service)
        with _explained(service, _api_name(client, operation), self.region):
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        return answer

    def read(self, service: str, operation: str, member: str, **parameters: Any) -> bytes:
        """Asks AWS once, and reads the stream in its answer to the end.

        Args:
            service: As `call`'s, like the rest.
            operation: As boto3 calls it: `get_object`.
            member: Of the answer, which holds the stream: `Body`.
            parameters: The operation's own.

        Raises:
            AwsError: As `call`.
        """
        client = self.client(service)
        with _explained(service, _api_name(client, operation), self.region):
            content: bytes = getattr(client, operation)(**parameters)[member].read()
        return content

    def pages(self, service: str, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Asks AWS until there are no further pages.

        Raises:
            AwsError: As `call`.
        """
        client = self.client(service)
        with _explained(service, _api_name(client, operation), self.region):
            yield from client.get_paginator(operation).paginate(**parameters)


def _api_name(client: Any, operation: str) -> str:
    return str(client.meta.method_to_api_mapping[operation])


@contextmanager
def _explained(service: str, operation: str, region: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise refused(error, service, region) from error
    except (BotoCoreError, ResponseParserError, KeyError) as error:  # KeyError: its parser's, at XML
        raise unanswered(error, f"{service}:{operation}", region) from error
    except ValueError as error:  # botocore's word for an address that is none
        if "endpoint" not in str(error).lower():
            raise
        raise AwsError(
            "",
            "aws-unreachable",
            f"AWS's address cannot be used: {error}",
            hint="correct --region, or AWS_ENDPOINT_URL where it is set",
        ) from error
