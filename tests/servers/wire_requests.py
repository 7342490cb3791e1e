"""What is asked of a server with and without the mirror, and how it is asked."""

from __future__ import annotations

import re
import socket

from server_process import CLOSE, Server, chunk, post, read_all

BODY = b'{"x": [1, 2, 3]}'
CHUNKED = b"transfer-encoding: chunked"
GATED = "one, and two when it may"
_CHUNKS = chunk(BODY[:6]) + chunk(BODY[6:]) + chunk(b"")


def bare(method: bytes, query: bytes = b"", version: bytes = b"1.1") -> bytes:
    """A request without a body."""
    return b"%s /predict?%s HTTP/%s\r\nhost: a\r\nconnection: close\r\n\r\n" % (method, query, version)


#: What every server is asked; each ends its connection.
COMMON = {
    "json": post(BODY, "", CLOSE),
    "no body": post(b"", "", CLOSE),
    "chunked upload": post(_CHUNKS, "", CHUNKED, CLOSE),
    "get": bare(b"GET"),
    "head": bare(b"HEAD"),
    "head of a stream": bare(b"HEAD", b"large"),
    "http/1.0": b"POST /predict HTTP/1.0\r\ncontent-length: 16\r\n\r\n" + BODY,
    "http/1.0, streamed": b"POST /predict?large HTTP/1.0\r\ncontent-length: 16\r\n\r\n" + BODY,
    "kept, then closed": post(BODY) + post(BODY, "", CLOSE),
    "expects to continue": post(BODY, "", b"expect: 100-continue", CLOSE),
    "odd headers of the caller": post(BODY, "", b"cookie: a=1", b"cookie: b=2", b"x-odd:   spaced  ", CLOSE),
    "not mirrored": post(BODY, "", CLOSE, method=b"PUT"),
    "not http": b"GARBAGE\r\n\r\n",
    "cut": post(BODY, "", CLOSE)[:-5],
    "a wrong length": post(b"", "", b"content-length: -1", CLOSE),
}


def asking(queries: list[str]) -> dict[str, bytes]:
    """The common requests, and one for each of the app's ways to answer."""
    return COMMON | {query: post(BODY, query, CLOSE) for query in queries}


def masked(answer: bytes) -> bytes:
    """What came back but for the time of day."""
    return re.sub(rb"(?i)(\r\ndate: )[^\r]*", rb"\1now", answer)


def answer_of(server: Server, request: bytes) -> bytes:
    """All that comes back; a caller who says less than announced says so at the end."""
    with server.connect() as connection:
        connection.sendall(request)
        if request == COMMON["cut"]:
            connection.shutdown(socket.SHUT_WR)
        return masked(read_all(connection))


def gated_answer(server: Server) -> list[bytes]:
    """What arrives while the app waits for leave to say more, and after."""
    with socket.create_server(("127.0.0.1", 0)) as gate, server.connect() as connection:
        gate.settimeout(30)
        connection.sendall(post(b"%d" % gate.getsockname()[1], "gated", CLOSE))
        first = b""
        while b"one " not in first:
            first += connection.recv(65536) or b"one <nothing>"
        opened, _ = gate.accept()
        with opened:
            opened.sendall(b"!")
            return [masked(first), masked(read_all(connection))]


def kept_answers(server: Server, times: int = 5) -> list[bytes]:
    """What arrives at one connection, asked again when the last answer is there."""
    answers = []
    with server.connect() as connection:
        for number in range(times):
            connection.sendall(post(b"[%d]" % number, "", *([CLOSE] if number == times - 1 else [])))
            answers.append(masked(_one_answer(connection)))
            if b"connection: close" in answers[-1].lower() or not answers[-1]:
                break
    return answers


def _one_answer(connection: socket.socket) -> bytes:
    """A head, and as much body as it announces."""
    data = b""
    while True:
        head, found, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        is_chunked = b"chunked" in head.lower()
        is_whole = body.endswith(b"0\r\n\r\n") if is_chunked else length and len(body) >= int(length[1])
        if found and is_whole:
            return data
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece


def answers_of(server: Server, requests: dict[str, bytes]) -> dict[str, object]:
    """All answers of a server, by what was asked."""
    answers: dict[str, object] = {name: answer_of(server, request) for name, request in requests.items()}
    return answers | {GATED: gated_answer(server), "kept": kept_answers(server)}
