"""Callers who speak HTTP badly, slowly or by halves: answered or dropped, and all others are served."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import time
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., Any]

PATIENCE_S = 30
TCPI_DATA_SEGS_IN = 152
"""Where it is in `struct tcp_info` (https://github.com/torvalds/linux/blob/master/include/uapi/linux/tcp.h)."""
GOOD = b"GET /health/live HTTP/1.1\r\nhost: h\r\n\r\n"
WINE = Path(__file__).parents[2] / "functions" / "wine"
QUICK = (
    b"POST /predict HTTP/1.1\r\nhost: h\r\ncontent-type: application/octet-stream\r\n"
    b"content-length: 52\r\n\r\n" + bytes(52)
)
LAST = b"GET /health/live HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"


def post(*headers: str, body: bytes = b"", path: str = "/predict") -> bytes:
    """A request with exactly these headers."""
    lines = [f"POST {path} HTTP/1.1", "host: h", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def get(target: str, version: str = "1.1", method: str = "GET") -> bytes:
    return f"{method} {target} HTTP/{version}\r\nhost: h\r\n\r\n".encode("latin-1")


def port_of(server: Any) -> int:
    return int(server.url.rpartition(":")[2])


def connect(server: Any) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(server)), PATIENCE_S)


def read_to_the_end(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset is an end, too."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def statuses_of(answers: bytes) -> list[int]:
    """Of every answer in what was read."""
    return [int(each[:3]) for each in answers.split(b"HTTP/1.1 ")[1:]]


def talk(server: Any, sent: bytes) -> bytes:
    """Sends everything, no more to follow, and reads everything."""
    with connect(server) as connection:
        with contextlib.suppress(OSError):  # it may have closed already
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        return read_to_the_end(connection)


@pytest.fixture(scope="module")
def running(start_server: Start) -> Any:
    return start_server(LITESHIP_WORKERS="2")


@pytest.fixture
def server(running: Any, digit_png: bytes) -> Iterator[Any]:
    """The running server, which must be as well after a test as before."""
    yield running
    assert_well(running, digit_png)


def assert_well(server: Any, digit_png: bytes) -> None:
    assert server.process.poll() is None
    client = HTTPConnection("127.0.0.1", port_of(server), timeout=PATIENCE_S)
    with contextlib.closing(client):
        client.request("GET", "/health/ready")
        assert client.getresponse().read().startswith(b'{"ready": true')
        client.request("POST", "/predict", digit_png, {"content-type": "image/png"})
        assert json.load(client.getresponse())["predictions"][0]["label"] == "7"
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "Exception" not in log


UPGRADE = b"h\r\nconnection: upgrade\r\nupgrade: h2c\r\n"

BAD_FRAMES = {
    "length that is negative": (post("content-length: -1"), [400]),
    "length that is no number": (post("content-length: ten"), [400]),
    "length with a sign": (post("content-length: +5", body=b"12345"), [400]),
    "length with an underscore": (post("content-length: 1_0", body=b"1234567890"), [400]),
    "length that is empty": (post("content-length: "), [400]),
    "length of two values": (post("content-length: 3", "content-length: 4", body=b"1234"), [400]),
    "length of two values in one": (post("content-length: 3, 4", body=b"1234"), [400]),
    "length beyond all bodies": (post(f"content-length: {10**18}", body=b"1"), [413]),
    "length of 31 digits": (post(f"content-length: {10**30}", body=b"1"), [400]),
    "length of 5,000 digits": (post("content-length: " + "9" * 5000, body=b"1"), [400]),
    "length that is too short": (post("content-length: 3", body=b"\x89PNG\r\n\r\n"), [415, 400]),
    "length and chunks": (
        post("content-length: 5", "transfer-encoding: chunked", body=b"0\r\n\r\n"),
        [400],
    ),
    "chunks twice": (post("transfer-encoding: chunked", "transfer-encoding: chunked"), [400]),
    "another transfer encoding": (post("transfer-encoding: gzip"), [400]),
    "chunk without a number": (
        post("transfer-encoding: chunked", body=b"zz\r\nab\r\n0\r\n\r\n"),
        [400],
    ),
    "chunk of a negative size": (post("transfer-encoding: chunked", body=b"-1\r\nab\r\n"), [400]),
    "chunk of endless digits": (post("transfer-encoding: chunked", body=b"f" * 100_000), [400]),
    "chunk that is too long": (
        post("transfer-encoding: chunked", body=b"1\r\nabc\r\n0\r\n\r\n"),
        [400],
    ),
    "endless trailers": (
        post("transfer-encoding: chunked", body=b"0\r\n" + b"a: b\r\n" * 50_000),
        [400],
    ),
    "long header line": (post("x: " + "y" * 200_000), [400]),
    "long header name": (post("x" * 200_000 + ": y"), [400]),
    "long request line": (get("/" + "x" * 200_000), [400]),
    "long query": (get("/health/live?" + "x" * 200_000), [400]),
    "many headers": (post(*[f"x-{number}: y" for number in range(20_000)]), [400]),
    "header without a colon": (post("no colon here"), [400]),
    "header with a space in its name": (post("a b: c"), [400]),
    "header with a zero byte": (post("a: b\0c"), [400]),
    "folded header": (
        b"GET /health/live HTTP/1.1\r\nhost: h\r\na: b\r\n c\r\nconnection: close\r\n\r\n",
        [400],  # https://www.rfc-editor.org/rfc/rfc9112#section-5.2
    ),
    "no host": (b"GET /health/live HTTP/1.1\r\n\r\n", [400]),
    "two hosts": (b"GET /health/live HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", [400]),
    "HTTP/0.9": (b"GET /health/live\r\n\r\n", [400]),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [400]),
    "HTTP/9.9": (get("/health/live", "9.9"), [400]),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2, [400]),
    "garbage": (bytes(range(256)) * 400, [400]),
    "zeros": (bytes(100_000), [400]),
    "line breaks alone": (b"\r\n" * 1000, None),
    "nothing": (b"", []),
    "a long head after a short one": (GOOD + post("x: " + "y" * 100_000), [200, 400]),
    "upgrades one after another": (GOOD.replace(b"h\r\n", UPGRADE) * 200 + LAST, [200] * 201),
    "a bad one among good ones": (GOOD * 3 + b"garbage\r\n\r\n" + GOOD, [200, 200, 200, 400]),
    "trailers after a body": (
        post(
            "transfer-encoding: chunked",
            "connection: close",
            body=b"1\r\n\0\r\n0\r\ncontent-type: application/octet-stream\r\n\r\n",
        ),
        [415],  # it has no content type
    ),
    "half a head": (b"POST /predict HTTP/1.1\r\nhost: h\r\ncontent-le", None),
    "half a body": (post("content-length: 100", body=b"half"), None),
    "half a chunk": (post("transfer-encoding: chunked", body=b"a\r\nhal"), None),
    "an upgrade": (
        LAST.replace(
            b": close", b": upgrade, close\r\nupgrade: websocket\r\nsec-websocket-version: 13"
        ),
        [200],
    ),
}
"""What is sent, and the statuses of its answers: None where there may be none or a refusal."""


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frames(name: str, server: Any) -> None:
    sent, statuses = BAD_FRAMES[name]
    answers = talk(server, sent)
    assert answers.count(b'"reference"') == answers.count(b"HTTP/1.1 4")
    found = statuses_of(answers)
    assert found in ([], [400]) if statuses is None else found == statuses


TARGETS = {
    "/v2/models/../../etc/passwd": 404,
    "/v2/models/%2e%2e/%2e%2e/etc/passwd": 404,
    "/v2/models/%252e%252e%252fetc%252fpasswd": 404,
    "/v2/models/..%2f..%2f..%2fetc%2fpasswd/infer": 404,
    "/v2/models/digits%00": 404,
    "/v2/models/digits/versions/..": 404,
    "/v2/models/digits/versions/%2e%2e%2f1": 404,
    "/v2/models/digits/versions/..\\..\\1": 404,
    "/v2/models/..%5c..%5cwindows": 404,
    "/v1/models/..:predict": 404,
    "/v1/models/%2e%2e%2fdigits": 404,
    "/v1/models/digits/labels/..%2f": 307,  # to the same without the slash at its end, which is a 404
    "/../../../../etc/passwd": 404,
    "/..%c0%af..%c0%afetc/passwd": 404,
    "//etc/passwd": 404,
    "/%": 404,
    "/%zz%f": 404,
    "/%ff%fe": 404,
    "/docs/../../../etc/passwd": 404,
    "/static/..%2f..%2fetc/passwd": 404,
    "*": 404,
    "http://other.example/health/live": 200,  # https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    "other.example:443": 400,
    "": 400,
}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_lead_nowhere_else(method: str, server: Any) -> None:
    for target, status in TARGETS.items():
        with connect(server) as connection:
            connection.sendall(get(target, method=method))
            response = HTTPResponse(connection, method=method)
            response.begin()
            content = response.read()
        assert response.status in {status, 405}, target
        assert b"root:" not in content
        if status == 404:
            refusal = json.loads(content)
            assert refusal["reference"]
            assert refusal["hint"]
            assert refusal["request_id"] == response.headers["x-request-id"]


def test_expectations_are_met_and_unknown_methods_are_refused(server: Any, digit_png: bytes) -> None:
    with connect(server) as connection:
        size = f"content-length: {len(digit_png)}"
        connection.sendall(post("content-type: image/png", size, "expect: 100-continue"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(digit_png)
        response = HTTPResponse(connection)
        response.begin()
        assert json.loads(response.read())["predictions"][0]["label"] == "7"
    with connect(server) as connection:  # refused before the body is asked for
        connection.sendall(post(f"content-length: {10**9}", "expect: 100-continue"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    known = [(method, (404, 405)) for method in ("HEAD", "OPTIONS", "TRACE", "CONNECT")]
    for method, statuses in [*known, ("get", (400,)), ("X" * 1000, (400,))]:
        for path in ("/predict", "/nowhere"):
            with connect(server) as connection:
                connection.sendall(get(path, method=method))
                response = HTTPResponse(connection, method=method)
                response.begin()
                assert response.status in statuses, method


@pytest.fixture(scope="module")
def quick(start_server: Start) -> Any:
    """A server whose model answers in microseconds, as it knows by now: it answers what it reads."""
    server = start_server(WINE)
    assert statuses_of(talk(server, QUICK * 2)) == [200, 200]
    return server


def test_what_is_answered_at_once_keeps_its_turn(quick: Any) -> None:
    last = QUICK.replace(b"host: h", b"host: h\r\nconnection: close")
    with connect(quick) as connection:
        connection.sendall(
            QUICK * 3 + GOOD + QUICK + b"GET /nowhere HTTP/1.1\r\nhost: h\r\n\r\n" + last
        )
        assert statuses_of(read_to_the_end(connection)) == [200] * 5 + [404, 200]
    for half in (1, 30, len(QUICK) - 52, len(QUICK) - 1):
        with connect(quick) as connection:
            connection.sendall(QUICK + QUICK[:half])
            assert statuses_of(connection.recv(65536)) == [200]
            connection.sendall(QUICK[half:])
            connection.shutdown(socket.SHUT_WR)
            assert statuses_of(read_to_the_end(connection)) == [200]
    assert statuses_of(talk(quick, QUICK + b"garbage\r\n\r\n")) == [200, 400]


def test_what_is_answered_at_once_ends_as_it_is_asked_to(quick: Any) -> None:
    for sent in (
        QUICK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        QUICK.replace(b"host: h", b"host: h\r\nconnection: close"),
    ):
        with connect(quick) as connection:
            connection.sendall(sent)
            answer = read_to_the_end(connection)
        assert statuses_of(answer) == [200]
        assert b"\r\nconnection: close\r\n" in answer


def test_nothing_is_answered_at_once_to_who_never_reads(quick: Any) -> None:
    before_kib = resident_kib(quick)
    with connect(quick) as connection:
        connection.setblocking(False)
        sent = b""
        with contextlib.suppress(BlockingIOError):
            for _ in range(10_000):
                sent = sent or QUICK * 20
                sent = sent[connection.send(sent) :]
        assert statuses_of(talk(quick, QUICK)) == [200]
        assert resident_kib(quick) - before_kib < 20 * 1024


def test_old_clients_are_answered_and_disconnected(server: Any, digit_png: bytes) -> None:
    head = b"POST /predict HTTP/1.0\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(head % len(digit_png) + digit_png)
        answer = read_to_the_end(connection)
    assert statuses_of(answer) == [200]
    assert b'"label": "7"' in answer


def test_requests_in_one_go_are_answered_in_their_order(server: Any, digit_png: bytes) -> None:
    work = post("content-type: image/png", f"content-length: {len(digit_png)}", body=digit_png)
    sent = GOOD + work + get("/nowhere") + work * 20 + GOOD * 200 + LAST
    assert statuses_of(talk(server, sent)) == [200, 200, 404] + [200] * 221


def test_more_requests_in_one_go_than_may_wait_end_the_connection(server: Any) -> None:
    """What one connection sends ahead is kept: a megabyte of the shortest must not become fifty."""
    statuses = statuses_of(talk(server, GOOD * 25_000))
    assert set(statuses[:-1]) <= {200}
    assert len(statuses) < 25_000


def test_an_answer_is_one_segment(server: Any) -> None:
    """Of two, the second would wait for the first one's acknowledgement, unless TCP_NODELAY is set."""
    with connect(server) as connection:
        for number in range(1, 4):
            connection.sendall(GOOD)
            HTTPResponse(connection).begin()
            information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
            assert struct.unpack_from("I", information, TCPI_DATA_SEGS_IN)[0] == number


def test_a_caller_who_has_finished_sending_gets_its_answer(server: Any, digit_png: bytes) -> None:
    work = post("content-type: image/png", f"content-length: {len(digit_png)}", body=digit_png)
    for sent in (work, GOOD, get("/openapi.json"), get("/nowhere"), GOOD + work):
        answer = talk(server, sent)
        assert set(statuses_of(answer)) <= {200, 404}
        assert len(statuses_of(answer)) == 1 + (sent == GOOD + work)
        assert answer.rstrip().endswith(b"}")


def test_callers_who_go_in_the_middle(server: Any, digit_png: bytes) -> None:
    """By FIN and by RST; before, while and after the answer is on its way."""
    work = post("content-type: image/png", f"content-length: {len(digit_png)}", body=digit_png)
    for abort in (False, True):
        for sent in (b"POST", work[:60], work[:-1], work, work * 50, get("/openapi.json") * 50):
            for wait in (False, True):
                connection = connect(server)
                connection.sendall(sent)
                if wait and sent[-1:] != b"T" and len(sent) >= len(work):
                    assert connection.recv(1)
                if abort:
                    linger = struct.pack("ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()


def test_a_caller_who_never_reads(server: Any, digit_png: bytes) -> None:
    """It waits for itself alone, and what it asks for is not made in advance."""
    before_kib = resident_kib(server)
    with connect(server) as connection:
        connection.setblocking(False)
        sent = get("/openapi.json") * 1000
        with contextlib.suppress(BlockingIOError):
            for _ in range(200):
                sent = sent[connection.send(sent) :] or get("/openapi.json") * 1000
        for _ in range(3):
            assert_well(server, digit_png)
        assert resident_kib(server) - before_kib < 50 * 1024


def resident_kib(server: Any) -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_a_refusal_in_the_middle_of_broken_chunks(server: Any) -> None:
    """The answer is sent before the body is whole; what then comes is no HTTP."""
    with connect(server) as connection:
        connection.sendall(post("transfer-encoding: chunked"))
        for _ in range(80):
            connection.sendall(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            if select.select([connection], [], [], 0)[0]:
                break
        try:
            connection.sendall(b"no chunk\r\n" * 10)
        except ConnectionError:
            return
        assert statuses_of(read_to_the_end(connection)) == [413]


IMPATIENT_APP = """
from liteship import Function
from liteship.runtime import receiving, server
from liteship.runtime import connection

receiving.RECEIVE_S = connection.HEAD_S = connection.KEEP_ALIVE_S = server.KEEP_ALIVE_S = 1
handler = Function(__file__)
"""


def test_slow_callers_are_dropped_and_hold_nobody_up(
    start_server: Start, function_folder: Path, digit_png: bytes
) -> None:
    (function_folder / "app.py").write_text(IMPATIENT_APP)
    server = start_server(function_folder, LITESHIP_WORKERS="1", LITESHIP_QUEUE="0")
    slow = {
        "says nothing": b"",
        "a head byte by byte": b"GET /health/live HTTP/1.1\r\n",
        "a body byte by byte": post("content-length: 1000"),
        "chunks byte by byte": post("transfer-encoding: chunked"),
        "a second head byte by byte": GOOD + b"GET /health/live HTTP/1.1\r\n",
    }
    connections = {name: connect(server) for name in slow}
    for name, connection in connections.items():
        connection.sendall(slow[name])
    answers = dict.fromkeys(slow, b"")
    deadline = time.monotonic() + PATIENCE_S
    while connections:
        assert time.monotonic() < deadline, connections.keys()
        assert_well(server, digit_png)
        for name, connection in list(connections.items()):
            try:
                if name.endswith("byte by byte"):
                    connection.sendall(b"1\r\n1\r\n" if name.startswith("chunks") else b"x")
                if select.select([connection], [], [], 0.02)[0]:
                    part = connection.recv(65536)
                    answers[name] += part
                    if not part:
                        raise ConnectionResetError
            except ConnectionError:
                connections.pop(name).close()
    for name, answer in answers.items():
        statuses = {"a body byte by byte": [503], "chunks byte by byte": [503]}
        statuses |= {"a second head byte by byte": [200]}
        assert statuses_of(answer) == statuses.get(name, []), name
