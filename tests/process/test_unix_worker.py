"""`unix:`: a worker that somebody else starts; it may come later, go and come back."""

from __future__ import annotations

import signal
import socket

import pytest
from process_tools import Program, closed, comparisons, tallies, until

from shadow_mw.frames import Done, FrameReader, ToApp, encode
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange


@pytest.fixture
def path(runtime):
    return runtime.path / "m.sock"


@pytest.fixture
def app(make_app, shadow, path):
    return make_app(shadow.url, queue=f"unix://{path}")


@pytest.fixture
def worker(start, shadow, path):
    def make(**environment: str) -> Program:
        defaults = {"SHADOW_TARGETS": shadow.url, "SHADOW_QUEUE": f"unix://{path}"}
        return start("-m", "shadow_mw", "worker", **{**defaults, **environment})

    return make


def test_what_was_mirrored_before_the_worker_came_reaches_it(app, worker, shadow, path, caplog):
    app.ask(times=5)
    until(lambda: "no worker listens" in caplog.text, "a warning")
    first = worker()
    first.says(f"shadow-mw worker listens at {path}")
    assert app.drained() == {"eligible": 5, "compared": 5, "agree": 5}
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"no worker listens at {path} yet; start one with: shadow-mw worker"
    ]


def test_it_goes_and_comes_back(app, worker, tmp_path):
    first = worker()
    app.ask(times=3)
    app.drained()
    first.tell(signal.SIGTERM)
    assert first.wait() == 0
    app.ask(times=3)
    second = worker()  # a socket file without a listener may be there, and is replaced
    assert app.drained()["eligible"] == 3, "a worker counts from its own start"
    second.tell(signal.SIGKILL)
    second.wait()
    app.ask(times=3)
    third = worker()
    app.drained()
    assert tallies(tmp_path / "store") == {"eligible": 9, "compared": 9, "agree": 9}
    third.tell(signal.SIGTERM)
    assert third.wait() == 0
    assert "Traceback" not in third.log


def test_two_apps_share_one_worker(app, make_app, worker, shadow, path, tmp_path):
    other = make_app(shadow.url, queue=f"unix://{path}")
    first = worker()
    app.ask(times=3)
    other.ask(times=4)
    app.drained()
    assert other.drained()["eligible"] == 7
    app.installation.close()
    other.ask()
    assert other.drained()["eligible"] == 8
    other.installation.close()
    first.tell(0)  # it lives on without an app
    assert len(comparisons(tmp_path / "store")) == 8


def test_without_a_worker_the_line_fills_and_the_end_does_not_wait(app, make_app, shadow, path):
    small = make_app(shadow.url, queue=f"unix://{path}", queue_size=5, drain_seconds=300)
    small.ask(times=20)
    small.installation.close()
    assert small.counts() == {"eligible": 20, "queue_full": 15, "worker_lost": 5}


@pytest.mark.fault("poison")
def test_garbage_costs_only_the_connection_that_sent_it(app, worker, path):
    app.ask()
    first = worker()
    app.drained()
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x01\xff\xff\xff\xff\x00\x00\x00\x01", b"\x02" * 50):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.settimeout(30)
            stranger.connect(str(path))
            stranger.sendall(garbage)
            while stranger.recv(65536):
                pass  # snapshots, until we are hung up on
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(path))
        stranger.sendall(b"\x01\x00\x00")  # and gone in the middle of a head
    app.ask()
    assert app.drained()["eligible"] == 2
    for sentence in ("frame version 71 is not known", "a frame of 4294967295 bytes is larger"):
        first.says(sentence)
    assert "Traceback" not in first.log


def test_what_came_before_garbage_is_acknowledged_before_the_connection_ends(worker, path, tmp_path):
    """Else the app would book it as lost, and the worker as compared."""
    first = worker()
    first.says("listens")
    request = CapturedRequest(
        exchange_id="1",
        request_id="1",
        ts_us=1,
        method="POST",
        route="POST /predict",
        path="/predict",
        body=b"[1]",
    )
    response = CapturedResponse(exchange_id="1", seconds=0.1, status=200, body=b"[1]")
    reader: FrameReader[ToApp] = FrameReader(ToApp, 2**20)
    told = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(
            encode(Exchange(request=request, response=response), 7) + b"garbage, and more of it"
        )
        while data := connection.recv(65536):
            told += [frame for _, frame in reader.feed(data)]
    assert Done([7]) in told
    assert closed(tallies(tmp_path / "store"))["eligible"] == 1


def test_another_version_of_the_app_is_told_so_in_the_workers_log(app, worker, path):
    first = worker()
    first.says("listens")
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(path))
        stranger.sendall(b"\x09" * 9)
        first.says("frame version 9 is not known: the app and its worker differ in version")


#: Settings, and the sentence that answers them.
WRONG = [
    ({"SHADOW_QUEUE": "process:"}, "SHADOW_QUEUE is process:: a worker of its own needs unix:///path"),
    ({"SHADOW_TARGETS": ""}, "SHADOW_TARGETS is not set"),
    ({"SHADOW_ENABLED": "0"}, "SHADOW_ENABLED is 0"),
    (
        {"SHADOW_QUEUE": "unix:///nowhere/at/all.sock"},
        "cannot listen at /nowhere/at/all.sock: No such file",
    ),
    ({"SHADOW_QUEUE": f"unix:///tmp/{'x' * 120}.sock"}, "SHADOW_QUEUE: 'unix:///tmp/xxx"),
    ({"SHADOW_QUEUE": "unix:///dev/null"}, "cannot listen at /dev/null: Address already in use"),
]


def test_wrong_usage_is_answered_with_a_sentence(worker):
    programs = [(worker(**environment), sentence) for environment, sentence in WRONG]
    for program, sentence in programs:
        assert program.wait() != 0
        assert sentence in program.log
        assert "Traceback" not in program.log


def test_a_path_where_a_worker_listens_is_left_to_it(app, worker, path):
    first = worker()
    first.says("listens")
    second = worker()
    assert second.wait() != 0
    assert f"cannot listen at {path}: Address already in use" in second.log
    app.ask()
    assert app.drained()["compared"] == 1


def test_a_stopping_worker_drains(app, worker, shadow, tmp_path):
    import threading

    from stub_shadow import Reply

    gate = threading.Event()
    shadow.answer = lambda asked: (gate.wait(60), Reply(body=asked.body))[1]
    first = worker()
    app.ask(times=6)
    shadow.wait_for(6, 60)
    first.tell(signal.SIGTERM)
    gate.set()
    assert first.wait() == 0
    assert closed(tallies(tmp_path / "store")) == {"eligible": 6, "compared": 6, "agree": 6}
