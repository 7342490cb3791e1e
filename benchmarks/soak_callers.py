"""The callers of `soak.py`: each asks production and its twin the same, and compares what they say."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import h11
from soak_traffic import Ask, talks

_PATIENCE_SECONDS = 60.0
_READ_BYTES = 65536
_SHOWN = 5


@dataclass
class Heard:
    """What a caller got for one request."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    end: str = ""
    """`whole`, `cut`, `left` (by the caller), or what went wrong."""

    def is_like(self, other: Heard) -> bool:
        """True when nobody could tell the two apart; the date is that of the moment."""
        seen = min(len(self.body), len(other.body)) if self.end == "left" else None
        return (
            (self.status, self.end) == (other.status, other.end)
            and _dateless(self.headers) == _dateless(other.headers)
            and self.body[:seen] == other.body[:seen]
        )


def _dateless(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [one for one in headers if one[0] != b"date"]


class Ledger:
    """What was asked, where the books must have it, and which answers differ."""

    def __init__(self) -> None:
        self.requests = 0
        self.places: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.differing = 0
        self.examples: list[str] = []

    def note(self, ask: Ask, production: Heard, twin: Heard) -> None:
        self.requests += 1
        self.places[ask.place] += 1
        self.ends[f"{twin.status or 'no answer'} {twin.end}"] += 1
        if production.is_like(twin):
            return
        self.differing += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(
                f"{ask.method} {ask.path} {ask.body[:300]!r}\n  {production}\n  {twin}"[:2000]
            )


class Callers:
    """So many callers at once, each of whom asks the next thing after a pause."""

    def __init__(self, seed: str, ports: tuple[int, int], rate: float, count: int, ledger: Ledger) -> None:
        """Ask about `rate` requests a second in all of the servers at the two `ports`."""
        self._ledger = ledger
        self._seed = seed
        self._ports = ports
        self._pause_seconds = count / rate
        self._count = count
        self._is_over = asyncio.Event()

    async def run(self) -> None:
        """Ask until `stop`; then every talk is ended first."""
        await asyncio.gather(*(self._call(number) for number in range(self._count)))

    def stop(self) -> None:
        self._is_over.set()

    async def _call(self, number: int) -> None:
        source = random.Random(f"{self._seed} {number}")
        for talk in talks(source):
            await self._have(talk, source)
            if self._is_over.is_set():
                return

    async def _have(self, talk: Sequence[Ask], source: random.Random) -> None:
        lines = [Line(port) for port in self._ports]
        try:
            for ask in talk:
                with contextlib.suppress(asyncio.TimeoutError):
                    pause = source.expovariate(1 / self._pause_seconds)
                    await asyncio.wait_for(self._is_over.wait(), pause)
                if self._is_over.is_set() or any(line.is_over for line in lines):
                    return
                self._ledger.note(ask, *await asyncio.gather(*(line.ask(ask) for line in lines)))
        finally:
            for line in lines:
                await line.close()


class Line:
    """One connection to one server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._http = h11.Connection(h11.CLIENT)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.is_over = False

    async def ask(self, ask: Ask) -> Heard:
        """Ask and listen; whatever happens is in what was heard."""
        heard = Heard()
        try:
            await asyncio.wait_for(self._exchange(ask, heard), _PATIENCE_SECONDS)
        except h11.RemoteProtocolError:
            heard.end = "cut"
        except ConnectionError:
            # A server that leaves with something unread resets the connection, or ends it, as it happens.
            heard.end = "cut"
        except asyncio.TimeoutError:
            heard.end = "no end"
        self.is_over = self.is_over or heard.end != "whole"
        return heard

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _exchange(self, ask: Ask, heard: Heard) -> None:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await self._send(ask, self._writer)
        if ask.leaves == "upload":
            heard.end = "left"
            return
        await self._hear(ask, heard)

    async def _send(self, ask: Ask, writer: asyncio.StreamWriter) -> None:
        length = ("transfer-encoding", "chunked") if ask.pieces else ("content-length", str(len(ask.body)))
        headers = [("host", "127.0.0.1"), ("content-type", "application/json"), *ask.headers, length]
        writer.write(self._bytes(h11.Request(method=ask.method, target=ask.path, headers=headers)))
        body = ask.body[: len(ask.body) // 2] if ask.leaves == "upload" else ask.body
        size = max(-(-len(body) // max(ask.pieces, 1)), 1)
        for start in range(0, len(body), size):
            writer.write(self._bytes(h11.Data(body[start : start + size])))
            await writer.drain()
        if ask.leaves != "upload":
            writer.write(self._bytes(h11.EndOfMessage()))

    def _bytes(self, event: h11.Event) -> bytes:
        return self._http.send(event) or b""

    async def _hear(self, ask: Ask, heard: Heard) -> None:
        assert self._reader is not None
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_READ_BYTES))
            elif isinstance(event, h11.Response):
                heard.status, heard.headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                heard.body += event.data
                if ask.leaves == "answer":
                    heard.end = "left"
                    return
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                heard.end = "whole"
                self._go_on()
                return

    def _go_on(self) -> None:
        """Make ready for the next request, where the server keeps the connection."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.is_over = True
