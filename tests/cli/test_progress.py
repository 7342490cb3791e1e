"""How far a worker is, on a terminal that is a string and by a clock that is a number."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys

import anyio
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.control import strip_control_codes
from rich.text import Text

from shadow_mw.cli.progress import Progress
from shadow_mw.snapshots import Latency, ShadowStatistics, Statistics

LOG = "shadow_mw"


def a_shadow(name="forest", circuit="closed", active=3, **counts: int) -> ShadowStatistics:
    routes = {"POST /predict": counts, "POST /score": {"eligible": 0}}
    return ShadowStatistics(
        shadow=name,
        url="http://127.0.0.1:1",
        routes=routes,
        circuit=circuit,
        active=active,
        limit=8,
        waiting=0,
        production=Latency(),
        answers=Latency(),
    )


class Worker:
    """What is shown, and when."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lag: int | None = None
        self.shadows = [a_shadow()]

    def snapshot(self) -> Statistics:
        return Statistics(mode="async", queue="kafka://b/t", shadows=tuple(self.shadows), lag=self.lag)

    def clock(self) -> float:
        return self.now

    def done(self, eligible: int, agree: int = 0, disagree: int = 0) -> None:
        self.shadows = [a_shadow(eligible=eligible, agree=agree, disagree=disagree)]


@pytest.fixture
def worker():
    return Worker()


def a_terminal(width: int = 300) -> Console:
    return Console(file=Terminal(), force_terminal=True, width=width, highlight=False, color_system=None)


class Terminal(io.StringIO):
    """What was written to a terminal."""

    encoding = "utf-8"

    def lines(self) -> list[str]:
        """Everything that was ever written, without what moves the cursor."""
        plain = Text.from_ansi(self.getvalue().replace("\r", "\n")).plain
        return [line for line in map(strip_control_codes, plain.split("\n")) if line]

    def last(self) -> str:
        return self.lines()[-1]


@pytest.fixture
def console():
    return a_terminal()


@pytest.fixture
def progress(worker, console):
    progress = Progress(worker.snapshot, console=console, clock=worker.clock)
    yield progress
    progress.end()


def test_everything_is_in_one_line(worker, progress, console):
    worker.done(0)
    progress.show()
    assert console.file.last() == ("0 exchanges, 0.0/s | forest: nothing compared, 3/8 calls, circuit closed")
    worker.now += 2
    worker.done(1200, agree=1000, disagree=20)
    worker.lag = 4321
    progress.show()
    assert console.file.last() == (
        "1,200 exchanges, 600.0/s | 4,321 exchanges waiting | "
        "forest: agreement 98.0 % (85.0 % compared), 3/8 calls, circuit closed"
    )


def test_each_shadow_has_its_circuit_and_the_exchanges_are_those_of_the_one_with_most(
    worker, progress, console
):
    worker.shadows = [
        a_shadow("forest", "open", eligible=9, agree=9),
        a_shadow("pine", "half-open", active=0, eligible=10, disagree=10),
        a_shadow("control", eligible=1, agree=1),
    ]
    progress.show()
    assert console.file.last() == (
        "10 exchanges, 0.0/s | forest: agreement 100 % (100 % compared), 3/8 calls, circuit open | "
        "pine: agreement 0 % (100 % compared), 0/8 calls, circuit half-open | "
        "control: agreement 100 % (100 % compared), 3/8 calls, circuit closed"
    )


def test_the_rate_is_that_of_the_latest_ten_seconds(worker, progress, console):
    for second in range(100):
        worker.now = 1000.0 + second
        worker.done(10 * second)
        progress.show()
    assert "990 exchanges, 10.0/s" in console.file.last()
    for second in range(100, 110):
        worker.now = 1000.0 + second
        progress.show()
    assert "990 exchanges, 0.0/s" in console.file.last()


def test_at_the_end_the_line_is_cleared_and_a_summary_stays(worker, progress, console):
    worker.done(100, agree=99, disagree=1)
    progress.show()
    worker.now += 3725
    worker.done(7450, agree=7000, disagree=450)
    worker.lag = 12
    before = len(console.file.getvalue())
    progress.end()
    assert "\x1b[2K" in console.file.getvalue()[before:]
    assert console.file.getvalue().endswith(
        "7,450 exchanges in 1 h 02 min, 2.0/s | 12 exchanges left waiting | "
        "forest: agreement 94.0 % (100 % compared)\n"
    )


@pytest.mark.parametrize(("seconds", "told"), [(0, "0 s, 0.0/s"), (59, "59 s,"), (61, "1 min 01 s,")])
def test_a_short_run_is_told_in_its_own_unit(worker, progress, console, seconds, told):
    worker.now += seconds
    worker.lag = 0
    progress.end()
    assert (
        console.file.last()
        == f"0 exchanges in {told}".removesuffix(",")
        + ("" if told.endswith("/s") else ", 0.0/s")
        + " | forest: nothing compared"
    )


@pytest.mark.parametrize("width", [5, 20, 40, 80])
def test_a_narrow_terminal_does_not_wrap(worker, width):
    console = a_terminal(width)
    progress = Progress(worker.snapshot, console=console, clock=worker.clock)
    worker.shadows = [a_shadow("wälder-森" * 5, eligible=3, agree=1), a_shadow("pine", eligible=3)]
    for _ in range(3):
        progress.show()
    progress.end()
    assert max(map(cell_len, console.file.lines())) == width
    assert console.file.getvalue().count("\n") == 2, "below the line, and back; after the summary"


def test_the_name_of_a_shadow_cannot_steer_the_terminal(worker, progress, console):
    worker.shadows = [a_shadow("\x1b[31m[bold]", eligible=1)]
    progress.show()
    assert "\x1b[31m" not in console.file.getvalue()
    assert "\\x1b[31m[bold]: nothing compared" in console.file.last()


def test_logs_go_above_the_line_and_back_to_their_stream_at_the_end(worker, progress, console):
    handler = logging.StreamHandler(console.file)
    logging.getLogger(LOG).addHandler(handler)
    try:
        progress.show()
        logging.getLogger(LOG).warning("the store is full")
        assert console.file.lines()[-2:] == ["the store is full", console.file.lines()[0]]
        progress.end()
        assert handler.stream is console.file
    finally:
        logging.getLogger(LOG).removeHandler(handler)


@pytest.fixture
def logged(worker, caplog):
    """A progress that has no terminal."""
    return Progress(worker.snapshot, console=Console(file=io.StringIO()), clock=worker.clock)


def test_without_a_terminal_there_is_a_line_a_minute_and_one_at_the_end(worker, logged, caplog):
    for second in range(130):
        worker.now = 1000.0 + second
        worker.done(5 * second)
        logged.show()
    logged.end()
    assert caplog.messages == [
        "300 exchanges, 5.0/s | forest: nothing compared, 3/8 calls, circuit closed",
        "600 exchanges, 5.0/s | forest: nothing compared, 3/8 calls, circuit closed",
        "645 exchanges in 2 min 09 s, 5.0/s | forest: nothing compared",
    ]
    assert {(one.name, one.levelname) for one in caplog.records} == {(LOG, "INFO")}


def test_whoever_sets_the_logger_to_warnings_gets_no_lines(logged, caplog):
    caplog.set_level(logging.WARNING, LOG)
    logged.end()
    assert caplog.messages == []


def test_stderr_that_is_no_terminal_is_a_log(worker, monkeypatch):
    assert repr(Progress(worker.snapshot)) == "Progress(log)"
    monkeypatch.setattr(sys, "stderr", None)
    assert repr(Progress(worker.snapshot)) == "Progress(log)"


def test_without_rich_it_is_a_log(worker, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert repr(Progress(worker.snapshot)) == "Progress(terminal)"
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert repr(Progress(worker.snapshot)) == "Progress(log)"


def test_statistics_that_raise_are_told_once(worker, progress, caplog):
    def broken() -> Statistics:
        raise RuntimeError("no statistics")

    progress = Progress(broken, console=a_terminal(), clock=worker.clock)
    for _ in range(3):
        progress.show()
    progress.end()
    assert len(caplog.records) == 1


def test_a_terminal_that_has_gone_away_is_nobodys_problem(worker):
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    console = Console(file=Gone(), force_terminal=True, width=80)
    progress = Progress(worker.snapshot, console=console, clock=worker.clock)
    progress.show()
    progress.end()


def test_it_runs_until_cancelled_and_then_ends(worker, console):
    shown = anyio.Event()

    def snapshot() -> Statistics:
        shown.set()
        return worker.snapshot()

    async def run() -> None:
        progress = Progress(snapshot, console=console, clock=worker.clock)
        async with anyio.create_task_group() as group:
            group.start_soon(progress.run)
            await shown.wait()
            group.cancel_scope.cancel()

    anyio.run(run)
    assert console.file.last() == "0 exchanges in 0 s, 0.0/s | forest: nothing compared"


def test_on_a_real_terminal():
    """Its own stderr, which the handler of its log writes to as well."""
    code = """
import logging, sys
from shadow_mw.cli.progress import Progress
from shadow_mw.snapshots import Statistics
logging.getLogger("shadow_mw").addHandler(logging.StreamHandler())
progress = Progress(lambda: Statistics(mode="async", queue="", shadows=(), lag=7))
progress.show()
logging.getLogger("shadow_mw").warning("from the log")
print("from stderr", file=sys.stderr)
print("from stdout")
progress.end()
logging.getLogger("shadow_mw").warning("afterwards")
"""
    ours, theirs = pytest.importorskip("pty").openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stderr=theirs, stdout=subprocess.PIPE, env=environment
    ) as process:
        os.close(theirs)
        told = read_all(ours)
        assert process.stdout.read() == b"from stdout\n"
    os.close(ours)
    line = "0 exchanges, 0.0/s | 7 exchanges waiting"
    assert screen(told) == ["from the log", "from stderr", summary_of(told), "afterwards"]
    assert line in told
    assert "Traceback" not in told


def summary_of(told: str) -> str:
    return next(text for text in screen(told) if text.startswith("0 exchanges in 0 s"))


def read_all(descriptor: int) -> str:
    found = b""
    while True:
        try:
            data = os.read(descriptor, 4096)
        except OSError:  # so Linux tells that nobody has the other end open
            data = b""
        if not data:
            return found.decode()
        found += data


def screen(told: str) -> list[str]:
    """What stands on the terminal at the end: `erase line` and `cursor up` are all that is used."""
    rows, row = [""], 0
    for piece in told.replace("\r\n", "\n").replace("\x1b", "\n\x1b").split("\n"):
        if piece.startswith("\x1b[2K"):
            rows[row] = piece.removeprefix("\x1b[2K").replace("\r", "")
        elif piece.startswith("\x1b[1A"):
            row -= 1
        elif piece.startswith("\x1b["):
            rows[row] += piece.lstrip("\x1b[?0123456789")[1:].replace("\r", "")
        else:
            row += 1
            rows += [""] * (row + 1 - len(rows))
            rows[row] += piece.replace("\r", "")
    return [one for one in rows if one]
