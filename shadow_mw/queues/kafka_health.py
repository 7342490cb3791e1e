"""Whether Kafka does what it should, said once when it stops and once when it goes on."""

from __future__ import annotations

import logging
import time

from confluent_kafka import KafkaError

_log = logging.getLogger("shadow_mw")

_MISSING = ("UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION")
#: What one broker of several may do without anyone noticing: the detail of what is said later.
_DETAILS = ("_TRANSPORT", "_RESOLVE", "_TIMED_OUT")
#: What a right of the user is missing for. An idempotent producer meets two of them one after the other.
_DENIED = (
    "TOPIC_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
)
#: What says nothing: brokers close connections that are idle, and all of them may.
_NOTHING = ("_ALL_BROKERS_DOWN", "_DESTROY", "_PARTITION_EOF")
_SILENT = ("_TIMED_OUT", "_MSG_TIMED_OUT", "_TRANSPORT", "REQUEST_TIMED_OUT")
#: What fails and works by turns has not recovered.
QUIET_SECONDS = 5.0


class KafkaHealth:
    """The state of one client. Told by any of its threads; reading it takes no lock."""

    def __init__(self, doing: str, brokers: str, topic: str) -> None:
        """Say what the client is `doing`, for the log."""
        self.problem = ""
        self.is_topic_missing = False
        self._doing = doing
        self._brokers = brokers
        self._topic = topic
        self._detail = ""
        self._said: set[str] = set()
        self._failed_at = 0.0

    def __repr__(self) -> str:
        """What is wrong."""
        return f"KafkaHealth({self._doing!r}, problem={self.problem!r})"

    def hear(self, error: KafkaError) -> None:
        """Take what librdkafka says on the side; most of it is the detail of something to come."""
        if error.name() in _DETAILS:
            self._detail = error.str().partition(" (after ")[0]
        elif error.name() not in _NOTHING:
            self.fail(error)

    def fail(self, error: KafkaError) -> None:
        """Take an error that keeps the client from what it does."""
        name = error.name()
        self.is_topic_missing = name in _MISSING
        if self.is_topic_missing:
            self.say("missing", f"the topic {self._topic} does not exist")
        elif name in _SILENT:
            self.is_silent()
        elif name in _DENIED:
            self.say("denied", error.str())
        elif name == "_FATAL" and self.problem:
            self._failed_at = time.monotonic()  # for a reason that has been told
        else:
            self.say(name, error.str())

    def is_silent(self) -> None:
        """Take that no broker answers."""
        detail = f" ({self._detail})" if self._detail else ""
        self.say("silent", f"no broker answers at {self._brokers}{detail}")

    def say(self, kind: str, sentence: str) -> None:
        """Take a problem; the first of its kind is logged."""
        self.problem = sentence
        self._failed_at = time.monotonic()
        if kind not in self._said:
            self._said.add(kind)
            _log.warning("%s fails: %s; production is not affected", self._doing, sentence)

    def recover(self) -> None:
        """Take that the client does what it should."""
        self.problem = self._detail = ""
        self.is_topic_missing = False
        if self._said and time.monotonic() - self._failed_at >= QUIET_SECONDS:
            self._said.clear()
            _log.warning("%s works again", self._doing)

    def tick(self) -> None:
        """Say that it has recovered when it has for long enough; for a thread that comes by now and then."""
        if self._said and not self.problem:
            self.recover()
