"""The end of a connection: what was sent, and what was about to be sent, is booked once."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shadow_mw.books import Books
from shadow_mw.frames import Counts, FrameReader, ToWorker
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
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        listener.settimeout(60)
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
