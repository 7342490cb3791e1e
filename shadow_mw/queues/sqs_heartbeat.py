"""The heartbeat of a worker of SQS: while it beats, letters in the worker's hands are given to no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

from shadow_mw.boundary import Guard
from shadow_mw.queues.sqs_client import MOST, THREAD, SQSClient
from shadow_mw.queues.sqs_errors import ServiceError
from shadow_mw.queues.sqs_facts import QueueFacts
from shadow_mw.queues.sqs_letter import SQSLetter
from shadow_mw.queues.sqs_trouble import Trouble

#: Of the visibility timeout: when a letter is prolonged, which ones go along, and when it is tried again.
_RENEW, _ALONG, _AGAIN = 0.5, 0.1, 0.1
_LONGEST_AGAIN_SECONDS = 5.0


class Heartbeat:
    """One thread that prolongs the time of each open letter when half of it is over. Thread-safe.

    That time is the queue's visibility timeout. A letter that could not be prolonged in it is withdrawn, and
    stays so.
    """

    def __init__(self, client: SQSClient, facts: QueueFacts) -> None:
        """Prolong by what the queue's own timeout is."""
        self._client = client
        self._facts = facts
        self._changed = threading.Condition()
        self._open: dict[str, SQSLetter] = {}
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._guard = Guard("keeping letters of SQS")
        self.trouble = Trouble(
            f"keeping letters of the SQS queue {client.address.name!r}",
            "what can't be kept is left to another worker; production is not affected",
        )
        self.renewals = 0
        """How many times a letter was prolonged."""

    def admit(self, letters: Iterable[SQSLetter]) -> None:
        """Keep these, which were received just now."""
        now = time.monotonic()
        with self._changed:
            for letter in letters:
                self._prolong(letter, now)
                self._open[letter.receipt] = letter
            if self._thread is None and self._open and not self._is_stopping:
                self._thread = threading.Thread(target=self._main, name=f"{THREAD}-heartbeat", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def discharge(self, letters: Iterable[SQSLetter]) -> None:
        """Keep these no longer."""
        with self._changed:
            for letter in letters:
                self._open.pop(letter.receipt, None)

    def open(self) -> list[SQSLetter]:
        """The letters that are kept."""
        with self._changed:
            return list(self._open.values())

    def stop(self) -> None:
        """Keep nothing any more."""
        with self._changed:
            self._is_stopping = True
            self._open.clear()
            self._changed.notify_all()

    def _main(self) -> None:
        while not self._is_stopping:
            due = self._due()
            for start in range(0, len(due), MOST):
                with self._guard:
                    self._renew(due[start : start + MOST])

    def _due(self) -> list[SQSLetter]:
        """Wait until some must be prolonged; those, and with them those whose time is near."""
        with self._changed:
            while not self._is_stopping:
                for letter in [letter for letter in self._open.values() if letter.is_withdrawn]:
                    del self._open[letter.receipt]
                soonest = min((letter.renew_at for letter in self._open.values()), default=None)
                seconds = None if soonest is None else soonest - time.monotonic()
                if seconds is not None and seconds <= 0.0:
                    break
                self._changed.wait(seconds)
            near = time.monotonic() + _ALONG * self._facts.visibility_seconds
            return [letter for letter in self._open.values() if letter.renew_at <= near]

    def _renew(self, letters: Sequence[SQSLetter]) -> None:
        now = time.monotonic()
        seconds = self._facts.visibility_seconds
        again = now + min(_AGAIN * seconds, _LONGEST_AGAIN_SECONDS)
        for letter in letters:
            letter.renew_at = again
        entries = [{"ReceiptHandle": letter.receipt, "VisibilityTimeout": seconds} for letter in letters]
        try:
            failures = self._client.ask_batch("change_message_visibility_batch", entries)
        except ServiceError as error:
            self.trouble.began(str(error))
            return
        failed = {failure.index: failure for failure in failures}
        for index, letter in enumerate(letters):
            if index not in failed and not letter.is_withdrawn:
                self._prolong(letter, now)
                self.renewals += 1
            elif index in failed and failed[index].is_final:
                letter.withdraw()
                self.discharge([letter])
        if not failed:
            self.trouble.ended()

    def _prolong(self, letter: SQSLetter, since: float) -> None:
        letter.expires_at = since + self._facts.visibility_seconds
        letter.renew_at = since + _RENEW * self._facts.visibility_seconds
