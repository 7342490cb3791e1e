"""The door for a plain function: a decorator that mirrors its calls to a challenger."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeVar, cast

from typing_extensions import ParamSpec

from shadow_mw.assembly.installation import Installation, install
from shadow_mw.boundary import Guard
from shadow_mw.capture import Capture
from shadow_mw.choices import DEFAULT, EVERY_ROUTE, parse_choices
from shadow_mw.doors.arguments import Arguments
from shadow_mw.doors.challengers import Challengers, as_settings, is_asking
from shadow_mw.exceptions import SettingsError, UsageError
from shadow_mw.ids import accepted_request_id, uuid7
from shadow_mw.keywords import Keywords
from shadow_mw.plain import to_json
from shadow_mw.routes import Route, parse_route
from shadow_mw.telemetry.context import MARK, current_parent
from shadow_mw.wire import quoted_path

if TYPE_CHECKING:
    from typing_extensions import Unpack

P = ParamSpec("P")
R = TypeVar("R")

#: The id of the call under way, for the function to read; set it around a call to choose its id.
request_id: ContextVar[str] = ContextVar("shadow_mw.request_id", default="")

_JSON = (b"content-type", b"application/json")
_IS_MARKED = (b"baggage", MARK.encode())
#: The challenger and the function itself say these; in front of a function they have no other meaning.
_TAKEN = ("targets", "routes", "shadow", "control_routes", "echo_request_id")
_guard = Guard("mirroring a call")


def shadow(
    challenger: Challengers, *, request_id_from: str = "", **settings: Unpack[Keywords]
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mirror the calls of a function or method, sync or async, to a challenger.

    The arguments are the features, what it returns is the prediction. Returned objects and exceptions pass as
    they are, and no call waits for the challenger, which is asked with arguments of its own::

        @shadow_mw.shadow(candidate.predict)
        def predict(features): ...

    Args:
        challenger: A callable, which is called like the function; a URL or `python:module:attribute`, which
            is sent the features; or several by name.
        request_id_from: The parameter whose value is the request id; else it is `shadow_mw.request_id`, else
            a new one.
        settings: As for the middleware, but for those that say where from and where to.

    Raises:
        UsageError: what is decorated, or the challenger, can't be mirrored.
        SettingsError: a setting is wrong; the message names the variable and the mend.

    """
    for name in _TAKEN:
        if name in settings:
            raise SettingsError(f"{name!r} has no meaning for a function: give the challenger alone")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        _refuse(function)
        arguments = Arguments(function)
        if request_id_from and request_id_from not in arguments:
            raise UsageError(f"request_id_from={request_id_from!r} is no parameter of {_name_of(function)}")
        route = parse_route(f"POST /{_name_of(function)}")
        installation = install(**{**as_settings(challenger, arguments), **_completed(settings, route)})
        if installation is None:
            return function
        return _mirrored(function, _Mirrored(installation, route, arguments, request_id_from))

    return decorate


def _mirrored(function: Callable[P, R], mirrored: _Mirrored) -> Callable[P, R]:
    if _is_async(function):

        @functools.wraps(function)
        async def ask(*args: P.args, **kwargs: P.kwargs) -> Any:
            call = mirrored.begin(args, kwargs)
            try:
                result = await cast("Any", function(*args, **kwargs))
            except BaseException as error:
                call.failed(error)
                raise
            call.answered(result)
            return result

        return cast("Callable[P, R]", ask)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        call = mirrored.begin(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(result)
        return result

    return call


class _Mirrored:
    """A function with its mirror. Immutable, thread-safe."""

    def __init__(
        self, installation: Installation, route: Route, arguments: Arguments, request_id_from: str
    ) -> None:
        self.installation = installation
        self.max_bytes = int(installation.settings.max_body_bytes)
        self._mirror = installation.mirror
        self._id_header = installation.settings.request_id_header.lower().encode()
        self._route = route
        self._path = quoted_path(route.pattern)
        self._arguments = arguments
        self._request_id_from = request_id_from

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
        """A call that is about to be made; never raises."""
        call = _Call(self)
        with _guard:
            call.identify(self._identity(args, kwargs))
            capture = self._admit()
            if capture is not None:
                call.capture = capture
                self._take(capture, self._arguments.given(args, kwargs))
        return call

    def finish(self, capture: Capture) -> None:
        self._mirror.finish(capture)

    def _identity(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        named = None
        if self._request_id_from:
            given = self._arguments.given(args, kwargs)
            named = accepted_request_id(str(given.get(self._request_id_from, "")))
        return named or accepted_request_id(request_id.get()) or uuid7()

    def _admit(self) -> Capture | None:
        fields = [(self._id_header, request_id.get().encode()), _JSON]
        if is_asking.get():
            fields.append(_IS_MARKED)
        return self._mirror.admit(self._route, self._path, "", fields)

    def _take(self, capture: Capture, given: dict[str, Any]) -> None:
        capture.is_prediction = True
        capture.parent = current_parent()
        try:
            body = to_json(self._arguments.features(given), max_bytes=self.max_bytes)
        except OverflowError:
            capture.request_body.is_too_large = True
            return
        capture.request_chunk(body, more=False)
        self._mirror.request_complete(capture)


class _Call:
    """One call of a function while it is under way."""

    __slots__ = ("_mirrored", "_token", "capture")

    def __init__(self, mirrored: _Mirrored) -> None:
        self._mirrored = mirrored
        self._token: Token[str] | None = None
        self.capture: Capture | None = None

    def identify(self, identity: str) -> None:
        self._token = request_id.set(identity)

    def answered(self, result: Any) -> None:
        capture = self.capture
        if capture is not None:
            with _guard:
                capture.response_start(200, (_JSON,))
                capture.response_chunk(
                    b"", more=True
                )  # this is when it came; its JSON is not production's time
                self._take(capture, result)
        self._end()

    def failed(self, error: BaseException) -> None:
        if self.capture is not None:
            self.capture.failed(type(error).__name__)
        self._end()

    def _take(self, capture: Capture, result: Any) -> None:
        body, is_known = b"", False
        try:
            if capture.request_body.is_complete and not capture.request_body.is_too_large:
                body, is_known = to_json(result, max_bytes=self._mirrored.max_bytes), True
        except OverflowError:
            capture.response_body.is_too_large = True
        finally:
            capture.response_body.add(body, more=False)
            if not is_known:
                capture.response_unseen()

    def _end(self) -> None:
        with _guard:
            if self.capture is not None:
                self._mirrored.finish(self.capture)
            if self._token is not None:
                request_id.reset(self._token)


def _completed(settings: Keywords, route: Route) -> dict[str, Any]:
    """The settings with those of the environment that speak of requests over HTTP made to fit a function."""
    if settings.get("control") == "self":
        raise SettingsError("control='self' has no meaning for a function: name a URL, or leave it away")
    choices = parse_choices(os.environ.get("SHADOW_COMPARE") or DEFAULT)
    compare = str(choices.get(str(route), choices[EVERY_ROUTE]))
    own = {"prediction": "", "features": "", "control": None, "control_routes": (), "compare": compare}
    return {**own, **settings, "routes": [str(route)]}


def _refuse(function: Any) -> None:
    """Say what is wrong with what can't be decorated."""
    if isinstance(function, staticmethod | classmethod | property):
        kind = type(function).__name__
        raise UsageError(f"@{kind} stands below @shadow_mw.shadow: write it above")
    if isinstance(function, type) or not callable(function):
        what = "a class" if isinstance(function, type) else "not a function"
        raise UsageError(
            f"{function!r:.80} is {what}: write @shadow_mw.shadow(challenger) above a function or method"
        )
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in _bodies(function)):
        raise UsageError(
            f"{_name_of(function)} is a generator, which has no one prediction: decorate what returns one"
        )


def _is_async(function: Any) -> bool:
    return any(inspect.iscoroutinefunction(one) for one in _bodies(function))


def _bodies(function: Any) -> tuple[Any, Any]:
    """The function, and what runs where it is an object that can be called."""
    return function, vars(type(function)).get("__call__")


def _name_of(function: Any) -> str:
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}.{named.__qualname__}"
