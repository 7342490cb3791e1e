"""Real servers with several processes share one mirror process, which goes when the last of them has gone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from process_tools import NOISE, Program, Runtime, runtime_folder, session, until
from stub_shadow import StubShadow

REQUESTS = 60
PORT = "<port>"
_GUNICORN = ["gunicorn", "process_app:app", "-k", "uvicorn_worker.UvicornWorker", "-w", "2", "-b"]
_BIND = f"127.0.0.1:{PORT}"
COMMANDS = {
    "uvicorn": ["uvicorn", "process_app:app", "--workers", "4", "--port", PORT],
    "gunicorn": [*_GUNICORN, _BIND],
    "gunicorn, preloaded": [*_GUNICORN, _BIND, "--preload"],
    "gunicorn, gthread": ["gunicorn", "process_wsgi_app:app", "-w", "2", "--threads", "4", "-b", _BIND],
    "gunicorn, gevent": ["gunicorn", "process_wsgi_app:app", "-k", "gevent", "-w", "2", "-b", _BIND],
    "gunicorn, gevent, preloaded": [
        *["gunicorn", "process_wsgi_app:app", "-k", "gevent", "-w", "2", "-b", _BIND],
        "--preload",
    ],
    "hypercorn": ["hypercorn", "process_app:app", "-w", "2", "-b", _BIND],
    "hypercorn, trio": ["hypercorn", "process_app:app", "-w", "2", "-k", "trio", "-b", _BIND],
    "granian": ["granian", "--interface", "asgi", "process_app:app", "--workers", "2", "--port", PORT],
}

#: One of each kind is started once more, to be stopped and not killed.
STOPPED = ("uvicorn", "gunicorn, preloaded", "gunicorn, gevent, preloaded", "hypercorn, trio", "granian")


@dataclass
class Life:
    """One server that is started, asked, killed, started again and stopped; what was seen of it."""

    name: str
    folder: Path
    shadow: StubShadow
    runtime: Runtime
    mirrors: list[int] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    port: int = 0

    def start(self) -> Program:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", self.port))
            self.port = probe.getsockname()[1]
        command = [word.replace(PORT, str(self.port)) for word in COMMANDS[self.name]]
        self.program = Program(
            ["-m", *command], self.folder, self.runtime, port=self.port, SHADOW_TARGETS=self.shadow.url
        )
        return self.program

    def ask(self) -> None:
        assert self.program.ask_many(REQUESTS) == [b"[1]"] * REQUESTS
        self.mirrors = self.runtime.mirrors()


@pytest.fixture(scope="module")
def module_shadow() -> Iterator[StubShadow]:
    with StubShadow() as stub:
        stub._server.socket.listen(128)
        yield stub


@pytest.fixture(scope="module")
def lives(module_shadow: StubShadow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Life]]:
    """All servers at once, so that their starts overlap; each has been asked."""
    with contextlib.ExitStack() as stack:
        found = {
            name: Life(
                name, tmp_path_factory.mktemp("server"), module_shadow, stack.enter_context(runtime_folder())
            )
            for name in COMMANDS
        }
        for life in found.values():
            stack.callback(life.start().kill)
        for life in found.values():
            life.ask()
        yield found


@pytest.fixture(scope="module")
def killed(lives: dict[str, Life]) -> dict[str, Life]:
    """Every process of every server is killed; the mirror processes are left to themselves."""
    for life in lives.values():
        life.program.books(REQUESTS)
        life.program.kill()
    return lives


@pytest.fixture(scope="module")
def ended(killed: dict[str, Life]) -> Iterator[dict[str, Life]]:
    """The same servers once more, asked and then stopped as a service manager does it."""
    again = {name: killed[name] for name in STOPPED}
    with contextlib.ExitStack() as stack:
        for life in again.values():
            life.runtime.wait_gone()
            stack.callback(life.start().kill)
        for life in again.values():
            life.ask()
        for life in again.values():
            life.program.tell(signal.SIGTERM)
        yield again


@pytest.mark.parametrize("name", COMMANDS)
def test_all_processes_of_a_server_share_one_mirror_process(lives: dict[str, Life], name: str) -> None:
    life = lives[name]
    [mirror] = life.mirrors
    assert life.runtime.mirrors() == [mirror]
    books = life.program.books(REQUESTS)
    assert books == {"eligible": REQUESTS, "compared": REQUESTS, "agree": REQUESTS}
    assert Path(f"/proc/{mirror}/comm").read_text() == "shadow_mw\n"
    assert os.sched_getscheduler(mirror) == os.SCHED_IDLE
    until(lambda: serving(life) >= 2, "answers of two processes")
    assert mirror not in life.pids
    assert not any(noise in life.program.log for noise in NOISE), life.program.log


def serving(life: Life) -> int:
    """How many processes of the server have answered until now."""
    life.pids.add(json.loads(life.program.ask("/pid")))
    return len(life.pids)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_mirror_process_holds_nothing_of_the_server(lives: dict[str, Life], name: str) -> None:
    """Above all not its port: callers of a server that has gone would wait for an answer."""
    [mirror] = lives[name].runtime.mirrors()
    inherited = {os.readlink(path) for path in Path(f"/proc/{mirror}/fd").iterdir()}
    server = set()
    for pid in session(lives[name].program.process.pid):
        if pid != mirror:
            server |= {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    shared = {one for one in inherited & server if not one.startswith(("/dev/null", "anon_inode:"))}
    assert shared == set()


@pytest.mark.fault("killed")
@pytest.mark.parametrize("name", COMMANDS)
def test_the_mirror_process_goes_when_the_server_is_killed(killed: dict[str, Life], name: str) -> None:
    life = killed[name]
    life.program.wait_gone()
    assert life.runtime.files == []


@pytest.mark.fault("terminated")
@pytest.mark.parametrize("name", STOPPED)
def test_a_server_that_ends_leaves_nothing_behind(ended: dict[str, Life], name: str) -> None:
    life = ended[name]
    assert len(life.mirrors) == 1
    life.program.wait()
    life.program.wait_gone()
    assert life.program.books(2 * REQUESTS) == dict.fromkeys(("eligible", "compared", "agree"), 2 * REQUESTS)
    assert life.runtime.files == []
    assert not any(noise in life.program.log for noise in NOISE), life.program.log
