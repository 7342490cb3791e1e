"""An app behind the whole middleware, asked by hand, whose caller must never see a difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgi_driver import chunked, http_scope, run
from process_tools import DEADLINE_SECONDS, closed, until

from shadow_mw import ShadowMiddleware
from shadow_mw.snapshots import ShadowStatistics

JSON = (b"content-type", b"application/json")
ANSWER = b'{"y": 1}'


async def production(scope: Any, receive: Any, send: Any) -> None:
    """Answers as soon as it has read the request."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
    await send({"type": "http.response.body", "body": ANSWER})


class MirroredApp:
    """Production with the mirror in front; `asking` is how often it has been asked."""

    def __init__(self, targets: str, **settings: Any) -> None:
        defaults = {"routes": "POST /predict", "breaker_failures": 1000, "timeout_seconds": 60.0}
        self.middleware = ShadowMiddleware(production, targets=targets, **{**defaults, **settings})
        assert self.middleware._installation is not None
        self.installation = self.middleware._installation
        self.asked = 0

    def ask(self, body: bytes = ANSWER, times: int = 1, headers: Any = ()) -> None:
        for _ in range(times):
            seen = run(self.middleware, http_scope(headers=[JSON, *headers]), chunked(body))
            assert seen == run(production, http_scope(headers=[JSON, *headers]), chunked(body))
            self.asked += 1

    def shadow(self, name: str = "shadow") -> ShadowStatistics:
        [found] = [one for one in self.installation.statistics().shadows if one.shadow == name]
        return found

    def now(self, name: str = "shadow") -> dict[str, int]:
        """The books as they are."""
        return self.shadow(name).routes.get("POST /predict", {})

    def counts(self, name: str = "shadow") -> dict[str, int]:
        """The books once everything is done; they must close."""
        assert self.installation.drain(DEADLINE_SECONDS)
        return closed(self.now(name))

    def until(self, done: Callable[[dict[str, int]], Any], name: str = "shadow") -> None:
        until(lambda: done(self.now(name)), lambda: self.now(name))

    def recovers(self) -> None:
        """Ask until a prediction is compared again."""
        before = self.counts().get("compared", 0)
        until(lambda: self.ask() or self.counts().get("compared", 0) > before, self.counts)
        counts = self.counts()
        assert counts["eligible"] == self.asked

    def close(self) -> None:
        self.installation.close()
