"""A shadow's server that says more than it was asked: none of it is taken for another answer."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import trustme
from raw_server import RawServer, read_request

from shadow_mw.records import Answer, CapturedRequest
from shadow_mw.shadows.fast import FastHTTPShadow
from shadow_mw.shadows.http import HTTPShadow
from shadow_mw.targets import Target

CLIENTS = [HTTPShadow, FastHTTPShadow]
REQUESTS = 4
WANTS_MORE = object()


def fixed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def chunked_with_trailer(body: bytes) -> bytes:
    return chunked(body)[:-2] + b"x-trailer: 1\r\n\r\n"


def after_interim(body: bytes) -> bytes:
    return b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n" + fixed(body)


KINDS: dict[str, Callable[[bytes], bytes]] = {
    "fixed": fixed,
    "chunked": chunked,
    "chunked with a trailer": chunked_with_trailer,
    "after an interim answer": after_interim,
}


@pytest.fixture(params=CLIENTS)
def client(request) -> Any:
    return request.param


def asked(number: int, method: str = "POST") -> CapturedRequest:
    body = b"" if method == "HEAD" else b"%d" % number
    return CapturedRequest(
        exchange_id="e", request_id="r", ts_us=0, route="r", method=method, path="/", headers=(), body=body
    )


def ask(client: Any, url: str, *requests: CapturedRequest) -> list[Answer]:
    """The answers to requests that one client sends one after the other."""

    async def main() -> list[Answer]:
        shadow = client(Target("candidate", url), max_body_bytes=500_000, max_connections=2)
        try:
            with anyio.fail_after(20):
                return [await shadow.ask(request, {}) for request in requests]
        finally:
            await shadow.aclose()

    return anyio.run(main)


def echoing(answer: Callable[[bytes], bytes], *strays: bytes) -> Callable[[socket.socket, int], None]:
    """Answer each request with its own body, and send the strays along in the same write."""

    def serve(connection: socket.socket, number: int) -> None:
        while request := read_request(connection):
            connection.sendall(b"".join([answer(request.partition(b"\r\n\r\n")[2]), *strays]))

    return serve


@pytest.mark.fault("surplus")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stray", KINDS)
def test_a_second_answer_in_one_segment_is_never_the_next_one(client, kind, stray):
    with RawServer(echoing(KINDS[kind], KINDS[stray](b"stray"))) as server:
        answers = ask(client, server.url, *map(asked, range(REQUESTS)))
    assert [answer.body for answer in answers] == [b"0", b"1", b"2", b"3"]
    assert server.connections == REQUESTS, "a connection with surplus is used again"


@pytest.mark.parametrize("kind", KINDS)
def test_connections_without_surplus_are_kept(client, kind):
    with RawServer(echoing(KINDS[kind])) as server:
        answers = ask(client, server.url, *map(asked, range(REQUESTS)))
    assert [answer.body for answer in answers] == [b"0", b"1", b"2", b"3"]
    assert server.connections == 1


@pytest.mark.fault("surplus")
@pytest.mark.parametrize("cut", [1, 8, 20, 40])
def test_a_part_of_an_answer_is_never_the_begin_of_the_next_one(client, cut):
    with RawServer(echoing(fixed, fixed(b"stray")[:cut])) as server:
        answers = ask(client, server.url, *map(asked, range(REQUESTS)))
    assert [answer.body for answer in answers] == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("size", [64 * 1024, 200_000])
def test_a_large_answer_hides_no_second_one(client, size):
    head_bytes = len(fixed(b"x" * size)) - size
    large = fixed(b"x" * (size - head_bytes - (size == 64 * 1024)))

    def serve(connection: socket.socket, number: int) -> None:
        while request := read_request(connection):
            is_first = request.endswith(b"\r\n\r\n0")
            connection.sendall(large + fixed(b"stray") if is_first else fixed(b"own"))

    with RawServer(serve) as server:
        first, second = ask(client, server.url, asked(0), asked(1))
    assert len(first.body) > 60_000
    assert second.body == b"own"


def test_an_answer_to_head_that_has_a_body_is_not_continued(client):
    def serve(connection: socket.socket, number: int) -> None:
        while request := read_request(connection):
            connection.sendall(fixed(fixed(b"stray") if request.startswith(b"HEAD") else b"own"))

    with RawServer(serve) as server:
        _, second = ask(client, server.url, asked(0, "HEAD"), asked(1))
    assert second.body == b"own"


@pytest.mark.fault("surplus")
@pytest.mark.parametrize(("stray", "connections"), [(b"", 1), (fixed(b"stray"), REQUESTS)])
def test_a_second_answer_in_a_tls_record_of_its_own_is_not_the_next_one(
    client, monkeypatch, tmp_path, stray, connections
):
    """It comes in the same segment, so that nothing is left on the socket which could be seen there."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def serve(connection: socket.socket, number: int) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        speak(connection, tls.do_handshake, incoming, outgoing)
        while True:
            request = b""
            while not request.partition(b"\r\n\r\n")[2]:
                request += speak(connection, lambda: tls.read(65536), incoming, outgoing)
            tls.write(fixed(request.partition(b"\r\n\r\n")[2]))
            tls.write(stray)
            connection.sendall(outgoing.read())

    with RawServer(serve) as server:
        answers = ask(client, server.url.replace("http:", "https:"), *map(asked, range(REQUESTS)))
    assert [answer.body for answer in answers] == [b"0", b"1", b"2", b"3"]
    assert server.connections == connections


def speak(connection: socket.socket, step: Callable[[], Any], incoming: Any, outgoing: Any) -> Any:
    """The result of a step of a TLS conversation, once enough has come for it."""
    while (result := attempt(step)) is WANTS_MORE:
        connection.sendall(outgoing.read())
        data = connection.recv(65536)
        if not data:
            raise ConnectionError("the client has gone")
        incoming.write(data)
    connection.sendall(outgoing.read())
    return result


def attempt(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except ssl.SSLWantReadError:
        return WANTS_MORE
