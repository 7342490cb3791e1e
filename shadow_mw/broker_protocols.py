"""The two ends of a broker, as protocols: what brings envelopes there, and what takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from shadow_mw.records import Bucket, Envelope


class Sender(Protocol):
    """The app's end of a broker. Used on one event loop only."""

    def send(self, envelope: Envelope, report: Callable[[Bucket | None], None]) -> None:
        """Take an envelope and bring it to the broker. Never blocks, never raises.

        `report` is called once, on the loop and never before `send` has returned: with None when the broker
        has it for good, else with the bucket under which it is booked (`queue_full`, `too_large`).
        """
        ...

    async def aclose(self, seconds: float) -> None:
        """Bring what waits to the broker within so many seconds, report the rest as `queue_full`, and end."""
        ...


class Letter(Protocol):
    """One envelope that a broker gave to this worker, and keeps until it is acknowledged."""

    @property
    def envelope(self) -> Envelope:
        """What was sent."""
        ...

    @property
    def may_be_repeated(self) -> bool:
        """True unless no worker can have had it before."""
        ...

    @property
    def is_withdrawn(self) -> bool:
        """True once the broker gives it to another worker, so that nothing of it may be recorded here."""
        ...

    @property
    def flaw(self) -> str:
        """What is wrong with it that only its bringer can know, as a sentence; empty for a sound one."""
        ...

    def acknowledge(self) -> None:
        """Have the broker forget it."""
        ...

    def reject(self, reason: str) -> None:
        """Put it among the dead letters with a reason; only when it is safe there is it acknowledged."""
        ...


class Inbox(Protocol):
    """The worker's end of a broker. Used on one event loop only."""

    @property
    def problem(self) -> str:
        """Why nothing can be taken now, as a sentence; empty while all is well."""
        ...

    @property
    def lag(self) -> int | None:
        """How many envelopes wait at the broker, as far as this worker knows; None before it knows."""
        ...

    async def take(self, limit: int) -> Sequence[Letter]:
        """The next letters, at least one and at most `limit`; none once it is stopped.

        While nobody takes, nothing but a small reserve is fetched, and the broker hears from us all the same.
        A cancelled call loses no letter.
        """
        ...

    def stop(self) -> None:
        """Take nothing more. Letters that are open can still be acknowledged."""
        ...

    async def aclose(self, seconds: float) -> None:
        """Tell the broker what was acknowledged, within so many seconds, and leave."""
        ...
