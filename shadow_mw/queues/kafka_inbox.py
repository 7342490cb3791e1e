"""The worker's end of `kafka:`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Mapping, Sequence

from shadow_mw.queue_urls import kafka_address
from shadow_mw.queues.kafka_dead_letters import KafkaDeadLetters
from shadow_mw.queues.kafka_health import KafkaHealth
from shadow_mw.queues.kafka_letters import KafkaLetter
from shadow_mw.queues.kafka_options import consumer_options, environment_options
from shadow_mw.queues.kafka_reader import KafkaReader

#: For what takes no time unless the machine stands still.
_GRACE_SECONDS = 1.0


class KafkaInbox:
    """A member of a group of workers that share a topic. Used on one event loop only."""

    def __init__(
        self,
        queue: str,
        *,
        drain_seconds: float,
        options: Mapping[str, str] | None = None,
        dead_topic: str = "",
    ) -> None:
        """Name the topic, as in `kafka://broker:9092/topic`; nothing is fetched before something is taken.

        Where a partition goes to another worker, open letters of it have `drain_seconds`. `options` are
        librdkafka's, and the environment's where none are given. `dead_topic` is `<topic>.dead` by default.

        Raises:
            SettingsError: an option is not the user's to set, or librdkafka refused it.

        """
        address = kafka_address(queue)
        given = environment_options() if options is None else options
        # A group of its own: two topics in one group would rebalance each other.
        chosen = {"group.id": f"shadow_mw.{address.topic}", **given}
        self._queue = queue
        self._health = KafkaHealth(
            f"taking from the Kafka topic {address.topic}", address.brokers, address.topic
        )
        self._health.problem = f"no broker has answered yet at {address.brokers}"
        self._dead_letters = KafkaDeadLetters(address, dead_topic or f"{address.topic}.dead", chosen)
        self._reader = KafkaReader(
            address.topic,
            consumer_options(address.brokers, chosen),
            chosen,
            self._health,
            drain_seconds=drain_seconds,
            arrived=self._arrived,
            reject=self._dead_letters.put,
        )
        self._line: deque[KafkaLetter] = deque()
        self._has_news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()
        self._is_stopping = False
        self._is_closing = False

    def __repr__(self) -> str:
        """Name the topic."""
        return f"KafkaInbox({self._queue!r}, problem={self.problem!r})"

    @property
    def problem(self) -> str:
        """Why nothing can be taken now, as a sentence; empty while all is well."""
        return self._health.problem or self._dead_letters.problem

    @property
    def lag(self) -> int | None:
        """How many messages of our partitions are not acknowledged, some seconds ago; None before known."""
        return self._reader.assignment.lag

    async def take(self, limit: int) -> Sequence[KafkaLetter]:
        """The next letters, at least one and at most `limit`; none once it is stopped."""
        self._start()
        while not self._is_stopping:
            if letters := self._taken(limit):
                return letters
            self._has_news.clear()
            self._reader.ask(limit)
            try:
                await self._has_news.wait()
            finally:
                self._reader.ask(0)
        return ()

    def stop(self) -> None:
        """Take nothing more. Letters that are open can still be acknowledged."""
        self._is_stopping = True
        self._has_news.set()

    async def aclose(self, seconds: float) -> None:
        """Tell the broker what was acknowledged, within so many seconds, and leave."""
        if self._is_closing:
            return
        self._is_closing = True
        self.stop()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        await self._dead_letters.aclose(seconds / 2)
        if self._loop is not None:
            left = max(0.0, deadline - loop.time())
            self._reader.close(left)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), left + _GRACE_SECONDS)

    def _start(self) -> None:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            threading.Thread(target=self._run, name="shadow_mw-kafka-inbox", daemon=True).start()

    def _run(self) -> None:
        assert self._loop is not None
        self._reader.run()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._ended.set)

    def _arrived(self, letters: Sequence[KafkaLetter]) -> None:
        """Hand letters to the loop; called on the reader's thread."""
        assert self._loop is not None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody takes
            self._loop.call_soon_threadsafe(self._add, letters)

    def _add(self, letters: Sequence[KafkaLetter]) -> None:
        self._line.extend(letters)
        self._has_news.set()

    def _taken(self, limit: int) -> list[KafkaLetter]:
        letters: list[KafkaLetter] = []
        with self._reader.changed:
            while self._line and len(letters) < limit:
                letter = self._line.popleft()
                if not letter.is_withdrawn:
                    letter.is_taken = True
                    letters.append(letter)
        return letters
