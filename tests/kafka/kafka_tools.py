"""Envelopes, and two ends of a topic that say what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from broker import soon

from shadow_mw.queues.kafka_inbox import KafkaInbox
from shadow_mw.queues.kafka_letters import KafkaLetter
from shadow_mw.queues.kafka_sender import KafkaSender
from shadow_mw.records import Bucket, Envelope


def envelope(number: int, value: bytes = b"value", **headers: str) -> Envelope:
    name = f"e{number}"
    return Envelope(id=name, key=f"k{number}", headers={"ce_id": name, **headers}, value=value)


class Reports:
    """What a sender said of each envelope, and how long its longest `send` took."""

    def __init__(self, sender: KafkaSender) -> None:
        self.buckets: dict[str, Bucket | None] = {}
        self.longest_seconds = 0.0
        self.sent = 0
        self.sender = sender

    def send(self, what: Envelope) -> None:
        is_back = False

        def report(bucket: Bucket | None) -> None:
            assert is_back, "the report came before send had returned"
            assert what.id not in self.buckets, "a second report"
            self.buckets[what.id] = bucket

        began = time.perf_counter()
        self.sender.send(what, report)
        self.longest_seconds = max(self.longest_seconds, time.perf_counter() - began)
        is_back = True
        self.sent += 1

    async def all(self) -> None:
        await soon(lambda: len(self.buckets) == self.sent, lambda: f"{len(self.buckets)} of {self.sent}")


@contextlib.asynccontextmanager
async def sending(queue: str, **options: str) -> AsyncIterator[Reports]:
    sender = KafkaSender(queue, options=dotted(options))
    try:
        yield Reports(sender)
    finally:
        await sender.aclose(5)


@contextlib.asynccontextmanager
async def taking(
    queue: str, *, drain_seconds: float = 5, dead_topic: str = "", **options: str
) -> AsyncIterator[KafkaInbox]:
    chosen = {"group.id": queue.rpartition("/")[2], **dotted(options)}  # no test meets another's group
    inbox = KafkaInbox(queue, drain_seconds=drain_seconds, dead_topic=dead_topic, options=chosen)
    try:
        yield inbox
    finally:
        await inbox.aclose(10)


class OtherWorker:
    """A worker in a process of its own, which can be frozen; killed at the end of the block."""

    def __init__(self, queue: str, **options: str) -> None:
        words = (queue, json.dumps({"group.id": queue.rpartition("/")[2], **dotted(options)}))
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "kafka_worker.py"), *words],
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> OtherWorker:  # noqa: PYI034 (Self is of Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def says(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)


async def take(inbox: KafkaInbox, count: int, limit: int = 10) -> list[KafkaLetter]:
    """So many letters, however many calls it takes."""
    letters: list[KafkaLetter] = []
    async with asyncio.timeout(60) if hasattr(asyncio, "timeout") else _nothing():
        while len(letters) < count:
            letters += await inbox.take(min(limit, count - len(letters)))
    return letters


def dotted(options: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "."): value for name, value in options.items()}


def ids(letters: Any) -> list[str]:
    return [letter.envelope.id for letter in letters]


@contextlib.asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield
