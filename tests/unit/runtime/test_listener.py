"""The port: open before anybody accepts, or a clear error."""

from __future__ import annotations

import errno
import socket

import pytest

from liteship.errors import ConfigurationError
from liteship.runtime.listener import listen


def test_who_connects_early_waits() -> None:
    with listen(0, "127.0.0.1") as listener:
        address = listener.getsockname()
        with socket.create_connection(address, 10) as early:
            early.sendall(b"hello")
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(5) == b"hello"


def test_what_is_written_in_parts_is_not_delayed() -> None:
    """Nagle's algorithm holds a second part back for 40 ms: until the first is acknowledged."""
    with listen(0, "127.0.0.1") as listener, socket.create_connection(listener.getsockname(), 10):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_is_free_again_as_soon_as_its_server_ended() -> None:
    with listen(0, "127.0.0.1") as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), 10):
            first.accept()[0].close()  # closed by the server: the kernel remembers the connection
    with listen(port, "127.0.0.1") as second:
        assert second.getsockname()[1] == port


def test_a_port_in_use() -> None:
    with listen(0, "127.0.0.1") as first, pytest.raises(ConfigurationError) as raised:
        listen(first.getsockname()[1], "127.0.0.1")
    assert raised.value.reference == "port-unavailable"
    assert raised.value.message.endswith("cannot be opened: address already in use")
    assert raised.value.hint


def test_an_address_of_another_machine() -> None:
    with pytest.raises(ConfigurationError, match=r"port 0 of 192\.0\.2\.1 cannot be opened: cannot"):
        listen(0, "192.0.2.1")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_pod_is_reached_by_either_version_of_ip(address: str) -> None:
    with listen(0) as listener:
        try:
            early = socket.create_connection((address, listener.getsockname()[1]), 10)
        except OSError as error:
            # A kernel without IPv6, or a container that has not even this address of it
            assert address == "::1"
            assert error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}  # noqa: PT017
        else:
            early.close()
