"""The thread that owns a consumer of Kafka: its calls block, and a rebalance has to wait for the worker."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from shadow_mw.boundary import Guard
from shadow_mw.queues.kafka_assignment import KafkaAssignment
from shadow_mw.queues.kafka_ends import KafkaEnds
from shadow_mw.queues.kafka_health import KafkaHealth
from shadow_mw.queues.kafka_letters import KafkaLetter, Ledger
from shadow_mw.queues.kafka_options import admin_options, client

_POLL_SECONDS = 0.2
_IDLE_SECONDS = 0.1
_SETTLE_SECONDS = 0.02
_COMMIT_SECONDS = 1.0
_LOOK_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 1.0
#: A pause throws away what has been fetched, so a worker that is busy for a moment gets none.
_PAUSE_AFTER_SECONDS = 1.0
_FROM_END = ("latest", "largest", "end")


class KafkaReader:
    """Takes from a topic as a member of a group, on a thread, while the loop asks for letters."""

    def __init__(
        self,
        topic: str,
        told: Mapping[str, Any],
        options: Mapping[str, str],
        health: KafkaHealth,
        *,
        drain_seconds: float,
        arrived: Callable[[Sequence[KafkaLetter]], None],
        reject: Callable[[KafkaLetter, str], None],
    ) -> None:
        """Make the consumer, which does nothing yet; `arrived` will be called on the thread.

        Raises:
            SettingsError: librdkafka refused one of the options.

        """
        ends = KafkaEnds(topic, admin_options(told["bootstrap.servers"], options), options)
        self.assignment = KafkaAssignment(topic, ends, is_from_end=told["auto.offset.reset"] in _FROM_END)
        self.changed = threading.Condition()
        """Held where a letter is taken or withdrawn, so that it is never both."""
        self._topic = topic
        self._guard = Guard(f"reading from the Kafka topic {topic}")
        self._health = health
        self._drain_seconds = drain_seconds
        self._arrived = arrived
        self._reject = reject
        self._kept: list[Message] = []
        self._given_up: set[int] = set()
        self._paused: set[int] = set()
        self._want = 0
        self._asked_at = self._commit_at = 0.0
        self._look_at = time.monotonic() + _LOOK_AGAIN_SECONDS
        self._has_joined = False
        self._closes_at: float | None = None
        callbacks = {"error_cb": health.hear, "on_commit": self.assignment.committed}
        self._consumer = client(Consumer, told, options, **callbacks)

    def __repr__(self) -> str:
        """What it holds."""
        return f"KafkaReader({self.assignment!r})"

    def ask(self, limit: int) -> None:
        """Have at most so many letters fetched; 0 takes the wish back."""
        with self.changed:
            self._want = limit
            self._asked_at = time.monotonic()
            self.changed.notify_all()

    def close(self, seconds: float) -> None:
        """Have the thread tell the broker what is acknowledged, within so many seconds, and end."""
        with self.changed:
            self._closes_at = time.monotonic() + seconds
            self.changed.notify_all()

    def run(self) -> None:
        """Read until it is closed: the thread's work."""
        self._consumer.subscribe(
            [self._topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        while self._closes_at is None:
            with self._guard:
                self._go_on()
                continue
            self._health.say("broken", "an error of ours, which is in the log")
            self._rest()
        with self._guard:
            self._leave(self._closes_at)
        self._consumer.close()
        self.assignment.close()

    def _go_on(self) -> None:
        try:
            self._step()
        except KafkaException as error:
            self._health.fail(error.args[0])
            self._rest()

    def _step(self) -> None:
        now = time.monotonic()
        self.assignment.settle()
        self._health.tick()
        if now >= self._commit_at:
            self._commit_at = now + _COMMIT_SECONDS
            self.assignment.commit(self._consumer, self.assignment.ledgers.values())
        self._look(now)
        if self._want:
            self._fetch(self._want)
        else:
            self._idle()

    def _fetch(self, limit: int) -> None:
        """Bring at most so many letters to the loop, as soon as there is one."""
        self._resume()
        messages, self._kept = self._kept[:limit], self._kept[limit:]
        if not messages and (message := self._consumer.poll(_POLL_SECONDS)) is not None:
            messages.append(message)  # one without a value is false
        self._given_up.clear()
        if messages and len(messages) < limit:
            messages += self._consumer.consume(limit - len(messages), timeout=0)
        if letters := [letter for letter in map(self._letter, messages) if letter is not None]:
            self._health.recover()
            with self.changed:
                self._want = 0
            self._arrived(letters)
        elif messages:
            self._rest()  # errors only, and there may be more of them

    def _letter(self, message: Message) -> KafkaLetter | None:
        """The letter in a message; None for an error, and for what was given up while it was fetched."""
        if (error := message.error()) is not None:
            self._health.hear(error)
            return None
        number, offset = message.partition() or 0, message.offset() or 0
        ledger = self.assignment.ledgers.get(number)
        if ledger is None or number in self._given_up:
            if ledger is not None:
                self._consumer.seek(TopicPartition(self._topic, number, offset))
            return None
        letter = KafkaLetter(message, may_be_repeated=ledger.may_be_repeated(offset), reject=self._reject)
        ledger.add(letter)
        return letter

    def _idle(self) -> None:
        """Let the broker know that we are there while nobody asks for letters."""
        self._wait(_IDLE_SECONDS)
        if not self._want and time.monotonic() - self._asked_at > _PAUSE_AFTER_SECONDS:
            self._pause()
            if (message := self._consumer.poll(0)) is not None:
                self._kept.append(message)

    def _wait(self, seconds: float) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self._want or self._closes_at is not None, seconds)

    def _rest(self) -> None:
        """Wait after an error, whoever asks."""
        with self.changed:
            self.changed.wait_for(lambda: self._closes_at is not None, _LOOK_AGAIN_SECONDS)

    def _pause(self) -> None:
        if flowing := self.assignment.ledgers.keys() - self._paused:
            self._consumer.pause([TopicPartition(self._topic, number) for number in flowing])
            self._paused |= flowing

    def _resume(self) -> None:
        if self._paused:
            self._consumer.resume([TopicPartition(self._topic, number) for number in self._paused])
            self._paused.clear()

    def _look(self, now: float) -> None:
        """See what is left, and whether the broker is there and the topic too."""
        try:
            if self.assignment.take_answer(self._consumer):
                self._health.recover()
        except KafkaException as error:
            self._look_for_topic()  # the better reason, if it is one
            raise error from None
        if now < self._look_at:
            return
        is_well = not self._health.problem and self.assignment.lag is not None
        self._look_at = now + (_LOOK_SECONDS if is_well else _LOOK_AGAIN_SECONDS)
        if self.assignment.ledgers:
            self.assignment.ask()
        else:
            self._look_for_topic()

    def _look_for_topic(self) -> None:
        """Ask for the topic while nothing is fetched, which also lets the group know when it is made."""
        found = self._consumer.list_topics(self._topic, timeout=_LOOK_AGAIN_SECONDS)
        if (error := found.topics[self._topic].error) is not None:
            raise KafkaException(error)
        if self._has_joined and not self.assignment.ledgers:
            self.assignment.lag = 0
            self._health.recover()

    def _assigned(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._has_joined = True
        self._look_at = time.monotonic()
        numbers = [partition.partition for partition in partitions]
        # One that was paused when it was lost comes back paused, whatever became of it meanwhile.
        self._paused.update(numbers)
        try:
            self.assignment.add(numbers)
        except KafkaException as error:
            self._health.fail(error.args[0])
        else:
            self._health.recover()

    def _revoked(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """Give the worker time for what it has of the partitions, then let go of them."""
        ledgers = self._give_up(partitions)
        self._drain(ledgers)
        with contextlib.suppress(KafkaException):
            self.assignment.commit(self._consumer, ledgers)
        self._withdraw(ledgers, is_all=True)

    def _lost(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._withdraw(self._give_up(partitions), is_all=True)

    def _give_up(self, partitions: Iterable[TopicPartition]) -> list[Ledger]:
        numbers = {partition.partition for partition in partitions}
        self._given_up |= numbers
        self._paused -= numbers
        self._kept = [message for message in self._kept if message.partition() not in numbers]
        self._look_at = time.monotonic()
        return self.assignment.remove(numbers)

    def _drain(self, ledgers: Sequence[Ledger]) -> None:
        self._withdraw(ledgers, is_all=False)
        deadline = time.monotonic() + self._drain_seconds
        while any(ledger.awaits for ledger in ledgers) and time.monotonic() < deadline:
            if self._closes_at is not None:
                break
            time.sleep(_SETTLE_SECONDS)
        for ledger in ledgers:
            ledger.settle()

    def _withdraw(self, ledgers: Iterable[Ledger], *, is_all: bool) -> None:
        with self.changed:
            for ledger in ledgers:
                ledger.withdraw(is_all=is_all)

    def _leave(self, closes_at: float) -> None:
        """Tell the broker what is acknowledged until it says that it knows: in a rebalance it refuses."""
        self._pause()
        while True:
            self.assignment.settle()
            if self.assignment.is_told or time.monotonic() >= closes_at:
                break
            self.assignment.commit(self._consumer, self.assignment.ledgers.values())
            self._consumer.poll(_IDLE_SECONDS)
        if not self.assignment.ledgers:
            # A member without partitions that is only closed goes without a word, and the others wait for it.
            self._consumer.unsubscribe()
            self._consumer.poll(_IDLE_SECONDS)
