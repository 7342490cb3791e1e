"""An app that installs uvloop for all its threads and mirrors with `inline:` to the URL it is given."""

from __future__ import annotations

import asyncio
import sys
import warnings
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from asgi_driver import chunked, http_scope, serve

from shadow_mw import ShadowMiddleware
from shadow_mw.testing import drain

JSON = (b"content-type", b"application/json")


async def app(scope: Any, receive: Any, send: Any) -> None:
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [JSON]})
    await send({"type": "http.response.body", "body": body})


def main(url: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        uvloop.install()
    middleware = ShadowMiddleware(app, targets=url, routes="POST /predict", queue="inline:")

    async def predictions() -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        for _ in range(5):
            assert not (await serve(middleware, http_scope(headers=[JSON]), chunked(b'{"x": 1}'))).error

    asyncio.run(predictions())
    assert drain(20)
    [shadow] = middleware._installation.statistics().shadows
    counts = shadow.routes["POST /predict"]
    sys.stdout.write(" ".join(f"{word}={count}" for word, count in counts.items() if count))


if __name__ == "__main__":
    main(sys.argv[1])
