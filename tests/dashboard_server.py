"""A real server for an ASGI app, on a thread of the test."""

from __future__ import annotations

import socket
import threading

import anyio
import httpx
import uvicorn


class Server:
    """Answers from the moment it is made until `stop`."""

    def __init__(self, app) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._thread.start()
        # The listener takes connections already; they are answered as soon as the server is up.
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        self._listener.close()


class Visitor:
    """Asks an ASGI app from a given machine, by a given name; keeps cookies, follows nothing."""

    def __init__(self, app, host: str = "127.0.0.1:8400", peer: str = "127.0.0.1") -> None:
        transport = httpx.ASGITransport(app=app, client=(peer, 50000))
        self._client = httpx.AsyncClient(transport=transport, base_url=f"http://{host}")

    @property
    def base_url(self) -> httpx.URL:
        return self._client.base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        self._client.base_url = httpx.URL(url)

    def get(self, path: str, **options) -> httpx.Response:
        return self.request("GET", path, **options)

    def request(self, method: str, path: str, **options) -> httpx.Response:
        return anyio.run(lambda: self._client.request(method, path, **options))
