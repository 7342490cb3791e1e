"""Programs that are run by a test: `python process_program.py <name>`."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import sys
import threading
from typing import Any

import anyio.lowlevel
from process_tools import App

TARGET = os.environ["SHADOW_TARGETS"]


def app(**settings: Any) -> App:
    return App(TARGET, **settings)


def fork(child: Any) -> None:
    """Run `child` in a child process, which then ends as any interpreter does."""
    pid = os.fork()
    if pid == 0:
        child()
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def one_and_out() -> None:
    """No lifespan, no drain: one request in a program that ends at once."""
    app().ask(b"[1]")


def many_and_out() -> None:
    mine = app()
    for number in range(1, 31):
        mine.ask(b"[%d]" % number)


def large_and_out() -> None:
    app().ask(b'"%s"' % (b"x" * 1_000_000), times=3)


def fork_after_first_use() -> None:
    mine = app()
    mine.ask(b"[1]")
    mine.drained()
    fork(lambda: (mine.ask(b"[2]"), mine.drained()))
    mine.ask(b"[3]")
    fork(lambda: fork(lambda: mine.ask(b"[4]")))
    mine.ask(b"[5]")


def fork_at_once() -> None:
    """Forks while the parent's keeper is just starting the process."""
    mine = app()
    for number in range(1, 6):
        mine.ask(b"[%d]" % number)
        fork(lambda number=number: mine.ask(b"[%d]" % (10 * number)))


def multiprocessing_fork() -> None:
    mine = app()
    mine.ask(b"[1]")
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=lambda number=number: (mine.ask(b"[%d]" % number), mine.drained()))
        for number in (2, 3, 4)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    mine.ask(b"[5]")


def parent_dies_child_lives() -> None:
    """The child has nothing of its parent's connection: the parent's end is seen although it lives on."""
    mine = app()
    mine.ask(b"[1]")
    mine.drained()
    if os.fork() == 0:
        sys.stdin.read()
        sys.stderr.write("the child lives\n")
        threading.Event().wait()
    os._exit(0)


def threads_and_out() -> None:
    mine = app(queue_size=10_000)
    threads = [threading.Thread(target=mine.ask, kwargs={"times": 20}) for _ in range(8)]
    for thread in threads:
        thread.start()


def on_trio() -> None:
    from asgi_driver import chunked, http_scope, run

    mine = app()
    for _ in range(3):
        assert not run(mine.middleware, http_scope(), chunked(b"[1]"), backend="trio").error


def on_uvloop() -> None:
    from asgi_driver import chunked, http_scope, serve

    mine = app()

    async def main() -> None:
        for _ in range(3):
            assert not (await serve(mine.middleware, http_scope(), chunked(b"[1]"))).error

    anyio.run(main, backend_options={"use_uvloop": True})


def many_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(1500)]
    mine = app()
    mine.ask(times=3)
    assert mine.drained()["compared"] == 3
    for one in taken:
        os.close(one)


def few_descriptors() -> None:
    """All descriptors are taken: production answers; they are given back: mirroring goes on by itself."""
    from process_tools import until

    from shadow_mw.queues import mirror_process

    mirror_process._REFUSED_PAUSE_SECONDS = 0.1
    mine = app()
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    loop = Loop(mine)  # an event loop needs some itself
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    loop.ask(3)
    for one in taken:
        os.close(one)
    until(lambda: loop.ask(1) or mine.drained().get("compared"), "mirroring that goes on")
    loop.close()


class Loop:
    """Asks an app on a loop that exists already."""

    def __init__(self, mine: App) -> None:
        import asyncio

        self._mine = mine
        self._runner = asyncio.Runner() if sys.version_info >= (3, 11) else asyncio.new_event_loop()
        self._run = getattr(self._runner, "run", None) or self._runner.run_until_complete
        self.ask(0)
        self._run(anyio.lowlevel.checkpoint())

    def ask(self, times: int) -> None:
        from asgi_driver import chunked, http_scope, serve

        for _ in range(times):
            seen = self._run(serve(self._mine.middleware, http_scope(), chunked(b"[1]")))
            assert seen.sent[1]["body"] == b"[1]"

    def close(self) -> None:
        self._runner.close()


def no_child_processes() -> None:
    def forbidden(*arguments: Any, **keywords: Any) -> int:
        raise PermissionError(1, "Operation not permitted")

    os.posix_spawn = forbidden
    mine = app()
    mine.ask(times=3)
    assert mine.drained() == {"eligible": 3, "compared": 3, "agree": 3}


def blocked_signals() -> None:
    """The mirror process must hear SIGTERM although the app's threads do not."""
    import signal

    from process_tools import until

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    mine = app()
    mine.ask()
    mine.drained()
    pid = mine.installation._queue._reach._child
    os.kill(pid, signal.SIGTERM)
    until(lambda: mine.ask() or mine.installation._queue._reach._child != pid, "another mirror process")


logging.basicConfig(level=logging.INFO)
globals()[sys.argv[1]]()
