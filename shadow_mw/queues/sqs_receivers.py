"""The receivers of a worker of SQS: threads that wait for messages, for as many as were asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec

from shadow_mw.boundary import Guard
from shadow_mw.queues.sqs_claims import ClaimError, Claims
from shadow_mw.queues.sqs_client import MOST, THREAD, SQSClient
from shadow_mw.queues.sqs_errands import Errands
from shadow_mw.queues.sqs_errors import ServiceError
from shadow_mw.queues.sqs_facts import QueueFacts
from shadow_mw.queues.sqs_heartbeat import Heartbeat
from shadow_mw.queues.sqs_letter import SQSLetter
from shadow_mw.queues.sqs_trouble import Trouble

_MOST_THREADS = 4
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 15.0
_BEHIND_SECONDS = 1.0
_MEANWHILE = "it is tried again; production is not affected"
#: How long a letter is left alone whose value could not be fetched for now.
_APART_SECONDS = 30


class Receivers:
    """Up to four threads that receive: one, and one more whenever the others come back with full hands.

    Thread-safe. What was received is kept by the heartbeat from then on.
    """

    def __init__(
        self,
        client: SQSClient,
        facts: QueueFacts,
        heartbeat: Heartbeat,
        errands: Errands,
        claims: Claims,
        *,
        deliver: Callable[[Sequence[SQSLetter]], None],
        poll_seconds: int,
    ) -> None:
        """Give what came to `deliver`, on a thread; let the service wait `poll_seconds` for a message."""
        self._client = client
        self._facts = facts
        self._heartbeat = heartbeat
        self._errands = errands
        self._claims = claims
        self._deliver = deliver
        self._poll_seconds = poll_seconds
        self._changed = threading.Condition()
        self._wanted = 0
        self._held = 0
        self._reserved = 0
        self._width = 1
        self._threads = 0
        self._failures = 0
        self._is_stopping = False
        self._guard = Guard("receiving from SQS")
        name = f"the SQS queue {client.address.name!r}"
        self.trouble = Trouble(f"receiving from {name}", _MEANWHILE)
        self.bucket_trouble = Trouble(f"fetching large exchanges of {name}", _MEANWHILE)

    def want(self, count: int) -> None:
        """Receive until so many are held."""
        with self._changed:
            self._wanted = count
            if not self._threads and count:
                self._spawn()
            self._changed.notify_all()

    def taken(self, count: int) -> None:
        """Hold so many less, and want no others in their place."""
        with self._changed:
            self._held -= count
            self._wanted = max(self._wanted - count, 0)

    def stop(self) -> None:
        """Receive nothing more, and release what a call that is under way brings."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()

    def _spawn(self) -> None:
        number = self._threads
        self._threads += 1
        name = f"{THREAD}-receiver-{number}"
        threading.Thread(target=self._main, args=(number,), name=name, daemon=True).start()

    def _main(self, number: int) -> None:
        while count := self._reserve(number):
            letters = None
            with self._guard:
                letters = self._receive(count)
            self._received(count, letters)
            if letters is None or self.bucket_trouble.sentence:
                self._pause()

    def _reserve(self, number: int) -> int:
        """Wait until more is wanted than is held or under way; how many to receive, 0 at the end."""
        with self._changed:
            while not self._is_stopping:
                count = min(self._wanted - self._held - self._reserved, MOST)
                if count > 0 and number < self._width and not self._errands.is_behind:
                    self._reserved += count
                    return count
                self._changed.wait(_BEHIND_SECONDS if self._errands.is_behind else None)
        return 0

    def _receive(self, count: int) -> list[SQSLetter] | None:
        """What came, which may be nothing; None where the service failed."""
        try:
            self._facts.need()
            answer = self._client.ask(
                "receive_message",
                MaxNumberOfMessages=count,
                WaitTimeSeconds=self._poll_seconds,
                VisibilityTimeout=self._facts.visibility_seconds,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
            )
        except ServiceError as error:
            self.trouble.began(str(error))
            return None
        self.trouble.ended()
        is_fifo = self._client.address.is_fifo
        messages = answer.get("Messages") or ()
        letters = [SQSLetter(self._errands, message, is_fifo=is_fifo) for message in messages]
        self._heartbeat.admit(letters)
        return self._whole(letters)

    def _whole(self, letters: Sequence[SQSLetter]) -> list[SQSLetter]:
        """Those that have their value, or will never have it; the rest is left alone for a while."""
        whole: list[SQSLetter] = []
        apart: list[SQSLetter] = []
        for letter in letters:
            is_whole = not apart if letter.claim else True
            (whole if is_whole and self._fetch(letter) else apart).append(letter)
        if apart:
            self._errands.release(apart, _APART_SECONDS)
        return whole

    def _fetch(self, letter: SQSLetter) -> bool:
        """Bring a letter's value from the bucket, if it is there; False where that can't be said now."""
        if letter.claim is None:
            return True
        try:
            value = self._claims.fetch(letter.claim)
        except ClaimError as error:
            letter.flaw = str(error)
        except ServiceError as error:
            self.bucket_trouble.began(str(error))
            return False
        else:
            letter.envelope = msgspec.structs.replace(letter.envelope, value=value)
        self.bucket_trouble.ended()
        return True

    def _received(self, count: int, letters: Sequence[SQSLetter] | None) -> None:
        with self._changed:
            self._reserved -= count
            self._failures = self._failures + 1 if letters is None else 0
            is_stopping = self._is_stopping
            if letters and not is_stopping:
                self._held += len(letters)
            self._widen(len(letters or ()) >= count)
            self._changed.notify_all()
        if letters:
            (self._errands.release if is_stopping else self._deliver)(letters)

    def _widen(self, is_full: bool) -> None:
        """One more where there was more than one could carry, else one alone."""
        self._width = min(self._width + 1, _MOST_THREADS) if is_full else 1
        if self._threads < self._width and not self._is_stopping:
            self._spawn()

    def _pause(self) -> None:
        seconds = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 16), _LONGEST_PAUSE_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopping, seconds)
