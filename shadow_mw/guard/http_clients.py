"""HTTP clients under watch: httpcore (httpx), urllib3 (requests), aiohttp, http.client (urllib.request)."""

from __future__ import annotations

from typing import Any

from shadow_mw.guard.outgoing import host_of, http_call
from shadow_mw.guard.patching import Undo, all_of, replaced
from shadow_mw.guard.watch import Watch, current, vouched

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def httpcore_sync(module: Any) -> Undo:
    """Every request of httpcore's pools, which are httpx's transports."""

    def make(original: Any) -> Any:
        def handle_request(pool: Any, request: Any) -> Any:
            watch = current()
            if watch is None:
                return original(pool, request)
            _judge_httpcore(watch, request)
            with vouched():
                return original(pool, request)

        return handle_request

    return replaced(module.ConnectionPool, "handle_request", make)


def httpcore_async(module: Any) -> Undo:
    """The same, awaited."""

    def make(original: Any) -> Any:
        async def handle_async_request(pool: Any, request: Any) -> Any:
            watch = current()
            if watch is None:
                return await original(pool, request)
            _judge_httpcore(watch, request)
            with vouched():
                return await original(pool, request)

        return handle_async_request

    return replaced(module.AsyncConnectionPool, "handle_async_request", make)


def urllib3(module: Any) -> Undo:
    """Every request of urllib3's pools: judged before a connection is made for it."""

    def make(original: Any) -> Any:
        def urlopen(pool: Any, method: str, url: str, *arguments: Any, **named: Any) -> Any:
            watch = current()
            if watch is None:
                return original(pool, method, url, *arguments, **named)
            http_call(watch, method, *host_of(url, pool.host, pool.port or _PORTS.get(pool.scheme)))
            with vouched():
                return original(pool, method, url, *arguments, **named)

        return urlopen

    return replaced(module.HTTPConnectionPool, "urlopen", make)


def aiohttp(module: Any) -> Undo:
    """Every request of aiohttp's sessions, redirects too: judged before it gets a connection."""

    def make(original: Any) -> Any:
        async def connect(connector: Any, request: Any, *arguments: Any, **named: Any) -> Any:
            watch = current()
            if watch is None:
                return await original(connector, request, *arguments, **named)
            url = request.url
            upgrades = bool(request.headers.get("Upgrade"))
            http_call(watch, request.method, url.host, url.port, writes=upgrades)
            with vouched():
                return await original(connector, request, *arguments, **named)

        return connect

    return replaced(module.BaseConnector, "connect", make)


def http_client(module: Any) -> Undo:
    """Every request of the standard library's connections; what is put together by hand is judged too."""

    def make_request(original: Any) -> Any:
        def request(connection: Any, method: str, url: str, *arguments: Any, **named: Any) -> Any:
            watch = current()
            if watch is None:
                return original(connection, method, url, *arguments, **named)
            http_call(watch, method, *host_of(url, *_peer_of(connection)))
            with vouched():
                return original(connection, method, url, *arguments, **named)

        return request

    def make_putrequest(original: Any) -> Any:
        def putrequest(connection: Any, method: str, url: str, *arguments: Any, **named: Any) -> Any:
            watch = current()
            if watch is not None:
                http_call(watch, method, *host_of(url, *_peer_of(connection)))
            return original(connection, method, url, *arguments, **named)

        return putrequest

    return all_of(
        replaced(module.HTTPConnection, "request", make_request),
        replaced(module.HTTPConnection, "putrequest", make_putrequest),
    )


def _peer_of(connection: Any) -> tuple[str, int | None]:
    if getattr(connection, "_tunnel_host", None):
        return connection._tunnel_host, connection._tunnel_port  # noqa: SLF001 it has no public name
    return connection.host, connection.port


def _judge_httpcore(watch: Watch, request: Any) -> None:
    url = request.url
    scheme = url.scheme.decode("ascii", "replace")
    upgrades = any(name.lower() == b"upgrade" for name, _ in request.headers)
    host, port = url.host.decode("ascii", "replace"), url.port or _PORTS.get(scheme)
    http_call(watch, request.method.decode("ascii", "replace"), host, port, writes=upgrades)
