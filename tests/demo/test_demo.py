"""The demo, run as a user runs it: real servers, real models, with and without a fault."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from clean_environment import clean_environment

from shadow_mw.demo.servers import DemoError, Server, closed_port, free_port

# Importing scikit-learn three times a run takes a small machine its time.
pytestmark = pytest.mark.timeout(400)

REQUESTS = 60
FAULTS = ("", "slow", "down", "errors", "wrong")
COMMAND = [sys.executable, "-m", "shadow_mw", "demo"]
# The autouse fixture that cleans the environment does not reach fixtures of the module.
ENVIRONMENT = clean_environment()


def run_demo(folder: Path, fault: str) -> subprocess.CompletedProcess[str]:
    arguments = ["--requests", str(REQUESTS), "--mode", "sync" if fault == "errors" else "async"]
    if fault:
        arguments += ["--shadow-fault", fault, "--no-dashboard"]
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        env=ENVIRONMENT | {"TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One run for each fault, two at a time, since most of each is importing scikit-learn."""
    folders = [tmp_path_factory.mktemp(f"demo-{fault or 'healthy'}") for fault in FAULTS]
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(FAULTS, pool.map(run_and_report, folders, FAULTS), strict=True))


def run_and_report(folder: Path, fault: str) -> tuple[subprocess.CompletedProcess[str], dict, dict[str, str]]:
    run = run_demo(folder, fault)
    return run, total_of(folder) if run.returncode == 0 else {}, logs_of(folder)


def logs_of(folder: Path) -> dict[str, str]:
    return {log.name: log.read_text() for log in folder.glob("shadow-mw-demo-*/*.log")}


def total_of(folder: Path) -> dict:
    (store,) = folder.glob("shadow-mw-demo-*/store")
    command = [sys.executable, "-m", "shadow_mw", "report", "--store", str(store), "--json"]
    report = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True, timeout=60)
    return json.loads(report.stdout)["shadows"][0]["analysis"]


@pytest.mark.parametrize("fault", FAULTS)
def test_production_answers_every_call_and_the_books_close(runs, fault):
    run, total, _ = runs[fault]
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    assert f"Production answered {REQUESTS} of {REQUESTS} predict calls" in run.stdout
    books = total["account"]
    assert books["eligible"] == REQUESTS
    assert sum(books["buckets"].values()) == REQUESTS
    assert total["errors"]["both_answered"] + total["errors"]["shadow_failed"] == (
        REQUESTS - books["buckets"]["circuit_open"]
    )
    assert books["buckets"]["production_error"] == 0


def test_both_servers_end_without_a_complaint(runs):
    logs = runs[""][2]
    assert logs["challenger.log"] == logs["board.log"] == ""
    (line,) = logs["production.log"].splitlines()
    assert line.startswith("shadow_mw mirrors all of POST /predict to forest=")


def test_the_dashboard_is_named_first_unless_it_is_not_wanted(runs):
    first = runs[""][0].stdout.splitlines()[0]
    assert re.fullmatch(r"Dashboard: http://127\.0\.0\.1:\d+/", first)
    for fault in FAULTS[1:]:
        run, _, logs = runs[fault]
        assert "Dashboard:" not in run.stdout
        assert "board.log" not in logs


def test_a_healthy_shadow_really_disagrees_now_and_then(runs):
    run, total, _ = runs[""]
    assert total["agreement"]["agree"] > total["agreement"]["disagree"] > 0
    assert "Changes of label" in run.stdout
    assert "Where to look" in run.stdout
    assert re.search(r"shadow-mw report --store \S+/store", run.stdout)


@pytest.mark.parametrize(
    ("fault", "bucket", "words"),
    [
        ("slow", "shadow_timeout", "the shadow answered too late"),
        ("down", "shadow_error", "the shadow refused connections"),
        ("errors", "shadow_error", "the shadow answered 500"),
    ],
)
def test_a_failing_shadow_opens_its_breaker(runs, fault, bucket, words):
    run, total, _ = runs[fault]
    buckets = total["account"]["buckets"]
    assert buckets[bucket] >= 5
    assert buckets["circuit_open"] > 0
    assert buckets["compared"] == 0
    assert f"Meanwhile {words}" in run.stdout
    assert f"its breaker opened and kept {buckets['circuit_open']} calls from it" in run.stdout


def test_a_wrong_shadow_loses_agreement_and_nothing_else(runs):
    run, total, _ = runs["wrong"]
    assert total["agreement"]["share"]["rate"] < 0.5
    assert total["account"]["buckets"]["circuit_open"] == 0
    assert "Meanwhile the shadow answered nonsense" in run.stdout


def test_a_taken_port_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = subprocess.run(
            [*COMMAND, "--port", str(port)],
            check=False,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert run.returncode == 1
    assert f"port {port} cannot be used" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_closed_port_refuses():
    with closed_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5).close()


def start_endless(tmp_path) -> tuple[subprocess.Popen[str], str, int]:
    """A demo without an end, once production answers; the process, the page and production's port."""
    process = subprocess.Popen(
        COMMAND, env=ENVIRONMENT | {"TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    page = process.stdout.readline().removeprefix("Dashboard: ").strip()
    for line in process.stdout:
        found = re.search(r"127\.0\.0\.1:(\d+)/predict", line)
        if found:
            return process, page, int(found[1])
    raise AssertionError("the demo did not start")


def wait_until_closed(port: int, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError(f"port {port} still accepts connections")


def wait_for_page(url: str, words: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        page = httpx.get(url, timeout=30)
        # 202 is the page that stands in while the answer is being made, 503 that of a store not made yet.
        assert page.status_code in (200, 202, 503)
        if page.status_code == 200 and words in page.text:
            return
        time.sleep(0.2)
    raise AssertionError(f"{words!r} does not come up on the page")


def test_ctrl_c_ends_with_the_report_and_leaves_nobody(tmp_path):
    process, page, port = start_endless(tmp_path)
    with process:
        line = process.stdout.readline()
        assert line.startswith("predict calls")
        # The page fills while the demo runs.
        wait_for_page(page, "forest")
        process.send_signal(signal.SIGINT)
        text = process.stdout.read()
    assert process.returncode == 0
    answered, sent = re.search(r"Production answered (\d+) of (\d+)", text).groups()
    assert answered == sent != "0"
    assert total_of(tmp_path)["account"]["eligible"] == int(sent)
    wait_until_closed(port)
    wait_until_closed(httpx.URL(page).port)


def test_a_reader_of_its_output_that_goes_away_ends_it(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "--no-dashboard"],
        env=ENVIRONMENT | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        for line in process.stdout:
            if b"/predict" in line:
                break
        process.stdout.close()
        assert process.stderr.read() == b""


@contextlib.contextmanager
def in_a_terminal(*arguments: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The demo on a terminal of its own; the process and the other end of the terminal."""
    master, slave = pty.openpty()
    command = [*COMMAND, *arguments]
    process = subprocess.Popen(command, env=ENVIRONMENT | {"TMPDIR": str(folder)}, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        with process:
            yield process, master
            process.kill()
    finally:
        os.close(master)


def read_until(master: int, words: bytes, seconds: float = 120.0) -> str:
    found = b""
    deadline = time.monotonic() + seconds
    while words not in found:
        ready, _, _ = select.select([master], [], [], deadline - time.monotonic())
        assert ready, found
        found += os.read(master, 65536)
    return found.decode()


def test_it_stays_for_the_page_when_asked_to(tmp_path):
    with in_a_terminal("--requests", "20", "--stay", folder=tmp_path) as (process, master):
        text = read_until(master, b"The dashboard stays up; Ctrl-C ends it.")
        page = re.search(r"Dashboard: (\S+)", text)[1]
        assert "Production answered 20 of 20" in text
        wait_for_page(page, "forest")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    wait_until_closed(httpx.URL(page).port)


def test_servers_do_not_outlive_a_killed_demo(tmp_path):
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from shadow_mw.demo.servers import Server, free_port\n"
        "port = free_port()\n"
        f"server = Server('challenger', port, Path({str(tmp_path / 'log')!r}), os.environ)\n"
        "server.wait_until_ready(time.monotonic() + 60)\n"
        "print(port, flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as demo:
        port = int(demo.stdout.readline())
        demo.kill()
    wait_until_closed(port)


def test_a_server_that_ends_at_start_shows_its_log(tmp_path):
    server = Server("nobody", free_port(), tmp_path / "log", ENVIRONMENT)
    with pytest.raises(DemoError, match="nobody server ended at start") as raised:
        server.wait_until_ready(time.monotonic() + 60)
    server.stop()
    assert str(tmp_path / "log") in str(raised.value)
    assert "shadow_mw.demo.nobody" in str(raised.value)
