"""A worker for tests: takes three letters, waits until they are withdrawn, and acknowledges them."""

from __future__ import annotations

import asyncio
import json
import sys

from broker import soon

from shadow_mw.queues.kafka_inbox import KafkaInbox


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def main(queue: str, options: dict[str, str]) -> None:
    inbox = KafkaInbox(queue, drain_seconds=5, options=options)
    letters = []
    while len(letters) < 3:
        letters += await inbox.take(3)
    say(f"took {len(letters)}")
    asking = asyncio.create_task(inbox.take(3))
    await soon(lambda: all(letter.is_withdrawn for letter in letters), "letters withdrawn")
    say(f"withdrawn {len(letters)}")
    for letter in letters:
        letter.acknowledge()
    asking.cancel()
    await inbox.aclose(10)
    say("acknowledged")


asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
