"""A server behind the guard, with everything that it might write to."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
from clean_environment import clean_environment
from store_servers import free_port
from stub_shadow import StubShadow

HERE = Path(__file__).parent
MARKED = {"shadow-request": "candidate"}
BAGGAGE = {"baggage": "a=b,shadow_mw.role=shadow"}


class Site:
    """One server, and what was written so far."""

    def __init__(self, url: str, target: StubShadow, folder: Path, aws_url: str) -> None:
        self.url = url
        self.folder = folder
        self._target = target
        self._s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=aws_url)

    def ask(self, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return httpx.post(self.url + path, headers=headers, timeout=60, **more)

    def counts(self) -> dict[str, dict[str, int]]:
        return httpx.get(self.url + "/counts", timeout=60).json()

    def written(self) -> dict[str, Any]:
        """All that there is at the targets."""
        with contextlib.closing(sqlite3.connect(self.folder / "site.db")) as connection:
            rows = connection.execute("SELECT value FROM predictions").fetchall()
        return {
            "requests": [asked.body for asked in self._target.asked if asked.method != "GET"],
            "rows": rows,
            "objects": [one["Key"] for one in self._s3.list_objects_v2(Bucket="guarded").get("Contents", [])],
            "files": sorted(path.name for path in (self.folder / "files").iterdir()),
        }

    def close(self) -> None:
        self._s3.close()


@contextlib.contextmanager
def running_site(kind: str, folder: Path, aws_url: str, **guard: str) -> Iterator[Site]:
    """A server of this kind (`fastapi`, `flask`), with these variables."""
    (folder / "files").mkdir(parents=True)
    (folder / "scratch").mkdir()
    (folder / "files" / "kept").write_bytes(b"kept")
    with contextlib.closing(sqlite3.connect(folder / "site.db")) as connection:
        connection.execute("CREATE TABLE predictions (id INTEGER PRIMARY KEY, value FLOAT)")
        connection.execute("INSERT INTO predictions (value) VALUES (0)")
        connection.commit()
    with StubShadow() as target, running_server(kind, folder, target.url, aws_url, guard) as url:
        site = Site(url, target, folder, aws_url)
        yield site
        site.close()


@contextlib.contextmanager
def running_server(
    kind: str, folder: Path, target_url: str, aws_url: str, guard: dict[str, str]
) -> Iterator[str]:
    port = free_port()
    environment = {
        **clean_environment(),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent)]),
        "TARGET_URL": target_url,
        "TARGET_DATABASE": str(folder / "site.db"),
        "TARGET_FOLDER": str(folder / "files"),
        "TARGET_AWS": aws_url,
        "TMPDIR": str(folder / "scratch"),
        **guard,
    }
    programs = {
        "fastapi": ["uvicorn", "guard_fastapi_app:app", "--port", str(port)],
        "gunicorn": ["gunicorn", "-k", "gthread", "-b", f"127.0.0.1:{port}", "guard_flask_app:app"],
        "flask": ["waitress", f"--listen=127.0.0.1:{port}", "guard_flask_app:app"],
    }
    log = folder / "server.log"
    command = [sys.executable, "-m", *programs[kind]]
    with log.open("w") as said, subprocess.Popen(command, env=environment, stdout=said, stderr=said) as child:
        try:
            wait_for(f"http://127.0.0.1:{port}/counts", child, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.kill()


def wait_for(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert child.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        with contextlib.suppress(httpx.TransportError):
            httpx.get(url)
            return
        time.sleep(0.05)  # another process gives no event to wait for


@contextlib.contextmanager
def running_aws(log: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as child:
        try:
            wait_for(f"http://127.0.0.1:{port}/moto-api/", child, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            child.kill()
