"""Servers with a scheduler of their own: greenlets of gevent and eventlet, and uWSGI, which forks in C."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest
from process_tools import Program
from stub_shadow import StubShadow

REQUESTS = 40
PORT = "<port>"
_GEVENT = ["-m", "gunicorn", "process_flask_app:app", "-k", "gevent", "-w", "2", "--no-control-socket", "-b"]
_UWSGI = [
    *["-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])", "--http-socket", f"127.0.0.1:{PORT}"],
    *["--master", "--processes", "2", "--die-on-term", "--module", "process_flask_app:app"],
]
UWSGI_PROCESSES = 3  # the master and two workers
COMMANDS = {
    "gunicorn, gevent": [*_GEVENT, f"127.0.0.1:{PORT}"],
    "eventlet": ["process_flask_app.py", PORT],
    "uwsgi": _UWSGI,
    "uwsgi, lazy": [*_UWSGI, "--lazy-apps"],
    "uwsgi, threads": [*_UWSGI, "--enable-threads", "--threads", "4"],
    "uwsgi, hooks": [*_UWSGI, "--py-call-osafterfork"],
}
WARM = ("uwsgi", "uwsgi, hooks")
NOISE = ("Traceback", "Exception ignored", "production is not affected")


@pytest.fixture
def serve(start: Callable[..., Program], shadow: StubShadow) -> Callable[..., Program]:
    def serve(name: str, **more: str) -> Program:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [word.replace(PORT, str(port)) for word in COMMANDS[name]]
        return start(*command, port=port, SHADOW_TARGETS=shadow.url, **more)

    return serve


def asked_and_ended(program: Program) -> None:
    assert program.ask_many(REQUESTS) == [b"[1]"] * REQUESTS
    assert program.statistics()  # drained
    end(program)
    program.wait_gone()


def end(program: Program) -> None:
    """Tell the server to end once all its processes listen to that.

    uWSGI's own workers overhear it while they load the app, with the mirror and without; the master then
    kills them after a minute.
    """
    if "pyuwsgi" in str(program.process.args):
        program.wait_catching(signal.SIGTERM, UWSGI_PROCESSES)
    program.tell(signal.SIGTERM)
    program.wait()


@pytest.mark.fault("trio")
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("queue", ["process:", "inline:"])
def test_every_request_is_in_the_books(serve: Callable[..., Program], name: str, queue: str) -> None:
    program = serve(name, SHADOW_QUEUE=queue)
    asked_and_ended(program)
    books = program.books(REQUESTS)
    assert books == dict.fromkeys(("eligible", "compared", "agree"), REQUESTS), program.log
    assert not any(noise in program.log for noise in NOISE), program.log


@pytest.mark.fault("forks")
@pytest.mark.parametrize("name", WARM)
@pytest.mark.parametrize("queue", ["process:", "inline:"])
def test_workers_mirror_though_the_app_was_mirrored_before_the_fork(
    serve: Callable[..., Program], name: str, queue: str
) -> None:
    """The thread that keeps the connection stays behind in the parent."""
    program = serve(name, SHADOW_QUEUE=queue, SERVED_HOW="warm")
    asked_and_ended(program)
    books = program.books(REQUESTS)
    assert books["eligible"] in (REQUESTS, REQUESTS + 1), "the parent is asked once, and may end by a kill"
    assert books["compared"] >= REQUESTS
    assert not any(noise in program.log for noise in NOISE), program.log


def test_a_uwsgi_without_threads_serves_as_without_the_mirror(
    serve: Callable[..., Program], shadow: StubShadow
) -> None:
    program = serve("uwsgi", SERVED_HOW="frozen")
    assert program.ask_many(REQUESTS) == [b"[1]"] * REQUESTS
    assert program.statistics() == {}
    end(program)
    assert shadow.asked == []
    said = "mirroring is off: this uWSGI runs no Python threads; start it with --enable-threads"
    assert program.log.count(said) == 1, program.log


@pytest.mark.fault("hangs")
@pytest.mark.parametrize("name", ["eventlet", "gunicorn, gevent"])
@pytest.mark.parametrize("queue", ["process:", "inline:"])
def test_a_shadow_that_hangs_holds_no_answer(start: Any, name: str, queue: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [word.replace(PORT, str(port)) for word in COMMANDS[name]]
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        program = start(
            *command,
            port=port,
            SHADOW_TARGETS=url,
            SHADOW_QUEUE=queue,
            SHADOW_TIMEOUT_SECONDS="600",
            SHADOW_DRAIN_SECONDS="0.5",
        )
        assert program.ask_many(REQUESTS) == [b"[1]"] * REQUESTS
        listener.settimeout(30)
        listener.accept()[0].close()  # it is asked
        assert program.ask_many(REQUESTS) == [b"[1]"] * REQUESTS
