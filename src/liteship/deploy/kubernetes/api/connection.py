"""Requests to the API server: each with a timeout, repeated where that is harmless."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from liteship.deploy.kubernetes.api.kubeconfig import Access, find_access
from liteship.deploy.kubernetes.api.refusals import ClusterError, no_object, refused
from liteship.deploy.kubernetes.api.unreachable import unanswered

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from liteship.deploy.kubernetes.api.actions import Action

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 65.0
"""The API server itself gives up after 60 s."""

ATTEMPTS = 4
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 10.0
"""Also where the server wants a longer one (Retry-After)."""

LONGEST_ANSWER_BYTES = 64 << 20
"""No object is larger than 3 MiB
(https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-size-limits), a page has 500."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request.

    Args:
        action: What is asked for, for errors.
        path: Absolute and quoted.
        method: HTTP's.
        query: Parameters.
        body: As it is sent.
        content_type: The body's.
        timeout_s: Longest wait for the next byte of the answer.
    """

    action: Action
    path: str
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = ""
    timeout_s: float = READ_TIMEOUT_S


class Connection:
    """One context of kubeconfig, and the connections that are kept open to its server.

    Args:
        context: As `find_access`.

    Raises:
        ConfigurationError: As `find_access`.
        ClusterError: As `find_access`.
    """

    def __init__(self, context: str | None = None) -> None:
        self._wanted = context
        self._open()

    def _open(self) -> None:
        from kubernetes.client import ApiClient

        self.access: Access = find_access(self._wanted)
        try:
            # Its own methods differ between its versions; all they do is done by urllib3's pool
            self._pool: Any = ApiClient(self.access.configuration).rest_client.pool_manager
        except (
            ImportError,
            ValueError,
        ) as error:  # a proxy without an address, or SOCKS without PySocks
            raise ClusterError(
                0,
                "",
                "kubeconfig-invalid",
                f"the proxy {self.access.configuration.proxy} cannot be used: {error}",
                hint="correct proxy-url in kubeconfig, or HTTPS_PROXY",
            ) from error
        if self.access.tls:
            self._pool.connection_pool_kw["ssl_context"] = self.access.tls

    def close(self) -> None:
        """Ends the connections."""
        self._pool.clear()

    def ask(self, request: Request, *, attempts: int = ATTEMPTS) -> dict[str, Any]:
        """The object that the API server answers.

        Args:
            request: GET, DELETE, or a PATCH that may be sent twice.
            attempts: How often it is sent where the API server is busy or the connection drops.

        Raises:
            ClusterError: As `answer`, and `cluster-refused` where the answer is no JSON object.
        """
        pause_s = FIRST_PAUSE_S
        for _ in range(attempts - 1):
            try:
                return self._ask_once(request)
            except ClusterError as error:
                if error.again_after_s is None:
                    raise
                time.sleep(min(max(pause_s, error.again_after_s), LONGEST_PAUSE_S))
                pause_s *= 2
        return self._ask_once(request)

    def _ask_once(self, request: Request) -> dict[str, Any]:
        with self.answer(request) as response:
            body = read(response, LONGEST_ANSWER_BYTES)
            try:
                found = json.loads(body)
            except (ValueError, RecursionError):
                found = None
            if not isinstance(found, dict):
                raise no_object(response.status, body, request.action)
            return found

    @contextmanager
    def answer(self, request: Request, *, refuse: bool = True) -> Iterator[Any]:
        """An answer that is still to be read, as urllib3's response.

        Args:
            request: Sent once; and once more with new credentials where they are not accepted (a
                plugin's tokens last some minutes).
            refuse: Whether a status from 300 on raises; otherwise it is an answer like every other.

        Raises:
            ClusterError: As `refused` and `unanswered`, for what goes wrong while it is read too.
        """
        with self._explained(request):
            response = self._send(request)
            try:
                if response.status == 401:
                    response.close()
                    self.close()
                    self._open()
                    response = self._send(request)
                if response.status >= 300 and refuse:
                    raise _refused(response, request)
                yield response
            finally:
                response.close()

    def _send(self, request: Request) -> Any:
        from urllib3 import Timeout

        headers = {"Accept": "application/json", "User-Agent": "liteship"}
        if request.content_type:
            headers["Content-Type"] = request.content_type
        if self.access.authorization:
            headers["Authorization"] = self.access.authorization
        query = f"?{urlencode(request.query)}" if request.query else ""
        return self._pool.request(
            request.method,
            f"{self.access.server}{request.path}{query}",
            body=request.body or None,
            headers=headers,
            timeout=Timeout(connect=CONNECT_TIMEOUT_S, read=request.timeout_s),
            retries=False,
            redirect=False,
            preload_content=False,
        )

    @contextmanager
    def _explained(self, request: Request) -> Iterator[None]:
        from urllib3.exceptions import HTTPError

        try:
            yield
        except (HTTPError, OSError) as error:
            raise unanswered(error, request.action, self.access.server) from error


def read(response: Any, limit_bytes: int) -> bytes:
    """A whole answer, or its beginning where it is longer than `limit_bytes`."""
    body = bytearray()
    for piece in response.stream(1 << 16):
        body += piece
        if len(body) >= limit_bytes:
            break
    return bytes(body[:limit_bytes])


def _refused(response: Any, request: Request) -> ClusterError:
    error = refused(response.status, read(response, 1 << 20), request.action)
    # 500 is left out: what it was is not known, and it is mostly the same the next time
    if response.status in {429, 502, 503, 504}:
        wanted = response.headers.get("Retry-After", "")
        error.again_after_s = float(wanted) if wanted.isdecimal() else 0.0
    return error
