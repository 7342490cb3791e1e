"""The errands of a worker of SQS: deleting, burying and releasing letters, and looking how many wait."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from shadow_mw.boundary import Guard
from shadow_mw.queues.sqs_claims import ClaimError, Claims
from shadow_mw.queues.sqs_client import MOST, THREAD, SQSClient
from shadow_mw.queues.sqs_dead_letters import DeadLetters
from shadow_mw.queues.sqs_envelope import Claim
from shadow_mw.queues.sqs_errors import ServiceError
from shadow_mw.queues.sqs_facts import QueueFacts
from shadow_mw.queues.sqs_heartbeat import Heartbeat
from shadow_mw.queues.sqs_letter import SQSLetter
from shadow_mw.queues.sqs_trouble import Trouble

_log = logging.getLogger("shadow_mw")
_GATHER_SECONDS = 0.05
_LOOK_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_LAST_PAUSE_SECONDS = 0.1
_DROP_AGAIN_SECONDS = 60.0
#: While so many letters wait to be deleted, no more are fetched.
_MOST_BEHIND = 1000


class Errands:
    """One thread that does for letters what their reader asked for, again until it is done. Thread-safe.

    A letter is kept by the heartbeat until it is deleted.
    """

    def __init__(self, client: SQSClient, facts: QueueFacts, heartbeat: Heartbeat, claims: Claims) -> None:
        """Do nothing before the first errand."""
        self._client = client
        self._facts = facts
        self._heartbeat = heartbeat
        self._claims = claims
        self._dead_letters = DeadLetters(client, facts, claims)
        self._changed = threading.Condition()
        self._done: deque[SQSLetter] = deque()
        self._dead: deque[tuple[SQSLetter, str]] = deque()
        self._released: deque[tuple[SQSLetter, int]] = deque()
        self._used: deque[Claim] = deque()
        self._look_at = 0.0
        self._drop_at = 0.0
        self._failures = 0
        self._is_closing = False
        self._is_cut = False
        self._ended: Callable[[], None] = lambda: None
        self._thread: threading.Thread | None = None
        self._guard = Guard("an errand to SQS")
        self.trouble = Trouble(
            f"telling the SQS queue {client.address.name!r} what is done",
            "it is tried again; production is not affected",
        )

    @property
    def is_behind(self) -> bool:
        """True while too much is to be done."""
        return len(self._done) + len(self._dead) >= _MOST_BEHIND

    def start(self, ended: Callable[[], None]) -> None:
        """Begin to look how many messages wait; call back, on the thread, at its end."""
        if self._thread is None:
            self._ended = ended
            self._thread = threading.Thread(target=self._main, name=f"{THREAD}-errands", daemon=True)
            self._thread.start()

    def acknowledge(self, letter: SQSLetter) -> None:
        """Delete it, and what it claimed."""
        with self._changed:
            self._done.append(letter)
            self._changed.notify_all()

    def reject(self, letter: SQSLetter, reason: str) -> None:
        """Bury it, then delete it."""
        with self._changed:
            self._dead.append((letter, reason))
            self._changed.notify_all()

    def release(self, letters: Iterable[SQSLetter], seconds: int = 0) -> None:
        """Let other workers have these, after so many seconds."""
        letters = list(letters)
        self._heartbeat.discharge(letters)
        with self._changed:
            self._released.extend((letter, seconds) for letter in letters)
            self._changed.notify_all()

    def close(self) -> None:
        """End when all is done."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()

    def cut(self) -> None:
        """End now."""
        with self._changed:
            self._is_cut = True
            self._changed.notify_all()

    def _main(self) -> None:
        try:
            while self._has_work():
                self._failures += 1
                with self._guard:
                    self._failures = self._failures if self._round() else 0
                self._pause()
        finally:
            self._ended()

    def _has_work(self) -> bool:
        """Wait for an errand, and a moment for more of them; False at the end."""
        with self._changed:
            while not self._is_cut:
                if self._is_waited_for():
                    self._changed.wait_for(self._must_hurry, _GATHER_SECONDS)
                    return not self._is_cut
                seconds = self._look_at - time.monotonic()
                if self._is_closing or seconds <= 0.0:
                    return not self._is_closing
                self._changed.wait(seconds)
        return False

    def _is_waited_for(self) -> bool:
        return bool(self._done or self._dead or self._released or self._used)

    def _must_hurry(self) -> bool:
        return self._is_closing or self._is_cut or len(self._done) >= MOST

    def _pause(self) -> None:
        if not self._failures:
            return
        seconds = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 16), _LONGEST_PAUSE_SECONDS)
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._is_cut, seconds)
            if self._is_closing:
                self._changed.wait_for(lambda: self._is_cut, min(seconds, _LAST_PAUSE_SECONDS))

    def _round(self) -> bool:
        """Each errand once; True when one of them failed."""
        errands = (self._delete, self._bury, self._release)
        failed = [errand for errand in errands if not self._is_done(errand)]
        self._look()
        self._drop()
        if not failed:
            self.trouble.ended()
        return bool(failed)

    def _is_done(self, errand: Callable[[], None]) -> bool:
        try:
            errand()
        except ServiceError as error:
            self.trouble.began(str(error))
            return False
        return True

    def _delete(self) -> None:
        with self._changed:
            letters = list(islice(self._done, MOST))
        if not letters:
            return
        failures = self._client.ask_batch(
            "delete_message_batch", [{"ReceiptHandle": letter.receipt} for letter in letters]
        )
        again = {failure.index for failure in failures if not failure.is_final}
        over = [letter for index, letter in enumerate(letters) if index not in again]
        self._heartbeat.discharge(over)
        refused = {failure.index for failure in failures}
        with self._changed:
            for index, letter in enumerate(letters):
                self._done.popleft()
                if index in again:
                    self._done.append(letter)
                elif letter.claim is not None and index not in refused:
                    self._used.append(letter.claim)
        if again:
            raise ServiceError("a part of a batch was not deleted", failures[0].code)

    def _bury(self) -> None:
        while self._dead and not self._is_cut:
            letter, reason = self._dead[0]
            seconds = self._dead_letters.take(letter, reason)
            with self._changed:
                self._dead.popleft()
            if seconds is None:
                letter.claim = None  # what is among the dead letters still has a claim to it
                self.acknowledge(letter)
            else:
                self.release([letter], seconds)

    def _release(self) -> None:
        with self._changed:
            batch = list(islice(self._released, MOST))
        if not batch:
            return
        entries: list[dict[str, Any]] = [
            {"ReceiptHandle": letter.receipt, "VisibilityTimeout": seconds} for letter, seconds in batch
        ]
        self._client.ask_batch("change_message_visibility_batch", entries)
        with self._changed:
            for _ in batch:
                self._released.popleft()

    def _look(self) -> None:
        """See how many messages wait; that this can't be known now holds up nothing."""
        if self._is_closing or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_SECONDS
        try:
            self._facts.refresh()
        except ServiceError as error:
            self._facts.waiting = None
            _log.debug("the lag is not known: %s", error)

    def _drop(self) -> None:
        """Delete what was claimed, once: what is left is for the bucket's lifecycle rule."""
        while self._used and not self._is_cut:
            claim = self._used.popleft()
            if time.monotonic() < self._drop_at:
                continue
            try:
                self._claims.drop(claim)
            except (ClaimError, ServiceError) as error:
                _log.debug("a value stays in the bucket: %s", error)
                if isinstance(error, ServiceError):
                    self._drop_at = time.monotonic() + _DROP_AGAIN_SECONDS
