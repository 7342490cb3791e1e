"""A worker in a process of its own: `python -m shadow_mw.process` and `shadow-mw worker`."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from shadow_mw.assembly.workshop import make_engine
from shadow_mw.books import Books
from shadow_mw.caps.allowance import Allowance
from shadow_mw.caps.cap import Cap, sentence
from shadow_mw.caps.taking import capped
from shadow_mw.caps.wish import Wish
from shadow_mw.compare.choice import Comparators
from shadow_mw.hosting import Companion, run_loop, spare_collector, with_company
from shadow_mw.queues.mirror_process import remove_traces
from shadow_mw.queues.socket_source import SocketSource
from shadow_mw.settings import Settings, load_settings
from shadow_mw.snapshots import Statistics

_log = logging.getLogger("shadow_mw")
_LISTENER = 3
_WATCH_SECONDS = 0.25
#: How long the process outlives its last connection: a reloading app comes back.
_LINGER_SECONDS = 1.0
#: How long it waits for its first connection.
_FIRST_CONNECTION_SECONDS = 15.0
_LAST_WORDS_SECONDS = 0.05
_FRAME_OVERHEAD_BYTES = 2**20


class Hosting:
    """One worker with the socket that feeds it, and the reasons for which it ends."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        *,
        is_alone: bool,
        readers: Sequence[Any] = (),
        companions: Sequence[Companion] = (),
        caps: Sequence[Cap] = (),
    ) -> None:
        """Wire the worker; with `is_alone` it ends with the last process that is connected.

        `readers` read its metrics beside those that the environment names, `companions` run beside it, and
        of `caps`, which its process has, the app is told.
        """
        self._companions = companions
        self._settings = settings
        self._is_alone = is_alone
        self._began = time.monotonic()
        self._working = anyio.CancelScope()
        books = Books()
        self._source = SocketSource(
            listener,
            books,
            limit_bytes=2 * int(settings.max_body_bytes) + _FRAME_OVERHEAD_BYTES,
            only_user=os.getuid() if is_alone else None,
        )
        comparators = Comparators(
            settings.compare, rtol=settings.rtol, atol=settings.atol, ignore=settings.ignore
        )
        self._worker = make_engine(settings, books, comparators, self.snapshot, readers=readers)
        _log.addHandler(_Forwarding(self._source))
        if caps:
            level = logging.INFO if all(cap.holds or not cap.is_wanted for cap in caps) else logging.WARNING
            self._source.log(level, f"caps of the mirror process: {sentence(caps)}")

    def snapshot(self) -> Statistics:
        """The worker's statistics."""
        return self._worker.statistics(self._settings.mode, self._settings.queue)

    def written(self, callback: Callable[[], None]) -> None:
        """Call back once everything judged until now is in the store."""
        self._worker.written(callback)

    async def flush(self) -> None:
        """Bring everything judged to the store and the exporters."""
        await self._worker.flush()

    async def run(self) -> None:
        """Work until a signal comes or, if alone, the last connection has gone; then drain."""
        await with_company(self, self._companions, self._work, self._end)

    @property
    def problem(self) -> str:
        """`it is stopping`, or nothing: a worker behind a socket takes what comes."""
        return "it is stopping" if self._source.is_stopping else ""

    async def _work(self) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self._source.serve, self)
            group.start_soon(self._watch_connections)
            allowance = Allowance.here(self._settings.cpu_seconds_per_second)
            if not allowance.is_endless:
                group.start_soon(self._keep_cpu_share, allowance)
            with self._working:
                await self._worker.run(self._source)
            await anyio.sleep(_LAST_WORDS_SECONDS)  # the acknowledgements of the last batch are on their way
            group.cancel_scope.cancel()

    async def _watch_connections(self) -> None:
        while self._is_alone:
            await anyio.sleep(_WATCH_SECONDS)
            patience = _LINGER_SECONDS if self._source.was_connected else _FIRST_CONNECTION_SECONDS
            if not self._source.connections and time.monotonic() - self._source.last_change > patience:
                await self._end()

    async def _end(self) -> None:
        self._source.stop()
        await anyio.sleep(self._settings.drain_seconds)
        self._working.cancel()

    async def _keep_cpu_share(self, allowance: Allowance) -> None:
        """Read nothing for as long as it takes to bring the use of CPU down to what is allowed."""
        used, looked_at = time.process_time(), time.monotonic()
        while True:
            await anyio.sleep(_WATCH_SECONDS)
            used_before, used = used, time.process_time()
            before, looked_at = looked_at, time.monotonic()
            pause_seconds = allowance.pause_seconds(used - used_before, looked_at - before)
            if pause_seconds > 0:
                self._source.pause(pause_seconds)
                await anyio.sleep(pause_seconds)


class _Forwarding(logging.Handler):
    """Hands what is logged to an app, whose log somebody reads."""

    def __init__(self, source: SocketSource) -> None:
        super().__init__(logging.INFO)
        self._source = source

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            text = record.getMessage()
            if record.exc_info and record.exc_info[1]:
                text = f"{text}: {record.exc_info[1]}"
            self._source.log(record.levelno, text)


def main() -> None:
    """Be the mirror process of an app: settings on standard input, the socket as descriptor 3."""
    try:
        _serve_app()
    except Exception as error:  # noqa: BLE001 the last boundary of this process
        traceback.print_exc()
        sys.exit(_last_words(error))


def _serve_app() -> None:
    settings = load_settings(**json.load(sys.stdin))
    _log.setLevel(logging.INFO)
    listener = socket.socket(fileno=_LISTENER)
    listener.set_inheritable(False)
    with capped("shadow_mw", Wish.of(settings)) as caps:
        run(settings, listener, is_alone=True, caps=caps)
    with contextlib.suppress(OSError):
        remove_traces(Path(sys.argv[1]))


def _last_words(error: BaseException) -> str:
    """One line on what went wrong, for the app's log."""
    while isinstance(inner := getattr(error, "exceptions", None), tuple):
        error = inner[0]
    return " ".join(f"{type(error).__name__}: {error}".split())


def listen(path: str) -> socket.socket:
    """A listening socket at a path; a stale one is replaced.

    Raises:
        OSError: somebody listens there already, or the path can't be used.

    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if _is_stale(path):
            Path(path).unlink()
        listener.bind(path)
        listener.listen(512)
    except BaseException:
        listener.close()
        raise
    return listener


def run(settings: Settings, listener: socket.socket, *, is_alone: bool, **company: Any) -> None:
    """Run a worker behind a listening socket, in a process that does nothing else.

    It ends with a signal, and with `is_alone` with its last connection too. `company` is as for `Hosting`.
    """
    run_loop(_host, settings, listener, partial(Hosting, is_alone=is_alone, **company))


async def _host(
    settings: Settings, listener: socket.socket, make: Callable[[Settings, socket.socket], Hosting]
) -> None:
    hosting = make(settings, listener)
    spare_collector()
    await hosting.run()


def _is_stale(path: str) -> bool:
    if not Path(path).is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) != 0


if __name__ == "__main__":
    main()
