"""The WSGI door: one middleware in front of any WSGI app."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from shadow_mw.assembly.installation import Installation, install
from shadow_mw.boundary import Guard
from shadow_mw.capture import Capture
from shadow_mw.environ import (
    declares_length,
    has_no_framing,
    headers_of,
    own_address_of,
    path_of,
    raw_path_of,
)
from shadow_mw.keywords import Keywords
from shadow_mw.mirror import Mirror
from shadow_mw.nesting import nesting
from shadow_mw.records import Headers
from shadow_mw.telemetry.context import server_parent
from shadow_mw.wire import READING_HEADERS
from shadow_mw.wsgi_input import ObservedInput

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from typing_extensions import Unpack

_guard = Guard("capturing an exchange")


class ShadowWSGIMiddleware:
    """Mirrors the predict calls of a WSGI app to its shadows. Immutable, thread-safe, fork-safe.

    Everything is read from `SHADOW_*` variables; any setting may also be given as a keyword, which wins::

        app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)

    Bytes, order, timing and errors of the app stay as they are without it (PEP 3333).
    """

    _is_automatic = False

    def __init__(self, app: WSGIApplication, **settings: Unpack[Keywords]) -> None:
        """Put the middleware in front of `app`.

        Raises:
            SettingsError: a setting is wrong; the message names the variable and the mend.

        """
        self.app = app
        self._installation = install(**settings)

    def __repr__(self) -> str:
        """The app and where it is mirrored to."""
        return f"ShadowWSGIMiddleware({self.app!r}, {self._installation!r})"

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request; what is not mirrored goes through with the very objects it came with."""
        installation = self._installation
        if installation is None:
            return self.app(environ, start_response)
        capture = _admit(installation.mirror, environ, is_automatic=self._is_automatic)
        if capture is None:
            return self.app(environ, start_response)
        tee = _Tee(capture, installation, environ, start_response)
        try:
            result = self.app(environ, tee.start_response)
        except BaseException as error:
            tee.failed(error)
            raise
        body: Iterable[bytes] = tee.body_of(result)
        return body


class _Tee:
    """What listens to one request: to its input, its start_response and its body."""

    __slots__ = (
        "_capture",
        "_echo",
        "_environ",
        "_has_length",
        "_is_lost",
        "_is_parent_known",
        "_mirror",
        "_start_response",
        "_status",
    )

    def __init__(
        self,
        capture: Capture,
        installation: Installation,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> None:
        self._capture = capture
        self._mirror = installation.mirror
        self._echo = installation.echo_header
        self._environ = environ
        self._start_response = start_response
        self._has_length = declares_length(environ)
        self._is_lost = False
        self._is_parent_known = bool(capture.parent[0])
        self._status = 0
        if not capture.request_body.is_complete and "wsgi.input" in environ:
            # In the very environ, not in a copy: servers and other middlewares look into it afterwards.
            environ["wsgi.input"] = ObservedInput(environ["wsgi.input"], self)

    def taken(self, chunk: bytes, *, is_last: bool) -> None:
        """Note what the app has read of the request."""
        with _guard:
            # The end of an input that is shorter than declared is a caller who left.
            more = self._has_length or not is_last
            is_over = self._is_lost or self._capture.is_finished  # a middleware may drain what the app left
            if not is_over and self._capture.request_chunk(chunk, more=more):
                self._find_parent()
                self._mirror.request_complete(self._capture)

    def moved(self) -> None:
        """Note that the app moves about in its input, so that what it reads isn't the request in order."""
        self._is_lost = self._is_lost or self._capture.request_body.size > 0

    def start_response(self, *arguments: Any, **named: Any) -> Callable[[bytes], object]:
        """The server's start_response, heard."""
        with _guard:
            self._find_parent()
            arguments = self._with_request_id(*arguments) if self._echo else arguments
        write: Any = self._start_response(*arguments, **named)
        with _guard:
            status, headers = arguments[:2]
            self._status = int(status[:3])
            self._capture.response_start(self._status, _reading_headers(headers))
        # Where a server has no write(), it says None.
        return partial(self._write, write) if callable(write) else write

    def body_of(self, result: Any) -> Any:
        """What the server gets: the app's own object wherever nothing more is to be learnt by listening."""
        with _guard:
            if _is_list(result):
                # All is known, and servers treat a list as such: one item, one Content-Length.
                for chunk in result:
                    self.passed(chunk)
                self.ended()
                return result
            # uWSGI sends bytes as they are; elsewhere they are an error.
            if isinstance(result, bytes) or _is_file(result, self._environ.get("wsgi.file_wrapper")):
                self._capture.response_unseen()
                self.finish()
                return result
            if result is None:  # for which some servers send an empty body
                self.failed(TypeError())
                return None
            return _SizedBody(result, self) if hasattr(type(result), "__len__") else _Body(result, self)
        self.finish()
        return result

    def passed(self, chunk: Any) -> None:
        """Note a part of the response on its way to the server."""
        with _guard:
            if isinstance(chunk, bytes | bytearray | memoryview):
                self._capture.response_chunk(chunk, more=True)
            else:
                self.failed(TypeError())  # which is what servers raise

    def ended(self) -> None:
        """Note that the response is whole."""
        if self._status:
            self._capture.response_ended()
        self.finish()

    def failed(self, error: BaseException) -> None:
        """Note that the app has raised."""
        self._capture.failed(type(error).__name__)
        self.finish()

    def finish(self) -> None:
        """Hand the exchange over; what comes after the first call is ignored."""
        self._environ = {}  # it holds the input, which holds this: garbage for the collector otherwise
        self._mirror.finish(self._capture)

    def _write(self, write: Callable[[bytes], object], chunk: bytes) -> object:
        self.passed(chunk)
        return write(chunk)

    def _find_parent(self) -> None:
        """Note the server span; where it is started behind us, a later look sees past the app's own spans."""
        if not self._is_parent_known:
            found = server_parent(self._environ)
            self._capture.parent = found if found[0] else self._capture.parent

    def _with_request_id(self, status: str, headers: Any, *exc_info: Any) -> tuple[Any, ...]:
        echoed = (self._echo.decode(), self._capture.head.request_id)
        return status, [*headers, echoed] if type(headers) is list else headers, *exc_info


class _Chunks:
    """An iterator of the app's on its way to the server, chunk by chunk."""

    __slots__ = ("_iterator", "_tee")

    def __init__(self, iterator: Any, tee: _Tee) -> None:
        self._iterator = iterator
        self._tee = tee

    def __iter__(self) -> _Chunks:
        return self

    def __next__(self) -> bytes:
        try:
            chunk: bytes = next(self._iterator)
        except StopIteration:
            self._tee.ended()
            raise
        except BaseException as error:
            self._tee.failed(error)
            raise
        self._tee.passed(chunk)
        return chunk


class _Body(_Chunks):
    """The app's iterable: an iterator itself where the app's is one, with `close()` (PEP 3333)."""

    __slots__ = ()

    def __iter__(self) -> _Chunks:
        try:
            iterator = iter(self._iterator)
        except BaseException as error:  # after which some servers call no close()
            self._tee.failed(error)
            raise
        return self if iterator is self._iterator else _Chunks(iterator, self._tee)

    def close(self) -> None:
        try:
            close = getattr(self._iterator, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._tee.failed(error)
            raise
        finally:
            self._tee.finish()


class _SizedBody(_Body):
    """The same where the app's iterable has a length, at which servers look."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self._iterator)


def _admit(mirror: Mirror, environ: WSGIEnvironment, *, is_automatic: bool) -> Capture | None:
    with _guard:
        if nesting.is_needed and nesting.is_anothers(environ, is_automatic=is_automatic):
            return None
        route = mirror.find(environ.get("REQUEST_METHOD", ""), path_of(environ))
        if nesting.is_needed:
            nesting.mark(environ, is_automatic=is_automatic, is_predict_call=route is not None)
        if route is None:
            return None
        query = environ.get("QUERY_STRING", "")
        capture = mirror.admit(route, raw_path_of(environ), query, headers_of(environ))
        if capture is not None:
            capture.parent = server_parent(environ)
            if mirror.needs_address:
                capture.head.address = own_address_of(environ)
            if capture.declares_no_body or has_no_framing(environ):
                capture.request_chunk(b"", more=False)
                mirror.request_complete(capture)
        return capture
    return None


def _is_list(result: Any) -> bool:
    """True for what can be read more than once: a list or tuple, and any kind of it that is read as one."""
    return getattr(type(result), "__iter__", None) in (list.__iter__, tuple.__iter__)


def _is_file(result: Any, file_wrapper: Any) -> bool:
    """True for what the server may send by itself; it knows its own object again, so no other will do."""
    if isinstance(file_wrapper, type):
        return isinstance(result, file_wrapper)
    # uWSGI's wrapper is a function and returns the very file.
    return file_wrapper is not None and hasattr(result, "read")


def _reading_headers(headers: Any) -> Headers:
    if not isinstance(headers, list | tuple):
        return ()
    fields = ((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers)
    return tuple(field for field in fields if field[0] in READING_HEADERS)
