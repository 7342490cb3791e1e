"""The outbox against a socket that takes little, comes and goes: frames are whole and all accounted for."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shadow_mw.frames import Counts, Flush, FrameReader, ToWorker
from shadow_mw.queues import outbox as module
from shadow_mw.queues.outbox import Outbox
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange

SIZE = 5
SIZE_BYTES = 300_000
#: Around what is sent at once, and what a small socket takes.
SIZES = st.sampled_from([0, 10, 1000, 5000, 32_000, 40_000, 150_000])


def request(number: int, size: int = 0) -> CapturedRequest:
    return CapturedRequest(
        exchange_id=str(number),
        request_id="",
        ts_us=0,
        method="POST",
        route=f"POST /{number}",
        path="/",
        body=b"x" * size,
    )


def response(number: int, size: int = 0) -> CapturedResponse:
    return CapturedResponse(exchange_id=str(number), seconds=0.0, body=b"x" * size)


class Draft:
    """An exchange that is put together when it is sent; of a number below zero it can't be."""

    def __init__(self, number: int, size: int = 0) -> None:
        self.number = number
        self.size_bytes = size
        self.route = f"POST /{number}"

    def message(self) -> Exchange:
        if self.number < 0:
            raise ValueError(self.number)
        return Exchange(request=request(self.number, self.size_bytes), response=response(self.number))


class Outboxes(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.wakes = 0
        self.is_awaited = False  # whether the keeper has said that it will look again soon
        self.outbox = Outbox(size=SIZE, size_bytes=SIZE_BYTES, wake=self.woken, spoilt=lambda _: None)
        self.number = 0
        self.accepted: list[str] = []  # routes that are neither acknowledged nor reported as lost
        self.ends: tuple[socket.socket, socket.socket] | None = None
        self.numbers: list[int] = []
        self.last_seen = 0

    def woken(self):
        self.wakes += 1

    def teardown(self):
        if getattr(self, "ends", None):
            self.leave()
        if hasattr(self, "outbox"):
            left = self.outbox.abandon()
            assert self.accepted == [one.route for one in left if isinstance(one, CapturedRequest | Draft)]

    @rule(size=SIZES)
    def offer(self, size):
        self.number += 1
        waiting = len(self.outbox._line)
        if self.outbox.offer(request(self.number, size)):
            self.accepted.append(f"POST /{self.number}")
        else:
            assert waiting >= SIZE or self.outbox._held_bytes + size > SIZE_BYTES

    @rule(size=SIZES)
    def offer_later(self, size):
        self.number += 1
        waiting, wakes = len(self.outbox._line), self.wakes
        if self.outbox.offer_later(Draft(self.number, size)):
            self.accepted.append(f"POST /{self.number}")
            assert self.wakes > wakes or self.is_awaited, "somebody has to come for it"
            self.is_awaited = True
        else:
            assert waiting >= SIZE or self.outbox._held_bytes + size > SIZE_BYTES

    @rule()
    def settle(self):
        self.is_awaited = self.outbox.settle()

    @rule()
    def offer_a_second_half_without_a_body(self):
        assert self.outbox.offer(response(0))

    @rule()
    def push(self):
        before = self.wakes
        self.outbox.push(Flush(1))
        assert self.wakes > before

    @precondition(lambda self: self.ends is None)
    @rule(is_tiny=st.booleans())
    def come(self, is_tiny):
        ours, theirs = socket.socketpair()
        if is_tiny:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        ours.setblocking(False)
        theirs.setblocking(False)
        self.ends = ours, theirs
        self.reader: FrameReader[ToWorker] = FrameReader(ToWorker, 2**20)
        self.outbox.attach(ours)

    @precondition(lambda self: self.ends is not None)
    @rule()
    def pump(self):
        self.outbox.pump()

    @precondition(lambda self: self.ends is not None)
    @rule(size=st.sampled_from([1, 5000, 100_000, 2**20]))
    def read(self, size):
        """The worker reads; frames must come whole and in the order of their offers."""
        with contextlib.suppress(BlockingIOError):
            for number, frame in self.reader.feed(self.ends[1].recv(size)):
                message = frame.request if isinstance(frame, Exchange) else frame
                if isinstance(message, CapturedRequest):
                    assert int(message.exchange_id) > self.last_seen
                    self.last_seen = int(message.exchange_id)
                    self.numbers.append(number)
                    assert message.route in self.accepted

    @precondition(lambda self: self.numbers)
    @rule(data=st.data())
    def acknowledge(self, data):
        some = data.draw(st.lists(st.sampled_from(self.numbers), unique=True))
        kept = self.outbox._unacknowledged
        for number in some:
            self.accepted.remove(kept[number])
        self.outbox.acknowledge(some)
        self.numbers = [number for number in self.numbers if number not in some]

    @precondition(lambda self: self.ends is not None)
    @rule(is_seen_by_a_pump=st.booleans())
    def leave(self, is_seen_by_a_pump=False):
        """The worker dies; what was sent to it, wholly or in part, is reported once, and nothing else."""
        ours, theirs = self.ends
        theirs.close()
        if is_seen_by_a_pump:
            with contextlib.suppress(OSError):
                self.outbox.pump()
        lost = [one for one in self.outbox.detach() if isinstance(one, str)]
        assert len(set(lost)) == len(lost)
        for route in lost:
            self.accepted.remove(route)
        assert self.accepted == [
            message.route for message in self.outbox._line if isinstance(message, CapturedRequest | Draft)
        ]
        ours.close()
        self.ends, self.numbers = None, []

    @invariant()
    def bounds_hold(self):
        if hasattr(self, "outbox"):
            waiting_bytes = sum(map(module._size_of, self.outbox._line))
            assert self.outbox._held_bytes == waiting_bytes + self.outbox._sending_bytes <= SIZE_BYTES
            requests = [one for one in self.outbox._line if isinstance(one, CapturedRequest | Draft)]
            assert len(requests) <= SIZE


TestOutbox = Outboxes.TestCase
TestOutbox.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def connected(
    wake: Callable[[], None] = lambda: None, spoilt: Callable[[object], None] = lambda _: None
) -> tuple[Outbox, socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    outbox = Outbox(size=SIZE, size_bytes=SIZE_BYTES, wake=wake, spoilt=spoilt)
    outbox.attach(ours)
    return outbox, ours, theirs


def numbers_in(data: bytes) -> list[int]:
    reader: FrameReader[Exchange] = FrameReader(Exchange, 2**20)
    return [int(message.request.exchange_id) for _, message in reader.feed(data)]


def test_a_large_message_is_neither_encoded_nor_sent_by_the_one_who_offers_it(monkeypatch):
    outbox, ours, theirs = connected()
    with ours, theirs:
        encoded: list[str] = []
        encode = module.encode
        monkeypatch.setattr(module, "encode", lambda *args: encoded.append("") or encode(*args))
        big = Exchange(request=request(1, 30_000), response=response(1, 30_000))
        assert outbox.offer(big)
        theirs.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            assert not theirs.recv(1)
        assert encoded == []
        assert not outbox.pump()
        assert len(encoded) == 1


def test_counts_come_back_whole():
    outbox, ours, theirs = connected()
    with ours, theirs:
        counts = Counts((("POST /", "a", {"eligible": 1}),))
        outbox.push(counts)
        outbox.pump()
        assert outbox.detach() == [counts]


def test_what_was_sent_before_a_hang_up_is_no_longer_ours():
    outbox, ours, theirs = connected()
    with ours, theirs:
        outbox.offer(request(1))
        assert outbox.hang_up()
        assert outbox.offer(request(2)), "it waits for the next connection"
        assert outbox.detach() == []
        assert [message.route for message in outbox.abandon()] == ["POST /2"]


def test_drafts_gather_while_the_keeper_looks_again_by_itself():
    wakes: list[str] = []
    outbox, ours, theirs = connected(wake=lambda: wakes.append(""))
    with ours, theirs:
        outbox.offer_later(Draft(1))
        assert len(wakes) == 1, "the first after a pause is in a hurry"
        outbox.pump()
        assert outbox.settle()
        outbox.offer_later(Draft(2))
        outbox.offer_later(Draft(3))
        assert len(wakes) == 1
        outbox.pump()
        assert outbox.settle()
        assert numbers_in(theirs.recv(2**20)) == [1, 2, 3]
        assert not outbox.settle(), "nothing came meanwhile: the keeper may sleep"
        outbox.offer_later(Draft(4))
        assert len(wakes) == 2


def test_many_drafts_do_not_wait_for_the_keeper_to_look():
    wakes: list[str] = []
    outbox, ours, theirs = connected(wake=lambda: wakes.append(""))
    outbox._size = 1000
    with ours, theirs:
        for number in range(100):
            outbox.offer_later(Draft(number))
        assert 2 <= len(wakes) <= 10


def test_a_draft_that_can_not_be_put_together_costs_only_itself():
    spoilt: list[object] = []
    outbox, ours, theirs = connected(spoilt=spoilt.append)
    with ours, theirs:
        for number in (1, -2, 3):
            outbox.offer_later(Draft(number))
        assert not outbox.pump()
        assert outbox.is_empty()
        assert numbers_in(theirs.recv(2**20)) == [1, 3]
        assert spoilt == ["POST /-2"]
        outbox.offer_later(Draft(-4))
        assert not outbox.pump()
        assert outbox.is_empty()
        assert outbox.detach() == ["POST /1", "POST /3"]


def test_a_message_that_can_not_be_encoded_does_not_count_as_sent():
    outbox, ours, theirs = connected()
    with ours, theirs:
        with pytest.raises(UnicodeEncodeError):
            outbox.offer(msgspec.structs.replace(request(1), path="/\ud800"))
        assert outbox.detach() == []


def test_nothing_is_hung_up_while_something_waits():
    outbox, ours, theirs = connected()
    with ours, theirs:
        outbox.offer(request(1, 100_000))
        assert not outbox.hang_up()
        while outbox.pump():
            theirs.recv(2**20)
        assert outbox.hang_up()


def test_threads_that_offer_at_once_into_a_small_socket():
    outbox, ours, theirs = connected()
    outbox._size = outbox._size_bytes = 10_000_000
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    is_over = threading.Event()

    def pump():
        while not is_over.is_set() or outbox.pump():
            outbox.pump()

    def offer(first: int):
        for number in range(first, first + 300):
            assert outbox.offer(request(number, number % 700))

    with ours, theirs:
        pumping = threading.Thread(target=pump)
        offering = [threading.Thread(target=offer, args=(1000 * one,)) for one in range(4)]
        for thread in (pumping, *offering):
            thread.daemon = True
            thread.start()
        reader: FrameReader[ToWorker] = FrameReader(ToWorker, 2**20)
        theirs.settimeout(20)
        found: list[int] = []
        while len(found) < 1200:
            found += [int(message.exchange_id) for _, message in reader.feed(theirs.recv(4096))]
        is_over.set()
        for thread in (pumping, *offering):
            thread.join(60)
    for one in range(4):
        mine = [number for number in found if number // 1000 == one]
        assert mine == list(range(1000 * one, 1000 * one + 300)), "each thread's in its order, each once"
