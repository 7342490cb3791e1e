"""Behind real servers: the same bytes on the wire, and every exchange in the store when it has ended."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from stub_shadow import StubShadow

from shadow_mw import Comparison, Tally
from shadow_mw.records import BUCKETS, Pulse

HERE = Path(__file__).parent
GUNICORN = [
    sys.executable,
    "-m",
    "gunicorn",
    "served_app:app",
    "--no-control-socket",
    "--bind",
    "127.0.0.1:{port}",
]
SERVERS = {
    "gunicorn sync": [*GUNICORN, "--workers", "2"],
    "gunicorn gthread": [*GUNICORN, "--worker-class", "gthread", "--threads", "4"],
    "gunicorn preload": [*GUNICORN, "--workers", "2", "--preload"],
    "waitress": [sys.executable, "served_app.py", "waitress", "{port}"],
    "wsgiref": [sys.executable, "served_app.py", "wsgiref", "{port}"],
}
FEATURES = b'{"x": [1, 2, 3]}'


def asked(target: str, method: str = "POST", body: bytes = FEATURES, *more: str) -> bytes:
    """A request as it goes over the wire."""
    headers = ["Host: localhost", "Connection: close", "Content-Type: application/json", *more]
    if method == "POST" and not any("chunked" in header for header in more):
        headers.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *headers, "", ""]).encode()
    return head + (body if method == "POST" else b"")


CHUNKED = b"6\r\n" + FEATURES[:6] + b"\r\n" + b"%x\r\n" % len(FEATURES[6:]) + FEATURES[6:] + b"\r\n0\r\n\r\n"
#: What is asked, and how it ends.
REQUESTS: dict[str, tuple[bytes, str]] = {
    "json": (asked("/predict"), "answered"),
    "query": (asked("/predict?x=1&x=%32", "GET"), "answered"),
    "head": (asked("/predict?x=1", "HEAD"), "answered"),
    "chunked upload": (asked("/predict", "POST", CHUNKED, "Transfer-Encoding: chunked"), "answered"),
    "continued": (asked("/predict", "POST", FEATURES, "Expect: 100-continue"), "answered"),
    "streamed": (asked("/stream"), "answered"),
    "cookies": (asked("/cookies"), "answered"),
    "file of flask": (asked("/file"), "answered"),
    "one": (asked("/raw/one"), "answered"),
    "two": (asked("/raw/two"), "answered"),
    "none": (asked("/raw/none"), "answered"),
    "chunks": (asked("/raw/chunks"), "answered"),
    "write": (asked("/raw/write"), "answered"),
    "file": (asked("/raw/file"), "answered"),
    "not read": (asked("/unread"), "left out"),
    "raises": (asked("/boom"), "failed"),
    "raises in the middle": (asked("/late-boom"), "failed"),
    "breaks": (asked("/raw/breaks"), "failed"),
    "text": (asked("/raw/text"), "failed"),
    "not mirrored": (asked("/status/404"), "not mirrored"),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)  # another process gives no event to wait for
        else:
            return
    pytest.fail("the server did not come up")


class Served:
    """A server in a process of its own."""

    def __init__(self, name: str, variables: dict[str, str]) -> None:
        self.port = free_port()
        command = [part.format(port=self.port) for part in SERVERS[name]]
        self.process = subprocess.Popen(
            command, cwd=HERE, env={**os.environ, **variables}, stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def answer(self, request: bytes) -> bytes:
        """All bytes that come back, but for the date."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        return re.sub(rb"\r\nDate: [^\r]*", b"", received, flags=re.IGNORECASE)

    def stop(self) -> str:
        """What it wrote to stderr until its end."""
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=40)
        return errors.decode()


@contextmanager
def serving(name: str, **variables: str) -> Iterator[Served]:
    served = Served(name, variables)
    try:
        wait_until_up(served.port, served.process)
        yield served
    finally:
        if served.process.poll() is None:
            served.process.kill()
            served.process.communicate(timeout=20)


def mirrored_to(shadow: StubShadow, **more: str) -> dict[str, str]:
    settings = {"SHADOW_QUEUE": "inline:", "SHADOW_TARGETS": shadow.url, "SHADOW_DRAIN_SECONDS": "25"}
    # The shadow lives beside the test, on a machine that may be busy: it is late and not failing.
    return {"MIRROR": "1", "SHADOW_TIMEOUT_SECONDS": "25", **settings, **more}


def stored(tmp_path: Path) -> tuple[list[Comparison], dict[str, int]]:
    """The comparisons and the summed tallies of the store."""
    comparisons, sums = [], dict[str, int]()
    for segment in (tmp_path / "store" / "hot").glob("*.jsonl"):
        for line in segment.read_bytes().splitlines():
            record = msgspec.json.decode(line, type=Comparison | Tally | Pulse)
            if isinstance(record, Comparison):
                comparisons.append(record)
            elif isinstance(record, Tally):
                for word, count in record.counts.items():
                    sums[word] = sums.get(word, 0) + count
    return comparisons, sums


@pytest.mark.fault("no-length", "unread", "continue", "raises", "raises-late", "streams")
@pytest.mark.parametrize(
    ("name", "mode"),
    [*((name, "async") for name in SERVERS), ("gunicorn sync", "sync"), ("waitress", "sync")],
)
def test_the_bytes_on_the_wire_are_the_same_and_every_exchange_is_in_the_store(tmp_path, name, mode):
    requests = {key: one for key, one in REQUESTS.items() if name != "wsgiref" or key != "chunked upload"}
    with (
        StubShadow() as shadow,
        serving(name, MIRROR="0") as bare,
        serving(name, **mirrored_to(shadow, SHADOW_MODE=mode)) as mirrored,
    ):
        for key, (request, _) in requests.items():
            assert mirrored.answer(request) == bare.answer(request), key
        errors = mirrored.stop()
        bare.stop()
        assert mirrored.process.returncode == 0, errors
    assert "production is not affected" not in errors, errors
    fates = [fate for _, fate in requests.values()]
    comparisons, counts = stored(tmp_path)
    assert counts.get("eligible") == sum(counts.get(bucket, 0) for bucket in BUCKETS), (counts, errors)
    expected = fates.count("answered") + fates.count("failed")
    assert counts["eligible"] == len(comparisons) == expected, (counts, errors)
    assert counts["production_error"] == fates.count("failed")
    assert counts["request_incomplete"] == fates.count("left out")
    assert {one.outcome for one in comparisons} == {"answered"}


@pytest.mark.parametrize("name", ["gunicorn gthread", "waitress", "wsgiref"])
def test_a_kept_connection_stays_so(name):
    twice = asked("/predict").replace(b"Connection: close\r\n", b"")
    with StubShadow() as shadow:
        answers = []
        for variables in ({"MIRROR": "0"}, mirrored_to(shadow)):
            with serving(name, **variables) as served:
                answers.append(served.answer(twice + asked("/predict")))
                served.stop()
    assert answers[0] == answers[1]
    assert answers[0].count(b" 200 OK") == (1 if name == "wsgiref" else 2)


@pytest.mark.fault("hangs", "terminated")
@pytest.mark.parametrize("name", ["gunicorn gthread", "waitress"])
def test_a_shadow_that_hangs_holds_neither_the_answers_nor_the_end(tmp_path, name):
    listener = socket.create_server(("127.0.0.1", 0))
    variables = {
        "MIRROR": "1",
        "SHADOW_QUEUE": "inline:",
        "SHADOW_TARGETS": f"http://127.0.0.1:{listener.getsockname()[1]}",
        "SHADOW_TIMEOUT_SECONDS": "600",
        "SHADOW_DRAIN_SECONDS": "0.5",
    }
    with listener, serving(name, **variables) as served:
        for _ in range(20):
            assert served.answer(asked("/predict")).endswith(b"6}\n")
        listener.settimeout(20)
        connection, _ = listener.accept()  # the worker is up and waits for the shadow
        served.stop()
        connection.close()
        assert served.process.returncode == 0
    _, counts = stored(tmp_path)
    assert counts["eligible"] == 20
    assert counts["worker_lost"] == 20
