"""A model in Python: a callable of the user's, features in, prediction out."""

from __future__ import annotations

import asyncio
import inspect
import json
import pkgutil
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from shadow_mw.exceptions import PayloadError, ShadowAnswerTooLarge, ShadowModelError, ShadowUnreachable
from shadow_mw.payload import decode_payload, extract
from shadow_mw.plain import plain
from shadow_mw.records import Answer, Headers

JSON_HEADERS: Headers = ((b"content-type", b"application/json"),)
_MAX_SENTENCE_CHARS = 300


class Model:
    """Asks a callable with the features of a request and takes its prediction as JSON.

    It may be sync or async; each thread has an event loop of its own for the latter.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        features: str,
        max_body_bytes: int,
        async_seconds: float | None = None,
    ) -> None:
        """Call `function` with what the JMESPath `features` finds in a request body.

        An async one is cancelled after `async_seconds`; a sync one can't be.
        """
        self._function = function
        self._features = features
        self._max_body_bytes = max_body_bytes
        self._async_seconds = async_seconds
        self._loops = threading.local()

    def answer(self, body: bytes, headers: Headers) -> bytes:
        """The prediction for a request body, as JSON.

        Raises:
            ShadowModelError: the body can't be decoded, the callable raised, or it returned no JSON.
            ShadowAnswerTooLarge: the JSON is larger than `max_body_bytes`.

        """
        try:
            features = extract(decode_payload(body, headers, max_bytes=self._max_body_bytes), self._features)
            prediction = json.dumps(self._predict(features), default=plain).encode()
        except PayloadError as error:
            raise ShadowModelError("PayloadError", f"the model was not asked: {error}") from None
        except BaseException as error:  # noqa: BLE001 whatever the user's code raises, SystemExit too, is its answer
            kind = type(error).__name__
            raise ShadowModelError(kind, sentence(f"the model raised {kind}", error)) from None
        if len(prediction) > self._max_body_bytes:
            raise ShadowAnswerTooLarge(f"the prediction has {len(prediction)} bytes of JSON")
        return prediction

    def _predict(self, features: Any) -> Any:
        prediction = self._function(features)
        return self._awaited(prediction) if inspect.isawaitable(prediction) else prediction

    def _awaited(self, prediction: Awaitable[Any]) -> Any:
        loop = getattr(self._loops, "loop", None)
        if loop is None:
            loop = self._loops.loop = asyncio.new_event_loop()

        async def wait() -> Any:
            return await prediction

        return loop.run_until_complete(asyncio.wait_for(wait(), self._async_seconds))

    def close(self) -> None:
        """Give the event loop of the calling thread back."""
        loop = getattr(self._loops, "loop", None)
        if loop is not None:
            loop.close()


def answer_of(prediction: bytes) -> Answer:
    """What a shadow in Python answers."""
    return Answer(status=200, headers=JSON_HEADERS, body=prediction, is_prediction=True)


def imported(name: str) -> Callable[[Any], Any]:
    """The callable that `module:attribute` names; the attribute may be dotted.

    Raises:
        ShadowUnreachable: there is none; the message says why.

    """
    try:
        function = pkgutil.resolve_name(name)
    except BaseException as error:  # noqa: BLE001 importing a user's module may raise anything, SystemExit too
        what = f"{name} cannot be imported: {type(error).__name__}"
        raise ShadowUnreachable(sentence(what, error)) from None
    if not callable(function):
        kind = type(function).__name__
        raise ShadowUnreachable(
            f"{name} is {kind}, which can't be called: name a function or method, as in module:model.predict"
        )
    return function  # type: ignore[no-any-return]  # checked above


def sentence(what: str, error: BaseException) -> str:
    """One line on an error, short enough for a record."""
    reason = " ".join(str(error).split())
    return (f"{what}: {reason}" if reason else what)[:_MAX_SENTENCE_CHARS]
