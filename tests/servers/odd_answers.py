"""Answers of an ASGI app that servers treat each in its own way, right ones and wrong ones."""

from __future__ import annotations

from typing import Any

import anyio

TEXT = (b"content-type", b"text/plain")
LARGE = bytes(range(256)) * 2000


async def read(receive: Any) -> None:
    while (await receive()).get("more_body", False):
        pass


async def start(send: Any, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def body(send: Any, data: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def odd_headers(receive: Any, send: Any) -> None:
    await read(receive)
    cookies = [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2"), (b"set-cookie", b"a=1; Path=/")]
    others = [
        (b"x-empty", b""),
        (b"x-latin", b"\xe9\xff"),
        (b"X-Mixed-Case", b"  spaced  "),
        (b"server", b"mine"),
    ]
    await start(send, TEXT, *cookies, *others, (b"vary", b"a"), (b"vary", b"b"), status=299)
    await body(send, b"odd")


async def large(receive: Any, send: Any) -> None:
    await read(receive)
    await start(send, TEXT)
    await body(send, LARGE, more=True)
    await body(send, LARGE)


async def not_modified(receive: Any, send: Any) -> None:
    await read(receive)
    await start(send, (b"etag", b'"1"'), status=304)
    await body(send, b"")


async def too_short(receive: Any, send: Any) -> None:
    await read(receive)
    await start(send, TEXT, (b"content-length", b"10"))
    await body(send, b"short")


async def too_long(receive: Any, send: Any) -> None:
    await read(receive)
    await start(send, TEXT, (b"content-length", b"3"))
    await body(send, b"too long")


async def starts_twice(receive: Any, send: Any) -> None:
    await read(receive)
    await start(send, TEXT)
    await start(send, TEXT, status=201)
    await body(send, b"twice")


async def body_first(receive: Any, send: Any) -> None:
    await read(receive)
    await body(send, b"first")


async def nothing(receive: Any, send: Any) -> None:
    await read(receive)


async def never_ends(receive: Any, send: Any) -> None:
    """Return in the middle of the body."""
    await read(receive)
    await start(send, TEXT)
    await body(send, b"half", more=True)


async def fails_before_reading(receive: Any, send: Any) -> None:
    raise LookupError("the app's own")


async def fails_before_its_body(receive: Any, send: Any) -> None:
    await read(receive)
    await start(send, TEXT)
    raise LookupError("the app's own")


async def fails_afterwards(receive: Any, send: Any) -> None:
    await read(receive)
    await start(send, TEXT, (b"content-length", b"4"))
    await body(send, b"done")
    raise LookupError("the app's own")


async def says_more_afterwards(receive: Any, send: Any) -> None:
    await read(receive)
    await start(send, TEXT, (b"content-length", b"4"))
    await body(send, b"done")
    await body(send, b"and more")


async def echo(receive: Any, send: Any) -> None:
    """Answer while the body is still being read."""
    await start(send, TEXT)
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if data := message.get("body", b""):
            await body(send, data.upper(), more=True)
    await body(send, b"")


async def file(receive: Any, send: Any) -> None:
    """Let the server send a file by itself; those that can't say so by an error."""
    await read(receive)
    await start(send, TEXT)
    await send({"type": "http.response.pathsend", "path": __file__})


async def gated(receive: Any, send: Any) -> None:
    """Say one thing, and the next when a caller at the port named in the body lets it."""
    port = int((await receive())["body"])
    await start(send, TEXT)
    await body(send, b"one ", more=True)
    async with await anyio.connect_tcp("127.0.0.1", port) as gate:
        await gate.receive(1)
    await body(send, b"two ", more=True)
    await body(send, b"")


ODD = {
    "odd-headers": odd_headers,
    "large": large,
    "not-modified": not_modified,
    "too-short": too_short,
    "too-long": too_long,
    "starts-twice": starts_twice,
    "body-first": body_first,
    "nothing": nothing,
    "never-ends": never_ends,
    "fails-before-reading": fails_before_reading,
    "fails-before-its-body": fails_before_its_body,
    "fails-afterwards": fails_afterwards,
    "says-more-afterwards": says_more_afterwards,
    "echo": echo,
    "file": file,
    "gated": gated,
}
