"""Drives a WSGI app by hand, as strictly as a server does, and notes everything that a server would see."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass, field
from typing import Any


class NotingInput:
    """A `wsgi.input` that notes how it is read: by which call, with which arguments."""

    def __init__(self, body: bytes, fails_at: int = -1) -> None:
        self._stream = io.BytesIO(body)
        self._fails_at = fails_at
        self.calls: list[tuple[Any, ...]] = []

    def _call(self, name: str, *arguments: Any) -> Any:
        self.calls.append((name, *map(_size, arguments)))
        if len(self.calls) - 1 == self._fails_at:
            raise ConnectionResetError("the client is gone")
        return getattr(self._stream, name)(*arguments)

    def read(self, *size: int) -> bytes:
        return self._call("read", *size)

    def readline(self, *size: int) -> bytes:
        return self._call("readline", *size)

    def readlines(self, *hint: int) -> list[bytes]:
        return self._call("readlines", *hint)

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> bytes:
        return self._call("__next__")


class RichInput(NotingInput):
    """The same with what some servers have beyond PEP 3333."""

    server_attribute = "the server's own"

    def read1(self, *size: int) -> bytes:
        return self._call("read1", *size)

    def readinto(self, buffer: bytearray) -> int:
        return self._call("readinto", buffer)

    def seek(self, *arguments: int) -> int:
        return self._call("seek", *arguments)

    def tell(self) -> int:
        return self._call("tell")


def _size(argument: Any) -> Any:
    return argument if isinstance(argument, int | None) else len(argument)


class FileWrapper:
    """The server's own, which it knows again."""

    def __init__(self, file: Any, block_size: int = 4) -> None:
        self.file = file
        self.block_size = block_size

    def __getitem__(self, index: int) -> bytes:
        data = self.file.read(self.block_size)
        if not data:
            raise IndexError
        return data

    def close(self) -> None:
        self.file.close()


@dataclass
class Seen:
    """What came out of an app, in order."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    """How the input was read."""
    error: tuple[type, str] | None = None

    @property
    def body(self) -> bytes:
        return b"".join(event[1] for event in self.events if event[0] in ("chunk", "write"))


class Server:
    """One request to an app, by the rules of PEP 3333."""

    def __init__(self, fails_at: int = -1, stops_at: int = -1, peeks: bool = False) -> None:
        self.seen = Seen()
        self._fails_at = fails_at
        """The number of the chunk or write at which the client is gone."""
        self._stops_at = stops_at
        """The number of the chunk after which the server wants no more, as some do after a HEAD."""
        self._peeks = peeks
        """True to begin with the first chunk, and to iterate over the iterator then, as test clients do."""
        self._is_started = False
        self._sent = 0

    def start_response(self, status: Any, headers: Any, exc_info: Any = None) -> Any:
        if exc_info and self._sent:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._is_started and not exc_info:
            raise AssertionError("headers already set")
        if not isinstance(status, str) or not isinstance(headers, list):
            raise AssertionError("odd start_response")
        self._is_started = True
        self.seen.events.append(("start", status, list(headers), bool(exc_info)))
        return self.write

    def write(self, data: Any) -> str:
        self._send("write", data)
        return "what the server's write returns"

    def _send(self, how: str, data: Any) -> None:
        if not self._is_started:
            raise AssertionError(f"{how} before start_response")
        if not isinstance(data, bytes):
            raise TypeError(f"not bytes: {data!r}")
        if self._sent == self._fails_at:
            raise BrokenPipeError("the client is gone")
        self._sent += bool(data)
        self.seen.events.append((how, data))

    def _peeked(self, result: Any) -> Any:
        iterator = iter(result)
        self.seen.events.append(("is an iterator", iterator is result))
        return itertools.chain(itertools.islice(iterator, 1), iterator)

    def serve(self, app: Any, environ: dict[str, Any]) -> Seen:
        try:
            result = app(environ, self.start_response)
            self.seen.events.append(("result", *_nature(result, environ)))
            try:
                for number, chunk in enumerate(self._peeked(result) if self._peeks else result):
                    if number == self._stops_at:
                        break
                    self._send("chunk", chunk)
            finally:
                if hasattr(result, "close"):
                    result.close()
        except BaseException as error:
            self.seen.error = (type(error), str(error))
        return self.seen


def _nature(result: Any, environ: dict[str, Any]) -> tuple[Any, ...]:
    """What servers look at before they iterate."""
    try:
        length = len(result)
    except TypeError:
        length = None
    return isinstance(result, environ["wsgi.file_wrapper"]), hasattr(result, "__len__"), length


def request(
    body: bytes = b"",
    method: str = "POST",
    path: str = "/predict",
    make_input: Any = NotingInput,
    **more: Any,
) -> dict[str, Any]:
    """An environ as gunicorn makes it; a value of None takes a variable out."""
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": make_input(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    return {name: value for name, value in environ.items() if value is not None}


def serve(app: Any, environ: dict[str, Any], **server: Any) -> Seen:
    """Serve one request and note how its input was read."""
    stream = environ["wsgi.input"]
    seen = Server(**server).serve(app, environ)
    seen.calls = getattr(stream, "calls", [])
    return seen
