"""The listening socket, opened before the model is loaded."""

from __future__ import annotations

import socket

from liteship.errors import ConfigurationError

BACKLOG = 2048
"""Connections that may wait to be accepted, as far as the kernel's net.core.somaxconn lets them."""


def listen(port: int, host: str = "") -> socket.socket:
    """Opens the port; whoever connects from now on waits until the server accepts.

    Knative's queue-proxy asks a starting container, gives each question 100 ms, and leaves 50 ms
    between two (https://github.com/knative/serving/blob/main/pkg/queue/readiness/probe.go). One
    that waits here is answered the moment the model is ready; refused, it would come again later.

    Args:
        port: 1-65535, or 0 for any that is free.
        host: Address to listen on; every one by default, of IPv6 too where there is any: a Pod of a
            cluster without IPv4 has no other.

    Raises:
        ConfigurationError: `port-unavailable`.
    """
    is_dual = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if is_dual else socket.AF_INET
    try:
        listener = socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_dual
        )
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0].lower()  # Python adds the address
        raise ConfigurationError(
            "port-unavailable",
            f"port {port} of {host or 'every address'} cannot be opened: {reason}",
            hint="choose another port, or end the process that listens there",
        ) from error
    # Accepted connections have it, too. asyncio asks for it only where a socket names its protocol,
    # which this one does not; without it, a second write waits 40 ms for the first one's
    # acknowledgement (https://www.rfc-editor.org/rfc/rfc1122#page-98)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
