"""A worker for tests: takes three letters, waits until they are withdrawn, and acknowledges them all the same."""

from __future__ import annotations

import asyncio
import json
import sys

from shadow_mw.queues.kafka_inbox import KafkaInbox


async def main(queue: str, options: dict[str, str]) -> None:
    inbox = KafkaInbox(queue, drain_seconds=5, options=options)
    letters = []
    while len(letters) < 3:
        letters += await inbox.take(3)
    print("took", len(letters), flush=True)
    asking = asyncio.create_task(inbox.take(3))
    while not all(letter.is_withdrawn for letter in letters):
        await asyncio.sleep(0.02)
    print("withdrawn", len(letters), flush=True)
    for letter in letters:
        letter.acknowledge()
    asking.cancel()
    await inbox.aclose(10)
    print("acknowledged", flush=True)


asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
