"""The app behind the servers of these tests: plain ASGI, on any event loop; `BARE=1` leaves the line out."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import anyio
import msgspec
from odd_answers import ODD, read

heard: list[str] = []


async def respond(send: Any, body: bytes, status: int = 200, *headers: tuple[bytes, bytes]) -> None:
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def core(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["path"] == "/predict":
        await PREDICT[scope["query_string"].decode().partition("&")[0]](receive, send)
    else:
        await LOOK[scope["path"]](send)


async def live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def digest(receive: Any, send: Any) -> None:
    """Read the whole body and answer its length and checksum; note it if the caller left before."""
    size, checksum, more = 0, 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            heard.append(f"left after {'some' if size else 'no'} bytes")
            return
        size += len(message["body"])
        checksum = zlib.crc32(message["body"], checksum)
        more = message.get("more_body", False)
    await respond(send, json.dumps({"size": size, "crc32": checksum}).encode(), 200, (b"x-model", b"1"))


async def stream(receive: Any, send: Any) -> None:
    await read(receive)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for chunk in (b"one ", b"", b"two ", b"three"):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def endless(receive: Any, send: Any) -> None:
    """Stream until the caller leaves."""
    await read(receive)
    async with anyio.create_task_group() as group:
        group.start_soon(pour, send)
        heard.append((await receive())["type"])
        group.cancel_scope.cancel()


async def pour(send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    while True:
        await send({"type": "http.response.body", "body": b"more ", "more_body": True})
        await anyio.sleep(0.005)


async def refuse(receive: Any, send: Any) -> None:
    """Answer without reading a byte."""
    await respond(send, b'{"detail": "too much"}', 417, (b"connection", b"close"))


async def skim(receive: Any, send: Any) -> None:
    """Answer after the first part of the body."""
    await receive()
    await respond(send, b'{"y": 1}', 200, (b"connection", b"close"))


async def fail(receive: Any, send: Any) -> None:
    await read(receive)
    raise LookupError("the app's own")


async def fail_late(receive: Any, send: Any) -> None:
    await read(receive)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise LookupError("the app's own")


async def empty(receive: Any, send: Any) -> None:
    await read(receive)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def show_heard(send: Any) -> None:
    await respond(send, json.dumps(heard).encode())


async def show_process(send: Any) -> None:
    await respond(send, json.dumps({"pid": os.getpid(), "peak_kib": peak_kib()}).encode())


def peak_kib() -> int:
    """The most memory this process has held; what getrusage calls so is inherited from its starter."""
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])


async def show_statistics(send: Any) -> None:
    from shadow_mw import statistics
    from shadow_mw.testing import drain

    is_drained = await anyio.to_thread.run_sync(drain)
    mirrors = msgspec.to_builtins(statistics())
    await respond(send, json.dumps({"is_drained": is_drained, "mirrors": mirrors}).encode())


PREDICT = {
    "": digest,
    "stream": stream,
    "endless": endless,
    "refuse": refuse,
    "skim": skim,
    "fail": fail,
    "fail-late": fail_late,
    "empty": empty,
    **ODD,
}
LOOK = {"/heard": show_heard, "/process": show_process, "/statistics": show_statistics}

if os.environ.get("BARE"):
    app: Any = core
else:
    from shadow_mw import ShadowMiddleware

    app = ShadowMiddleware(core)
