"""Real servers as subprocesses, and raw connections to them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from clean_environment import clean_environment

HERE = Path(__file__).parent
SERVERS = {
    "uvicorn, asyncio, h11": [
        "uvicorn",
        "server_app:app",
        "--port",
        "0",
        "--loop",
        "asyncio",
        "--http",
        "h11",
    ],
    "uvicorn, uvloop, httptools": [
        "uvicorn",
        "server_app:app",
        "--port",
        "0",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
    ],
    "hypercorn, asyncio": ["hypercorn", "server_app:app", "-b", "127.0.0.1:0", "-k", "asyncio"],
    "hypercorn, trio": ["hypercorn", "server_app:app", "-b", "127.0.0.1:0", "-k", "trio"],
}
PORT = "<port>"
_GUNICORN = ["gunicorn", "--no-control-socket", "-b", "127.0.0.1:0"]
#: Servers that bring processes of their own.
MASTERS = {
    "gunicorn, uvicorn worker": [*_GUNICORN, "server_app:app", "-k", "uvicorn_worker.UvicornWorker"],
    "granian": ["granian", "--interface", "asgi", "server_app:app", "--port", PORT],
}
WSGI_SERVERS = {
    "gunicorn, sync": [*_GUNICORN, "wire_wsgi_app:app"],
    "gunicorn, gthread": [*_GUNICORN, "wire_wsgi_app:app", "--threads", "4"],
    "gunicorn, gevent": [*_GUNICORN, "wire_wsgi_app:app", "-k", "gevent"],
    "waitress": ["wire_wsgi_app", "waitress", PORT],
    "uwsgi": ["wire_wsgi_app", "uwsgi", PORT],
    "wsgiref": ["wire_wsgi_app", "wsgiref", PORT],
    "granian, wsgi": [
        *["granian", "--interface", "wsgi", "wire_wsgi_app:app", "--port", PORT],
        *["--blocking-threads", "4"],
    ],
}
_ADDRESS = re.compile(r"(?:[Rr]unning on|Listening at:) http://127\.0\.0\.1:(\d+)")
#: What a process that ends well does not print.
NOISE = re.compile(r"Traceback|Warning|was destroyed|never retrieved|[Uu]nclosed|Exception ignored")
_DEADLINE_SECONDS = 45.0


def until(done: Callable[[], Any], what: str) -> Any:
    """Ask an outside process again and again until it says something; fails at a deadline."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if answer := done():
            return answer
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {_DEADLINE_SECONDS:g} s")


class Server:
    """One server process; started at once, waited for on first use."""

    def __init__(
        self,
        command: list[str],
        folder: Path,
        *,
        python: tuple[str, ...] = (),
        cwd: Path = HERE,
        **environment: str,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store = folder / "store"
        self._log = folder / "stderr"
        clean = clean_environment()
        ours = {"SHADOW_STORE": str(self.store), "SHADOW_QUEUE": "inline:"}
        self._port = free_port() if PORT in command else 0
        command = [word.replace(PORT, str(self._port)) for word in command]
        paths = os.pathsep.join([str(cwd), str(HERE), os.environ.get("PYTHONPATH", "")])
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *python, "-m", *command],
                cwd=cwd,
                env={**clean, "PYTHONPATH": paths, **ours, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @cached_property
    def port(self) -> int:
        def find() -> int:
            assert self.process.poll() is None, self.log
            if self._port:
                return self._port if listens(self._port) else 0
            found = _ADDRESS.search(self.log)
            return int(found[1]) if found else 0

        return until(find, f"a server that listens, it says {self.log}")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), _DEADLINE_SECONDS)

    def send(self, *parts: bytes) -> bytes:
        """All that comes back until the server closes the connection."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return read_all(connection)

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        answer = self.send(b"GET %s HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" % path.encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")), (answer, self.log)
        return json.loads(body)

    def counts(self) -> dict[str, int]:
        """The books of all routes once everything is drained."""
        answer = self.get("/statistics")
        assert answer["is_drained"]
        counts: Counter[str] = Counter()
        for mirror in answer["mirrors"]:
            for shadow in mirror["shadows"]:
                for route in shadow["routes"].values():
                    counts.update(route)
        return dict(counts)

    def tell(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code."""
        try:
            return self.process.wait(_DEADLINE_SECONDS)
        finally:
            self.kill()

    def stop(self, number: int = signal.SIGTERM) -> float:
        """How many seconds the server takes to end."""
        started = time.monotonic()
        self.tell(number)
        self.wait()
        return time.monotonic() - started

    def kill(self) -> None:
        """End what is left of the session that we started."""
        for pid in session(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process.returncode is None:
            self.process.wait(10)

    def records(self) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """The comparisons in the store, and the sums of its tallies."""
        return read_store(self.store)


_given: set[int] = set()


def free_port() -> int:
    """A port that nobody has, and that nobody else was told."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Pair:
    """The same server twice."""

    bare: Server
    mirrored: Server


def read_store(store: Path) -> tuple[list[dict[str, Any]], dict[str, int]]:
    lines = [
        json.loads(line) for path in (store / "hot").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    tally: Counter[str] = Counter()
    for line in lines:
        tally.update(line.get("counts", {}))
    return [line for line in lines if line["kind"] == "comparison"], dict(tally)


def read_all(connection: socket.socket) -> bytes:
    data = bytearray()
    try:
        while chunk := connection.recv(65536):
            data += chunk
    except ConnectionResetError:
        data += b"<reset>"
    return bytes(data)


def read_until(connection: socket.socket, ending: bytes) -> bytes:
    data = b""
    while not data.endswith(ending):
        chunk = connection.recv(65536)
        assert chunk, f"the connection ended after {data!r}"
        data += chunk
    return data


def session(leader: int) -> list[int]:
    """All processes of a session, zombies left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            _, _, rest = (entry / "stat").read_text().rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, _, its_session = rest.split()[:4]
        if int(its_session) == leader and state not in "ZX":
            found.append(int(entry.name))
    return found


def post(
    body: bytes = b'{"x": [1, 2, 3]}', query: str = "", *headers: bytes, method: bytes = b"POST"
) -> bytes:
    """A request that ends its connection."""
    lines = [
        method + b" /predict" + (b"?" + query.encode() if query else b"") + b" HTTP/1.1",
        b"host: a",
        b"content-type: application/json",
        *headers,
    ]
    if not any(header.lower().startswith(b"transfer-encoding") for header in headers):
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


CLOSE = b"connection: close"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
