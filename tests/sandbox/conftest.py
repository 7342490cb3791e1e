"""Workers as root and as nobody, and what a hostile model could reach."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NOBODY = 65534
#: The suite may run as root, for whom the kernel has other rules; then both are tried.
USERS = [0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]


class Workplace:
    """A worker process of one user."""

    def __init__(self, user: int) -> None:
        self.user = user
        # What the suite itself is given of the environment may name folders that others can't enter.
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "sandbox_worker.py"), str(user)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd="/",
            text=True,
        )

    def ask(self, features: Any, model: str = "hostile_models:any_of_them", **order: Any) -> Any:
        """What a model answered, or the kind and the sentence of what came instead."""
        self.tell(features, model, **order)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the worker has ended: {self.process.wait(30)}"
        return json.loads(line)

    def tell(
        self,
        features: Any,
        model: str = "hostile_models:any_of_them",
        *,
        sandbox: str = "best-effort",
        memory_bytes: int | None = None,
        timeout_seconds: float = 60,
    ) -> None:
        """Ask, and wait for no answer."""
        order = {
            "model": model,
            "features": features,
            "sandbox": sandbox,
            "memory_bytes": memory_bytes,
            "timeout_seconds": timeout_seconds,
        }
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def layers(self, **order: Any) -> dict[str, Any]:
        """Every layer by its name, with its reason where it does not hold, else nothing."""
        told = self.ask("layers", **order)
        assert isinstance(told, list), told
        return {name: "" if holds else why for name, holds, why, _ in told}

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


@pytest.fixture(scope="session", params=USERS, ids=lambda user: f"user-{user}")
def workplace(request: pytest.FixtureRequest) -> Iterator[Workplace]:
    place = Workplace(request.param)
    yield place
    place.end()


@pytest.fixture
def own_workplace(workplace: Workplace) -> Iterator[Workplace]:
    """One that a test may kill."""
    place = Workplace(workplace.user)
    yield place
    place.end()


class Reach:
    """Files that belong to the worker's user, and listeners that should hear nothing."""

    def __init__(self, user: int, stack: contextlib.ExitStack) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="shadow-mw-test-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.file = self.folder / "file"
        self.file.write_text("as it was")
        os.utime(self.file, (1_000_000_000, 1_000_000_000))
        self.tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.udp.bind(("127.0.0.1", 0))
        self.unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        self.unix.bind(str(self.folder / "stream"))
        self.unix.listen()
        self.datagrams = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.datagrams.bind(str(self.folder / "datagrams"))
        for path in (self.folder, *self.folder.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o666)
            os.chown(path, user, -1)
        self.before = self.state()

    @property
    def features(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "file": str(self.file),
            "name": self.folder.name,
            "port": self.tcp.getsockname()[1],
            "udp_port": self.udp.getsockname()[1],
            "unix": str(self.folder / "stream"),
            "unix_datagrams": str(self.folder / "datagrams"),
        }

    def state(self) -> Any:
        """All that a model could have changed; the names, modes, times, attributes and contents."""
        paths = sorted(path for path in self.folder.rglob("*"))
        facts = [
            (path.name, path.lstat().st_mode, path.lstat().st_mtime, path.lstat().st_nlink) for path in paths
        ]
        shared = Path("/dev/shm", self.folder.name).exists()
        return facts, self.file.exists() and (self.file.read_text(), os.listxattr(self.file)), shared

    def heard(self) -> list[str]:
        """Who was called, which the kernel knows without a wait once the caller has come back."""
        told = []
        for name, listener in (("tcp", self.tcp), ("unix", self.unix)):
            listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                listener.accept()[0].close()
                told.append(name)
        for name, listener in (("udp", self.udp), ("unix datagrams", self.datagrams)):
            listener.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                listener.recv(100)
                told.append(name)
        return told


@pytest.fixture
def reach(workplace: Workplace) -> Iterator[Reach]:
    with contextlib.ExitStack() as stack:
        yield Reach(workplace.user, stack)
