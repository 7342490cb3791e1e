"""How far a worker is: one live line on a terminal, a line a minute in the log of anything else."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from shadow_mw.boundary import Guard
from shadow_mw.figures import counted, printable, share
from shadow_mw.snapshots import ShadowStatistics, Statistics

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    Streaming: TypeAlias = logging.StreamHandler[Any]

_log = logging.getLogger("shadow_mw")
_REFRESH_SECONDS = 0.5
_LOG_SECONDS = 60.0
#: The rate is that of the latest so many seconds.
_RATE_SECONDS = 10.0


class Progress:
    """Shows how far a worker is, until it is ended. Never raises for what it shows or where.

    `run` does it all; `show` and `end` are its steps.
    """

    def __init__(
        self,
        snapshot: Callable[[], Statistics],
        *,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what tells the statistics; without a `console` it is stderr's, if that is a terminal."""
        self._snapshot = snapshot
        self._clock = clock
        self._guard = Guard("showing progress")
        self._samples: deque[tuple[float, int]] = deque()
        self._began_at = self._logged_at = clock()
        console = console if console is not None else _own_console()
        is_live = console is not None and console.is_terminal and not console.is_dumb_terminal
        self._terminal = _Terminal(console) if console is not None and is_live else None

    def __repr__(self) -> str:
        """Where it shows."""
        return f"Progress({'terminal' if self._terminal else 'log'})"

    async def run(self) -> None:
        """Show until cancelled, then end."""
        try:
            while True:
                self.show()
                await anyio.sleep(self._pause_seconds())
        finally:
            self.end()

    def show(self) -> None:
        """Refresh the line; in a log, write one where the last is a minute old."""
        with self._guard:
            statistics, now = self._snapshot(), self._clock()
            line = _line(statistics, self._rate(now, _done(statistics)))
            if self._terminal is not None:
                self._terminal.show(line)
            elif now - self._logged_at >= _LOG_SECONDS:
                self._logged_at = now
                _tell(line)

    def end(self) -> None:
        """Clear the line and leave a summary in its place; in a log, write it."""
        with self._guard:
            if self._terminal is not None:
                self._terminal.clear()
            summary = _summary(self._snapshot(), self._clock() - self._began_at)
            if self._terminal is not None:
                self._terminal.leave(summary)
            else:
                _tell(summary)

    def _pause_seconds(self) -> float:
        if self._terminal is not None:
            return _REFRESH_SECONDS
        return max(self._logged_at + _LOG_SECONDS - self._clock(), _REFRESH_SECONDS)

    def _rate(self, now: float, done: int) -> float:
        """Exchanges per second of late; 0 before there are two moments to tell it from."""
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _RATE_SECONDS:
            self._samples.popleft()
        since, before = self._samples[0]
        return (done - before) / (now - since) if now > since else 0.0


class _Terminal:
    """One line that is drawn anew each time; logs of the same terminal go above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._diverted: list[Streaming] = []

    def show(self, line: str) -> None:
        with _while_somebody_looks():
            if self._live is None:
                self._live = self._started()
                self._divert_logs()
            self._live.update(self._text(line), refresh=True)

    def clear(self) -> None:
        live, self._live = self._live, None
        while self._diverted:
            self._diverted.pop().setStream(self._console.file)
        if live is not None:
            with _while_somebody_looks():
                live.stop()

    def leave(self, line: str) -> None:
        with _while_somebody_looks():
            text = self._text(line)
            self._console.print(text, no_wrap=True, overflow=text.overflow)

    def _started(self) -> Live:
        from rich.live import Live

        is_stderr = self._console.file is sys.stderr
        live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stderr=is_stderr,
            redirect_stdout=is_stderr and sys.stdout is not None and sys.stdout.isatty(),
        )
        live.start()
        return live

    def _divert_logs(self) -> None:
        """Have handlers that know the terminal's own stream write to what redraws the line below."""
        from rich.file_proxy import FileProxy

        for handler in (*_log.handlers, *logging.getLogger().handlers):
            if isinstance(handler, logging.StreamHandler) and handler.stream is self._console.file:
                handler.setStream(FileProxy(self._console, self._console.file))
                self._diverted.append(handler)

    def _text(self, line: str) -> Text:
        from rich.text import Text

        # What is wider than the terminal would take a second line, which no redrawing clears.
        return Text(line, no_wrap=True, overflow="crop" if self._console.options.ascii_only else "ellipsis")


def _tell(line: str) -> None:
    # Past the level, which is `warning` where nobody has set one: whoever started the worker wants to see it.
    if _log.level <= logging.INFO:
        _log.handle(_log.makeRecord(_log.name, logging.INFO, __file__, 0, line, (), None))


def _own_console() -> Console | None:
    """That of stderr; None where it is no terminal, or without rich, which the log does not need."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    with suppress(ImportError):
        from rich.console import Console

        return Console(stderr=True, highlight=False, markup=False, emoji=False)
    return None


@contextmanager
def _while_somebody_looks() -> Iterator[None]:
    # So rich tells of a broken pipe, in whose place it has put /dev/null; the worker goes on.
    with suppress(SystemExit):
        yield


def _line(statistics: Statistics, per_second: float) -> str:
    lag = [] if statistics.lag is None else [f"{counted(statistics.lag, 'exchange')} waiting"]
    shadows = [f"{_agreement(one)}, {_calls(one)}" for one in statistics.shadows]
    return " | ".join([f"{counted(_done(statistics), 'exchange')}, {per_second:,.1f}/s", *lag, *shadows])


def _summary(statistics: Statistics, seconds: float) -> str:
    done = _done(statistics)
    per_second = done / seconds if seconds > 0 else 0.0
    total = f"{counted(done, 'exchange')} in {_duration(seconds)}, {per_second:,.1f}/s"
    lag = [] if not statistics.lag else [f"{counted(statistics.lag, 'exchange')} left waiting"]
    return " | ".join([total, *lag, *map(_agreement, statistics.shadows)])


def _done(statistics: Statistics) -> int:
    """Exchanges that are done with: those of the shadow that has most, since a control gets a share."""
    return max((one.count("eligible") for one in statistics.shadows), default=0)


def _agreement(shadow: ShadowStatistics) -> str:
    """Agreement, and never without the share that it is of."""
    agree, disagree, eligible = map(shadow.count, ("agree", "disagree", "eligible"))
    name, judged = printable(shadow.shadow), agree + disagree
    if not judged:
        return f"{name}: nothing compared"
    return f"{name}: agreement {share(agree / judged)} ({share(judged / max(eligible, judged))} compared)"


def _calls(shadow: ShadowStatistics) -> str:
    return f"{shadow.active}/{shadow.limit} calls, circuit {shadow.circuit}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {whole % 60:02} s" if minutes else f"{whole} s"
