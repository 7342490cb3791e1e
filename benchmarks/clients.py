"""What one call to an HTTP shadow costs, by client: `python benchmarks/clients.py`.

Each client runs in a process of its own on one core, as in the mirror process; the server runs in
another on another core. Candidates that are not installed are left out (`pip install aiohttp pyreqwest`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shadow_mw.protocols import Shadow
from shadow_mw.records import Answer, CapturedRequest
from shadow_mw.targets import Target

_HERE = Path(__file__).parent
_CONCURRENCY = 8
_WARM_UP_CALLS = 200
_PACED_PER_SECOND = 200
_MAX_BODY_BYTES = 2**20
_REQUEST = CapturedRequest(
    exchange_id="0190a5f0-0000-7000-8000-000000000000",
    request_id="abc-123",
    ts_us=0,
    method="POST",
    route="POST /predict",
    path="/predict",
    headers=((b"content-type", b"application/json"), (b"accept", b"*/*"), (b"accept-language", b"en")),
    body=json.dumps({"features": [number * 1.0001 for number in range(30)]}).encode(),
)
_OURS = {
    "X-Request-ID": "abc-123",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "baggage": "shadow_mw.role=shadow",
}


def _all_headers(request: CapturedRequest, ours: Mapping[str, str]) -> list[tuple[str, str]]:
    theirs = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
    return [*theirs, *ours.items(), ("accept-encoding", "identity"), ("shadow-request", "candidate")]


class AiohttpShadow:
    def __init__(self, url: str) -> None:
        import aiohttp
        from yarl import URL

        self._url = URL(f"{url}/predict", encoded=True)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_CONCURRENCY),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Accept"),
        )

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        call = self._session.request(
            request.method,
            self._url,
            data=request.body,
            headers=_all_headers(request, headers),
            allow_redirects=False,
        )
        async with call as response:
            body = b"".join([chunk async for chunk in response.content.iter_any()])
            return Answer(status=response.status, body=body)

    async def aclose(self) -> None:
        await self._session.close()


class PyreqwestShadow:
    def __init__(self, url: str) -> None:
        from pyreqwest.client import ClientBuilder

        self._url = f"{url}/predict"
        builder = ClientBuilder().http1_only().no_proxy().follow_redirects(False).referer(False)
        builder = builder.gzip(False).brotli(False).zstd(False).deflate(False)
        self._client = builder.max_connections(_CONCURRENCY).build()

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        call = self._client.request(request.method, self._url).headers(_all_headers(request, headers))
        async with call.body_bytes(request.body).build_streamed() as response:
            chunks = []
            while (chunk := await response.body_reader.read_chunk()) is not None:
                chunks.append(bytes(chunk))
            return Answer(status=response.status, body=b"".join(chunks))

    async def aclose(self) -> None:
        await self._client.close()


class HttpcoreShadow:
    def __init__(self, url: str) -> None:
        import httpcore

        self._url = f"{url}/predict"
        self._pool = httpcore.AsyncConnectionPool(max_connections=_CONCURRENCY)

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        response = await self._pool.request(
            request.method, self._url, headers=_all_headers(request, headers), content=request.body
        )
        return Answer(status=response.status, body=response.content)

    async def aclose(self) -> None:
        await self._pool.aclose()


class HttpxAiohttpShadow:
    """httpx's own objects over aiohttp's connections."""

    def __init__(self, url: str) -> None:
        import httpx
        from httpx_aiohttp import AiohttpTransport

        self._url = httpx.URL(f"{url}/predict")
        self._transport = AiohttpTransport(limits=httpx.Limits(max_connections=_CONCURRENCY))

    async def ask(self, request: CapturedRequest, headers: Mapping[str, str]) -> Answer:
        import httpx

        call = httpx.Request(
            request.method, self._url, headers=_all_headers(request, headers), content=request.body
        )
        response = await self._transport.handle_async_request(call)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        body = b"".join([chunk async for chunk in response.stream])
        await response.aclose()
        return Answer(status=response.status_code, body=body)

    async def aclose(self) -> None:
        await self._transport.aclose()


def _ours(module: str, name: str) -> Callable[[str], Shadow]:
    def make(url: str) -> Shadow:
        kind = getattr(importlib.import_module(f"shadow_mw.shadows.{module}"), name)
        shadow: Shadow = kind(
            Target("candidate", url), max_body_bytes=_MAX_BODY_BYTES, max_connections=_CONCURRENCY
        )
        return shadow

    return make


#: Each candidate, the library that it needs, and what makes it. Only ours do all that a shadow promises.
CANDIDATES: dict[str, tuple[str, Callable[[str], Shadow]]] = {
    "httpx (default)": ("httpx", _ours("http", "HTTPShadow")),
    "httpx over aiohttp": ("httpx_aiohttp", HttpxAiohttpShadow),
    "httpcore": ("httpcore", HttpcoreShadow),
    "pyreqwest": ("pyreqwest", PyreqwestShadow),
    "aiohttp": ("aiohttp", AiohttpShadow),
    "httptools (`fast`)": ("httptools", _ours("fast", "FastHTTPShadow")),
}


async def _flood(shadow: Shadow, calls: int) -> None:
    left = calls

    async def ask() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await shadow.ask(_REQUEST, _OURS)

    await asyncio.gather(*[ask() for _ in range(_CONCURRENCY)])


async def _pace(shadow: Shadow, calls: int) -> None:
    begun = time.perf_counter()
    under_way = []
    for number in range(calls):
        await asyncio.sleep(max(begun + number / _PACED_PER_SECOND - time.perf_counter(), 0.0))
        under_way.append(asyncio.create_task(shadow.ask(_REQUEST, _OURS)))
    await asyncio.gather(*under_way)


async def measure(name: str, url: str, calls: int, *, paced: bool) -> dict[str, float]:
    """CPU of the whole process, the client's own threads too, and calls a second by the clock."""
    shadow = CANDIDATES[name][1](url)
    await _flood(shadow, _WARM_UP_CALLS)
    gc.collect()
    clock, cpu = time.perf_counter(), time.process_time()
    await (_pace if paced else _flood)(shadow, calls)
    seconds, cpu_seconds = time.perf_counter() - clock, time.process_time() - cpu
    await shadow.aclose()
    return {"cpu_us": cpu_seconds / calls * 1e6, "per_second": calls / seconds}


def _in_own_process(name: str, port: str, calls: int, *, paced: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", name, "--port", port, "--calls", str(calls)]
    done = subprocess.run([*command, *["--paced"] * paced], capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _installed(name: str) -> bool:
    return importlib.util.find_spec(CANDIDATES[name][0]) is not None


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def compare(rounds: int, calls: int) -> dict[str, dict[str, dict[str, float]]]:
    """The medians of interleaved rounds, at full speed and paced."""
    runs: dict[str, dict[str, list[dict[str, float]]]] = {}
    server = [sys.executable, str(_HERE / "client_server.py")]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        port = child.stdout.readline().strip()
        pin(child.pid, -1)
        for _ in range(rounds):
            for name in filter(_installed, CANDIDATES):
                one = runs.setdefault(name, {"full": [], "paced": []})
                one["full"].append(_in_own_process(name, port, calls, paced=False))
                one["paced"].append(_in_own_process(name, port, min(calls, 400), paced=True))
    return {name: {how: _medians(all_) for how, all_ in one.items()} for name, one in runs.items()}


def pin(pid: int, core: int) -> None:
    """Keep a process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, {cores[core]})


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """The rows for docs/performance.md."""
    base = found["httpx (default)"]["full"]["cpu_us"]
    rows = [
        "| client | CPU a call at full speed | of httpx | calls/s on one core | CPU a call at 200 calls/s |",
        "|---|---|---|---|---|",
    ]
    for name, one in found.items():
        cpu, paced = one["full"]["cpu_us"], one["paced"]["cpu_us"]
        speed = one["full"]["per_second"]
        rows.append(f"| {name} | {cpu:,.0f} µs | {cpu / base:.2f} | {speed:,.0f} | {paced:,.0f} µs |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--port", help=argparse.SUPPRESS)
    parser.add_argument("--paced", action="store_true", help=argparse.SUPPRESS)
    given: Any = parser.parse_args()
    if given.one:
        pin(0, 0)
        url = f"http://127.0.0.1:{given.port}"
        print(json.dumps(asyncio.run(measure(given.one, url, given.calls, paced=given.paced))), flush=True)
        os._exit(
            0
        )  # pyreqwest 0.15's thread aborts an interpreter that ends in an ordinary way, now and then
    else:
        print(table(compare(given.rounds, given.calls)))


if __name__ == "__main__":
    main()
