"""What is known of a queue of SQS: how long it hides what was received, how much waits, where its dead go."""

from __future__ import annotations

import json
import logging
import threading

from shadow_mw.queues.sqs_client import SQSClient
from shadow_mw.queues.sqs_errors import ServiceError

_log = logging.getLogger("shadow_mw")
_NAMES = ["ApproximateNumberOfMessages", "RedrivePolicy", "VisibilityTimeout"]
#: What SQS itself takes where nothing is said; also ours for a queue that hides nothing.
_VISIBILITY_SECONDS = 30


class QueueFacts:
    """The attributes of a queue, as they were when it was last asked. Thread-safe."""

    def __init__(self, client: SQSClient) -> None:
        """Know nothing yet."""
        self._client = client
        self._lock = threading.Lock()
        self._is_known = False
        self.visibility_seconds = _VISIBILITY_SECONDS
        """How long a letter is ours without another word."""
        self.waiting: int | None = None
        """How many messages wait; None before it is known."""
        self.dead_letters_url = ""
        """The URL of its dead-letter queue; empty where it has none."""

    def __repr__(self) -> str:
        """All of it."""
        return (
            f"QueueFacts(visibility_seconds={self.visibility_seconds}, waiting={self.waiting}, "
            f"dead_letters_url={self.dead_letters_url!r})"
        )

    def need(self) -> None:
        """Ask, if that was never done.

        Raises:
            ServiceError: there is no answer.

        """
        with self._lock:
            if not self._is_known:
                self._ask()

    def refresh(self) -> None:
        """Ask.

        Raises:
            ServiceError: there is no answer.

        """
        with self._lock:
            self._ask()

    def _ask(self) -> None:
        try:
            answer = self._client.ask("get_queue_attributes", AttributeNames=_NAMES)
        except ServiceError as error:
            if not error.is_denied:
                raise
            if not self._is_known:
                _log.warning("%s, so that the lag and the dead-letter queue are not known", error)
            self._is_known = True
            return
        found = answer.get("Attributes") or {}
        self.visibility_seconds = int(found.get("VisibilityTimeout", 0)) or _VISIBILITY_SECONDS
        self.waiting = int(found.get("ApproximateNumberOfMessages", 0))
        self.dead_letters_url = self._dead_letters(found.get("RedrivePolicy", ""))
        self._is_known = True

    def _dead_letters(self, policy: str) -> str:
        """The URL of the queue that a policy names; SQS wants it in the same account and region."""
        try:
            arn = str(json.loads(policy)["deadLetterTargetArn"])
        except (ValueError, KeyError, TypeError):
            return ""
        return f"{self._client.queue_url().rpartition('/')[0]}/{arn.rpartition(':')[2]}"
