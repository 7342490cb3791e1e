"""The input of a WSGI request, with a listener: reads when the app reads, and never ahead of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from shadow_mw.boundary import Guard

_guard = Guard("listening to wsgi.input")


class Listener(Protocol):
    """What is told of each read. Never raises."""

    def taken(self, chunk: bytes, *, is_last: bool) -> None:
        """Note the next bytes that the app has read, and whether the input said that it has no more."""
        ...

    def moved(self) -> None:
        """Note that the app moves about in its input, so that what it reads isn't the body in order."""
        ...


class ObservedInput:
    """The server's `wsgi.input`, heard: whatever the server's own has and does, this has and does."""

    __slots__ = ("_listener", "_stream")

    def __init__(self, stream: Any, listener: Listener) -> None:
        """Stand in for `stream`."""
        self._stream = stream
        self._listener = listener

    def __getattr__(self, name: str) -> Any:
        """What the stream has, and nothing else; what reads is heard."""
        found = getattr(self._stream, name)
        heard = _HEARD.get(name)
        return found if heard is None else partial(heard, self._listener, found)

    def __iter__(self) -> Iterator[bytes]:
        """The lines that are left."""
        return _lines(self._listener, iter(self._stream))

    def __next__(self) -> bytes:
        """The next line, of a stream that is its own iterator."""
        try:
            line: bytes = next(self._stream)
        except StopIteration:
            self._listener.taken(b"", is_last=True)
            raise
        self._listener.taken(line, is_last=False)
        return line

    def __enter__(self) -> ObservedInput:  # noqa: PYI034 (typing.Self came with Python 3.11)
        """Enter the stream."""
        self._stream.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        """Leave the stream."""
        return self._stream.__exit__(*error)


def _lines(listener: Listener, stream: Iterator[bytes]) -> Iterator[bytes]:
    for line in stream:
        listener.taken(line, is_last=False)
        yield line
    listener.taken(b"", is_last=True)


def _read(listener: Listener, read: Callable[..., Any], *size: Any, **named: Any) -> Any:
    chunk = read(*size, **named)
    with _guard:
        if isinstance(chunk, bytes):  # a stream that doesn't block says None
            listener.taken(
                chunk, is_last=_is_all(size, named) or (not chunk and not _is_nothing(size, named))
            )
    return chunk


def _read_some(listener: Listener, read: Callable[..., Any], *size: Any, **named: Any) -> Any:
    """As `_read`, for what may stop short of the end: `readline` and `read1`."""
    chunk = read(*size, **named)
    with _guard:
        if isinstance(chunk, bytes):
            listener.taken(chunk, is_last=not chunk and not _is_nothing(size, named))
    return chunk


def _read_lines(listener: Listener, read: Callable[..., Any], *hint: Any, **named: Any) -> Any:
    lines = read(*hint, **named)
    with _guard:
        is_last = not lines or _is_all(hint, named) or _is_nothing(hint, named)
        listener.taken(b"".join(lines), is_last=is_last)
    return lines


def _read_into(listener: Listener, read: Callable[..., Any], buffer: Any) -> Any:
    count = read(buffer)
    with _guard:
        view = memoryview(buffer).cast("B")
        if count is not None:
            listener.taken(bytes(view[:count]), is_last=count == 0 and len(view) > 0)
    return count


def _seek(listener: Listener, seek: Callable[..., Any], *arguments: Any) -> Any:
    listener.moved()
    return seek(*arguments)


_HEARD: dict[str, Callable[..., Any]] = {
    "read": _read,
    "read1": _read_some,
    "readall": _read,
    "readinto": _read_into,
    "readinto1": _read_into,
    "readline": _read_some,
    "readlines": _read_lines,
    "seek": _seek,
}


def _asked(size: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return size[0] if size else next(iter(named.values()), None)


def _is_all(size: tuple[Any, ...], named: dict[str, Any]) -> bool:
    asked = _asked(size, named)
    return asked is None or bool(asked < 0)


def _is_nothing(size: tuple[Any, ...], named: dict[str, Any]) -> bool:
    return bool(_asked(size, named) == 0)
