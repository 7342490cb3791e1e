"""Behind real servers, what is on the wire is the same with and without the one line."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import zlib
from collections.abc import Callable, Iterator

import httpx
import pytest
from server_process import CLOSE, Pair, Server, chunk, post, read_all, read_until, until
from stub_shadow import StubShadow

BODY = b'{"x": [1, 2, 3]}'
CHUNKED = b"transfer-encoding: chunked"
ANSWERED = {"compared": 1}

# A name, the request, what the books say of it.
ONE_REQUEST = {
    "json": (post(BODY, "", CLOSE), ANSWERED),
    "chunked": (post(chunk(b'{"x": ') + chunk(b"[1, 2, 3]}") + chunk(b""), "", CHUNKED, CLOSE), ANSWERED),
    "no body": (post(b"", "", CLOSE), ANSWERED),
    "get": (b"GET /predict HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", ANSWERED),
    "head": (b"HEAD /predict HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", ANSWERED),
    "http/1.0": (b"POST /predict HTTP/1.0\r\ncontent-length: 16\r\n\r\n" + BODY, ANSWERED),
    "streamed": (post(BODY, "stream", CLOSE), ANSWERED),
    "204": (post(BODY, "empty", CLOSE), ANSWERED),
    "raises": (post(BODY, "fail", CLOSE), {"production_error": 1}),
    "raises late": (post(BODY, "fail-late", CLOSE), {"production_error": 1}),
    "never read": (post(BODY, "refuse"), {"request_incomplete": 1}),
    "cookies": (post(BODY, "", b"cookie: a=1", b"cookie: b=2", b"x-odd:   spaced  ", CLOSE), ANSWERED),
}


def masked(answer: bytes) -> bytes:
    """What came back but for the time of day."""
    return re.sub(rb"(?i)(\r\ndate: )[^\r]*", rb"\1now", answer)


@contextlib.contextmanager
def booked(server: Server, expected: dict[str, int]) -> Iterator[None]:
    """Check what is added to the books inside."""
    before = server.counts()
    yield
    after = server.counts()
    added = {
        word: count - before.get(word, 0) for word, count in after.items() if count > before.get(word, 0)
    }
    for word in ("eligible", "agree", "disagree"):
        added.pop(word, None)
    if incomparable := added.pop("incomparable", 0):  # what the shadow answers is not the point here
        added["compared"] = added.get("compared", 0) + incomparable
    assert added == expected


@pytest.mark.fault("no-length", "unread", "raises", "raises-late", "streams")
@pytest.mark.parametrize("name", ONE_REQUEST)
def test_the_wire_carries_the_same_bytes(pair: Pair, shadow: StubShadow, name: str) -> None:
    request, expected = ONE_REQUEST[name]
    bare = pair.bare.send(request)
    with booked(pair.mirrored, expected):
        shadow.asked.clear()
        mirrored = pair.mirrored.send(request)
    assert masked(mirrored) == masked(bare)
    assert b"HTTP/1." in bare
    bodies = {asked.body for asked in shadow.asked}
    assert bodies <= {BODY, b""}
    assert len(shadow.asked) == (0 if name == "never read" else 1)


def test_requests_in_one_pipeline_are_each_mirrored(pair: Pair, shadow: StubShadow) -> None:
    requests = post(b"[1]") + post(b"[22]", "stream") + post(b"[333]", "", CLOSE)
    bare = pair.bare.send(requests)
    with booked(pair.mirrored, {"compared": 3}):
        shadow.asked.clear()
        assert masked(pair.mirrored.send(requests)) == masked(bare)
    assert bare.count(b"HTTP/1.1 200") == 3
    assert sorted(asked.body for asked in shadow.asked) == [b"[1]", b"[22]", b"[333]"]


def test_a_client_with_kept_connections(pair: Pair) -> None:
    with booked(pair.mirrored, {"compared": 20}):
        answers = []
        for server in (pair.bare, pair.mirrored):
            with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
                answers.append([client.post("/predict", json={"x": number}).content for number in range(20)])
    assert answers[0] == answers[1]


def expecting(server: Server, query: str) -> tuple[bytes, bytes]:
    """What the server says before the body of a request that waits for it, and after."""
    request = post(BODY, query, b"expect: 100-continue", CLOSE)
    with server.connect() as connection:
        connection.sendall(request[: -len(BODY)])
        if query == "refuse":
            return b"", masked(read_all(connection))
        first = read_until(connection, b"\r\n\r\n")
        connection.sendall(BODY)
        return first, masked(read_all(connection))


@pytest.mark.fault("continue")
@pytest.mark.parametrize("query", ["", "refuse"])
def test_the_app_decides_whether_the_client_shall_continue(pair: Pair, query: str) -> None:
    bare = expecting(pair.bare, query)
    with booked(pair.mirrored, {"request_incomplete": 1} if query else ANSWERED):
        assert expecting(pair.mirrored, query) == bare
    assert (b"100" in bare[0], b"417" in bare[1]) == (not query, bool(query))
    assert b"100 Continue" not in bare[1]


def leave(connection: socket.socket) -> None:
    """Reset the connection, as a client that dies does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def leave_during_upload(server: Server) -> None:
    connection = server.connect()
    connection.sendall(post(b"x" * 1000, "", b"expect: 100-continue")[:-1000])
    read_until(connection, b"\r\n\r\n")  # so the app is reading
    connection.sendall(b"x" * 500)
    connection.close()


def leave_during_response(server: Server) -> None:
    connection = server.connect()
    connection.sendall(post(BODY, "endless"))
    data = b""
    while data.count(b"more ") < 2:
        data += connection.recv(65536)
    leave(connection)


LEAVING = [(leave_during_upload, {"request_incomplete": 1}), (leave_during_response, {"production_error": 1})]


@pytest.mark.fault("leaves-upload", "leaves-answer")
@pytest.mark.parametrize(("go", "expected"), LEAVING)
def test_the_app_hears_that_the_client_has_left(
    pair: Pair, shadow: StubShadow, go: Callable[[Server], None], expected: dict[str, int]
) -> None:
    heard = []
    shadow.asked.clear()
    with booked(pair.mirrored, expected):
        for server in (pair.bare, pair.mirrored):
            before = len(server.get("/heard"))
            go(server)
            heard.append(
                until(lambda server=server, before=before: server.get("/heard")[before:], "a disconnect")
            )
    assert heard[0] == heard[1]
    assert len(heard[0]) == 1
    assert len(shadow.asked) == (1 if expected == {"production_error": 1} else 0)


MEBIBYTE = bytes(range(256)) * 4096
UPLOAD_MEBIBYTES = 50


def upload(server: Server, *, is_chunked: bool) -> tuple[dict[str, int], int]:
    """The answer to a large upload, and by how many KiB the process's peak memory grew."""
    before = server.get("/process")["peak_kib"]
    length = CHUNKED if is_chunked else b"content-length: %d" % (UPLOAD_MEBIBYTES * len(MEBIBYTE))
    head = b"\r\n".join([b"POST /predict HTTP/1.1", b"host: a", CLOSE, length]) + b"\r\n\r\n"
    part = chunk(MEBIBYTE) if is_chunked else MEBIBYTE
    answer = server.send(head, *[part] * UPLOAD_MEBIBYTES, chunk(b"") if is_chunked else b"")
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return json.loads(answer.partition(b"\r\n\r\n")[2]), server.get("/process")["peak_kib"] - before


@pytest.mark.fault("large-upload", "no-length")
@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_a_large_upload_is_served_whole_and_held_by_nobody(
    pair: Pair, shadow: StubShadow, is_chunked: bool
) -> None:
    shadow.asked.clear()
    bare, bare_growth_kib = upload(pair.bare, is_chunked=is_chunked)
    with booked(pair.mirrored, {"too_large": 1}):
        mirrored, growth_kib = upload(pair.mirrored, is_chunked=is_chunked)
    checksum = 0
    for _ in range(UPLOAD_MEBIBYTES):
        checksum = zlib.crc32(MEBIBYTE, checksum)
    assert mirrored == bare == {"size": UPLOAD_MEBIBYTES * len(MEBIBYTE), "crc32": checksum}
    assert shadow.asked == []
    assert (
        growth_kib < bare_growth_kib + 12 * 1024
    )  # a body of 1 MiB may be held, with room for the allocator
