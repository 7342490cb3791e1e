"""One message that SQS gave to this worker, as a letter."""

from __future__ import annotations

import time
from typing import Any, Protocol

from shadow_mw.queues.sqs_envelope import decode
from shadow_mw.records import Envelope


class Office(Protocol):
    """What does for a letter what its reader asks for."""

    def acknowledge(self, letter: SQSLetter) -> None:
        """Have it deleted."""
        ...

    def reject(self, letter: SQSLetter, reason: str) -> None:
        """Have it put among the dead letters."""
        ...


class SQSLetter:
    """A message that is hidden from other workers as long as it is kept hidden."""

    __slots__ = (
        "_is_lost",
        "_is_settled",
        "_office",
        "attributes",
        "body",
        "claim",
        "envelope",
        "expires_at",
        "flaw",
        "group",
        "may_be_repeated",
        "message_id",
        "receipt",
        "renew_at",
    )

    def __init__(self, office: Office, message: dict[str, Any], *, is_fifo: bool) -> None:
        """Read what was received; the value may still be elsewhere (`claim`)."""
        told = message.get("Attributes") or {}
        self._office = office
        self._is_lost = False
        self._is_settled = False
        self.message_id = str(message["MessageId"])
        self.receipt = str(message["ReceiptHandle"])
        self.body = str(message.get("Body", ""))
        self.attributes: dict[str, Any] = message.get("MessageAttributes") or {}
        self.group = str(told.get("MessageGroupId", ""))
        self.envelope: Envelope
        self.envelope, self.claim = decode(self.body)
        self.may_be_repeated = not is_fifo or str(told.get("ApproximateReceiveCount")) != "1"
        """False for the first delivery by a FIFO queue only: a standard one may deliver twice at any time."""
        self.flaw = ""
        """Why its value can't be had, as a sentence; empty for a sound letter."""
        self.expires_at = float("inf")
        self.renew_at = float("inf")

    def __repr__(self) -> str:
        """Which one."""
        return f"SQSLetter({self.message_id!r}, withdrawn={self.is_withdrawn})"

    @property
    def is_settled(self) -> bool:
        """True once its reader has said what is to become of it."""
        return self._is_settled

    @property
    def is_withdrawn(self) -> bool:
        """True once SQS may give it to another worker: its time is over and could not be prolonged."""
        if time.monotonic() >= self.expires_at:
            self._is_lost = True
        return self._is_lost

    def withdraw(self) -> None:
        """Note that it is not ours any more."""
        self._is_lost = True

    def acknowledge(self) -> None:
        """Have SQS delete it, soon."""
        if not self._is_settled:
            self._is_settled = True
            self._office.acknowledge(self)

    def reject(self, reason: str) -> None:
        """Put it among the dead letters with a reason; only when it is safe there is it deleted.

        That is the dead-letter queue that the queue's redrive policy names. Without one it is the folder
        `shadow_mw/dead/` of the bucket. With neither it stays in the queue, hidden for hours at a time so
        that it holds up nothing, until somebody gives the queue a dead-letter queue or its retention ends.
        """
        if not self._is_settled:
            self._is_settled = True
            self._office.reject(self, reason)
