"""The end of a connection: what was sent, and what was about to be sent, is booked once."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from shadow_mw.books import Books
from shadow_mw.frames import Counts, FrameReader, ToWorker
from shadow_mw.queues import keeper
from shadow_mw.queues.link import LinkQueue
from shadow_mw.queues.unix import UnixReach
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange

ROUTE = "POST /predict"
DRAFTS = 100


class Draft:
    """An exchange of 10 kB, of which a socket takes a few."""

    route = ROUTE
    size_bytes = 10_000

    def __init__(self, number: int) -> None:
        self._number = str(number)

    def message(self) -> Exchange:
        request = CapturedRequest(
            exchange_id=self._number,
            request_id="",
            ts_us=0,
            method="POST",
            route=ROUTE,
            path="/predict",
            body=b"x" * self.size_bytes,
        )
        return Exchange(request=request, response=CapturedResponse(exchange_id=self._number, seconds=0.0))


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with listening(tmp_path / "s") as listener:
        yield listener


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def queue(listener: socket.socket, books: Books) -> Iterator[LinkQueue]:
    queue = LinkQueue(
        UnixReach(listener.getsockname()), books, shadows=("shadow",), size=1000, size_bytes=10_000_000
    )
    yield queue
    queue.close(5)


def listening(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(60)
    return listener


def accepted(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(60)
    return connection


def received(connection: socket.socket) -> tuple[list[str], int]:
    """The ids of all exchanges up to the end of a connection, and how many were told to be lost."""
    ids: list[str] = []
    lost = 0
    reader: FrameReader[ToWorker] = FrameReader(ToWorker, 2**20)
    while data := connection.recv(65536):
        for _, message in reader.feed(data):
            if isinstance(message, Exchange):
                ids.append(message.request.exchange_id)
            elif isinstance(message, Counts):
                lost += sum(counts.get("worker_lost", 0) for _, _, counts in message.added)
    return ids, lost


def received_until_closed(listener: socket.socket, queue: LinkQueue) -> tuple[list[str], int]:
    """The next connection's exchanges; the queue is closed meanwhile, which waits for the end of it."""
    with accepted(listener) as connection:
        closing = threading.Thread(target=queue.close, args=(60,))
        closing.start()
        found = received(connection)
    closing.join(60)
    return found


def test_what_a_broken_connection_had_taken_is_booked_and_the_rest_goes_over_the_next(listener, queue, books):
    for number in range(DRAFTS):
        assert queue.offer_later(Draft(number))
    first = accepted(listener)
    assert first.recv(1)  # the keeper has put some together, of which the socket takes no more than a part
    first.close()
    ids, told = received_until_closed(listener, queue)
    totals: dict[str, Any] = books.totals()[ROUTE, "shadow"]
    assert totals == {"eligible": told, "worker_lost": told}
    assert 0 < told < DRAFTS
    assert ids == [str(number) for number in range(told, DRAFTS)]


def test_a_closed_queue_is_drained_also_when_its_worker_is_gone(listener, queue, books, tmp_path):
    """What was lost is told to the worker of the next exchange, and nobody waits for that one."""
    listener.close()
    assert queue.offer_later(Draft(0))
    queue.close(60)
    assert books.totals()[ROUTE, "shadow"] == {"eligible": 1, "worker_lost": 1}
    assert queue.drain(0)
    (tmp_path / "s").unlink()
    with listening(tmp_path / "s") as next_listener:
        assert queue.offer_later(Draft(1))
        assert received_until_closed(next_listener, queue) == (["1"], 1)


class SlowReach:
    """Gives a connection, or finds that there can be none, as late as a test wants."""

    is_coming = False
    is_impossible = True

    def __init__(self, connection: socket.socket | None = None) -> None:
        self._connection = connection
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.keeper: threading.Thread

    def connect(self) -> socket.socket | None:
        self.keeper = threading.current_thread()
        self.has_begun.set()
        self.may_end.wait(60)
        return self._connection

    def pause_seconds(self, held_seconds: float) -> None:
        return None


class Drained:
    """An inline queue that has nothing to do."""

    def drain(self, seconds: float) -> bool:
        return True


@pytest.mark.parametrize("is_reached", [False, True])
def test_no_keeper_is_left_beside_the_next_one(books, monkeypatch, is_reached):
    """Two that empty one line would mix their frames."""
    monkeypatch.setattr(keeper, "_CUT_SECONDS", 60)
    one, other = socket.socketpair()
    reach = SlowReach(one if is_reached else None)
    queue = LinkQueue(reach, books, shadows=("shadow",), size=9, size_bytes=9)
    queue.start()
    assert reach.has_begun.wait(60)
    threading.Timer(0.05, reach.may_end.set).start()
    queue.close(0)
    assert not reach.keeper.is_alive()
    one.close()
    other.close()


def test_draining_leaves_the_counts_to_the_queue_that_took_over(books):
    reach = SlowReach()
    reach.may_end.set()
    queue = LinkQueue(reach, books, shadows=("shadow",), size=9, size_bytes=9, fallback=cast(Any, Drained))
    queue.start()
    assert queue.drain(60)  # given up by now
    books.add(ROUTE, ["shadow"], "eligible", "too_large")
    assert queue.drain(60)
    assert books.take() == {(ROUTE, "shadow"): {"eligible": 1, "too_large": 1}}


def test_a_child_leaves_what_gathers_to_its_parent(listener, queue, books):
    """A fork amid gathered exchanges: the child sends its own and none of its parent's."""
    for number in range(3):
        assert queue.offer_later(Draft(number))
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            queue.reset()
            books.reset()
            queue.offer_later(Draft(7))
            queue.close(60)
        os._exit(0)
    closing = threading.Thread(target=queue.close, args=(60,))
    closing.start()
    # Whichever came first: an end that is read before both are accepted would wait for the other one.
    with accepted(listener) as one, accepted(listener) as other:
        found = sorted([received(one), received(other)])
    closing.join(60)
    assert os.waitpid(pid, 0)[1] == 0
    assert found == [(["0", "1", "2"], 0), (["7"], 0)]
    assert books.totals() == {}
