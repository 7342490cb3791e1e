"""Answers of a WSGI app: what PEP 3333 allows, and what it doesn't."""

from __future__ import annotations

import socket
import sys
from collections import UserList
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LARGE = bytes(range(256)) * 2000
heard: list[str] = []


class OwnList(list):  # type: ignore[type-arg]  # the items are the point, not their type
    """What some frameworks answer with."""


class ClosedList(OwnList):
    def close(self) -> None:
        heard.append("closed")


class Breaking:
    """An iterable whose end and close are the app's own."""

    def __init__(self, *, at_close: bool) -> None:
        self._at_close = at_close

    def __iter__(self) -> Iterator[bytes]:
        yield b"half"
        if not self._at_close:
            raise LookupError("the app's own")

    def close(self) -> None:
        heard.append("closed")
        if self._at_close:
            raise LookupError("the app's own")


def read(environ: dict[str, Any]) -> bytes:
    """The whole body, by what each server promises of it."""
    stream = environ["wsgi.input"]
    if environ.get("HTTP_TRANSFER_ENCODING") == "chunked":
        return b"".join(iter(lambda: stream.read(7), b"")) if environ.get("wsgi.input_terminated") else b""
    return stream.read(int(environ.get("CONTENT_LENGTH") or 0))


def answering(make: Any, *headers: tuple[str, str], status: str = "200 OK") -> Any:
    """An app that reads all, starts, and answers with what is made of the body."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        body = read(environ)
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return make(body)

    return app


def chunks(body: bytes) -> Iterator[bytes]:
    yield b""
    yield body
    yield LARGE
    yield b""


def lines(environ: dict[str, Any], start_response: Any) -> Any:
    """Read line by line."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].readline(length), environ["wsgi.input"].read(0)]


def unread(environ: dict[str, Any], start_response: Any) -> Any:
    start_response("401 No", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [b"no"]


def written(environ: dict[str, Any], start_response: Any) -> Any:
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(read(environ))
    write(b"written")
    return [b"and returned"]


def what_write_is(environ: dict[str, Any], start_response: Any) -> Any:
    read(environ)
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"callable" if callable(write) else repr(write).encode()]


def file(environ: dict[str, Any], start_response: Any) -> Any:
    read(environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    opened = Path(__file__).open("rb")  # noqa: SIM115 the server closes it
    return environ.get("wsgi.file_wrapper", lambda opened, _: opened)(opened, 1000)


def raises(environ: dict[str, Any], start_response: Any) -> Any:
    read(environ)
    raise LookupError("the app's own")


def raises_started(environ: dict[str, Any], start_response: Any) -> Any:
    read(environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    raise LookupError("the app's own")


def replaced(environ: dict[str, Any], start_response: Any) -> Any:
    """Start, fail, and start again as the specification allows."""
    read(environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        raise LookupError("the app's own")
    except LookupError:
        start_response("503 Sorry", [("Content-Type", "text/html")], sys.exc_info())
    return [b"sorry"]


def starts_late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """A generator starts when it is first asked."""
    body = read(environ)
    start_response("202 Late", [("Content-Type", "text/plain")])
    yield body


def never_starts(environ: dict[str, Any], start_response: Any) -> Any:
    read(environ)
    return [b"unstarted"]


def gated(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """Say one thing, and the next when a caller at the port named in the body lets it."""
    port = int(read(environ))
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    with socket.create_connection(("127.0.0.1", port), 30) as gate:
        gate.recv(1)
    yield b"two "


ODD_HEADERS = [
    *[("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2"), ("Set-Cookie", "a=1; Path=/")],
    *[
        ("X-Empty", ""),
        ("X-Latin", "\xe9\xff"),
        ("x-lower", "1"),
        ("Server", "mine"),
        ("Vary", "a"),
        ("Vary", "b"),
    ],
]
ODD_WSGI: dict[str, Any] = {
    "": answering(lambda body: [body]),
    "two": answering(lambda body: [body, body]),
    "none": answering(lambda body: []),
    "tuple": answering(lambda body: (body,)),
    "own-list": answering(lambda body: OwnList([body])),
    "closed-list": answering(lambda body: ClosedList([body])),
    "user-list": answering(lambda body: UserList([body])),
    "bytes": answering(lambda body: body),
    "map": answering(lambda body: map(bytes.upper, [body, body])),
    "large": answering(chunks),
    "text": answering(lambda body: ["text"]),
    "nothing": answering(lambda body: None),
    "odd-headers": answering(lambda body: [b"odd"], *ODD_HEADERS, status="299 Odd reason"),
    "empty": answering(lambda body: [], status="204 No Content"),
    "not-modified": answering(lambda body: [], ("ETag", '"1"'), status="304 Not Modified"),
    "length": answering(lambda body: iter([body]), ("Content-Length", "16")),
    "too-short": answering(lambda body: iter([body]), ("Content-Length", "99")),
    "too-long": answering(lambda body: iter([body, body]), ("Content-Length", "5")),
    "breaks": answering(lambda body: Breaking(at_close=False)),
    "breaks-at-close": answering(lambda body: Breaking(at_close=True)),
    "lines": lines,
    "unread": unread,
    "written": written,
    "what-write-is": what_write_is,
    "file": file,
    "raises": raises,
    "raises-started": raises_started,
    "replaced": replaced,
    "starts-late": starts_late,
    "never-starts": never_starts,
    "gated": gated,
}
