"""Database servers that tests start for themselves: on loopback, in a folder of their own, stopped again."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

HOW_POSTGRES = "no PostgreSQL server is installed; to run this: apt-get install postgresql"
_NOBODY = 65534
_OPTIONS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "40",
    "shared_buffers": "64MB",
    "unix_socket_directories": "",
}


def find_postgres() -> Path | None:
    """The folder of the server's programs, the newest version's; Debian keeps them out of PATH."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    found = shutil.which("postgres")
    candidates += [Path(found).resolve().parent] if found else []
    return next((path for path in reversed(candidates) if (path / "initdb").exists()), None)


class Postgres:
    """One cluster, which can be stopped and started again in the middle of a test."""

    def __init__(self, programs: Path, folder: Path) -> None:
        """Make the cluster; initdb and the server refuse to run as root, so it belongs to `nobody` then."""
        self._programs = programs
        self._data = folder / "data"
        self._as: list[str] = []
        if os.geteuid() == 0:
            self._as = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
            folder.chmod(0o755)
            os.chown(folder, _NOBODY, _NOBODY)
        self.port = free_port()
        password = folder / "password"
        password.write_text("s3cr@t\n")
        password.chmod(0o644)
        words = ("-U", "keeper", "-A", "scram-sha-256", f"--pwfile={password}", "--no-sync", "-E", "UTF8")
        self._run("initdb", *words, "--locale=C.UTF-8")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://keeper:s3cr%40t@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        import psycopg

        name = f"d{os.urandom(6).hex()}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items())
        self._run("pg_ctl", "-w", "-l", str(self._data / "log"), "-o", f"{options} -p {self.port}", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *words: str) -> None:
        command = [*self._as, str(self._programs / program), "-D", str(self._data), *words]
        # pg_ctl leaves its output open to the server, so a pipe would never end.
        with tempfile.TemporaryFile("w+") as said:
            code = subprocess.call(command, cwd="/", stdout=said, stderr=subprocess.STDOUT, timeout=100)
            said.seek(0)
            assert code == 0, said.read()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_postgres(programs: Path) -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="shadow-mw-pg-", ignore_cleanup_errors=True) as folder:
        server = Postgres(programs, Path(folder))
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):
                server.stop()
