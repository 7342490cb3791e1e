"""Database servers that tests start for themselves: on loopback, in a folder of their own, stopped by pid."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

HOW_POSTGRES = "no PostgreSQL server is installed: apt-get install postgresql"
_FAST = {"fsync": "off", "listen_addresses": "127.0.0.1", "max_connections": "40", "shared_buffers": "64MB"}


def find_postgres() -> Path | None:
    """The folder of the server's programs, the newest version's; Debian keeps them out of PATH."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("postgres")
    candidates += [Path(found).resolve().parent] if found else []
    return next((path for path in reversed(candidates) if (path / "initdb").exists()), None)


class Postgres:
    """One cluster: can be stopped and started again in the middle of a test."""

    def __init__(self, programs: Path, folder: Path) -> None:
        """Make the cluster; initdb and the server refuse to run as root, so it belongs to `nobody` then."""
        self._programs = programs
        self._data = folder / "data"
        self._as = (
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        )
        if self._as:
            os.chown(folder, 65534, 65534)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (folder / "password").write_text("s3cr@t\n")
        (folder / "password").chmod(0o644)
        self._run(
            "initdb", "-U", "keeper", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync"
        )
        self.url = f"postgresql://keeper:s3cr%40t@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in _FAST.items())
        options += f" -p {self.port} -c unix_socket_directories={self._data}"
        self._run("pg_ctl", "-w", "-l", str(self._data / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *words: str) -> None:
        command = [*self._as, str(self._programs / program), "-D", str(self._data), *words]
        done = subprocess.run(
            command,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout


@contextlib.contextmanager
def running_postgres(programs: Path, folder: Path) -> Iterator[Postgres]:
    server = Postgres(programs, folder)
    server.start()
    try:
        yield server
    finally:
        with contextlib.suppress(AssertionError):
            server.stop()
