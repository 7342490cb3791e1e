"""Where letters go that can't be dealt with, so that nothing is lost and nothing is held up."""

from __future__ import annotations

import logging
from typing import Any

from shadow_mw.queues.sqs_claims import Claims
from shadow_mw.queues.sqs_client import SQSClient
from shadow_mw.queues.sqs_envelope import attributes_of, printable
from shadow_mw.queues.sqs_errors import ServiceError
from shadow_mw.queues.sqs_facts import QueueFacts
from shadow_mw.queues.sqs_letter import SQSLetter

_log = logging.getLogger("shadow_mw")
_MOST_ATTRIBUTES = 10
_REASON_CHARS = 1_000
#: SQS hides a message for twelve hours at most, counted from when it was received.
_HIDDEN_SECONDS = 11 * 3600


class DeadLetters:
    """The dead-letter queue of a queue, or what stands in for it. Used on one thread only."""

    def __init__(self, client: SQSClient, facts: QueueFacts, claims: Claims) -> None:
        """Use the queue that the facts name, or else the bucket, or else the queue itself."""
        self._client = client
        self._facts = facts
        self._claims = claims
        self._told: set[str] = set()

    def take(self, letter: SQSLetter, reason: str) -> int | None:
        """None when the letter is safe elsewhere; else for how many seconds it is to be left where it is.

        Raises:
            ServiceError: that can't be said now.

        """
        reason = printable(reason)[:_REASON_CHARS] or "no reason was given"
        self._facts.need()
        try:
            if self._facts.dead_letters_url:
                self._send(letter, reason)
                return None
            if self._claims.is_possible:
                self._claims.bury(letter.message_id, letter.body, reason)
                return None
        except ServiceError as error:
            if not (error.is_denied or error.is_of_request):
                raise
            self._tell(f"a dead letter could not be put away: {error}; SQS will give it to a worker again")
            return self._facts.visibility_seconds
        self._tell(
            f"the SQS queue {self._client.address.name!r} has no dead-letter queue: what can't be read stays "
            "in it, hidden for 11 hours at a time; give it a redrive policy"
        )
        return _HIDDEN_SECONDS

    def _send(self, letter: SQSLetter, reason: str) -> None:
        told = {"shadow_mw_dead_reason": reason, "shadow_mw_message_id": letter.message_id}
        kept = list(letter.attributes.items())[: _MOST_ATTRIBUTES - len(told)]
        parameters: dict[str, Any] = {
            "QueueUrl": self._facts.dead_letters_url,
            "MessageBody": letter.body,
            "MessageAttributes": {**dict(kept), **attributes_of(told)},
        }
        if self._client.address.is_fifo:
            parameters["MessageGroupId"] = letter.group or letter.message_id
            parameters["MessageDeduplicationId"] = letter.message_id
        self._client.ask("send_message", **parameters)

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            _log.warning("%s; production is not affected", sentence)
