"""A store as something that can be taken from once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import anyio.to_thread

from shadow_mw.envelope import Sealer
from shadow_mw.protocols import Reader
from shadow_mw.records import Envelope, Exchange
from shadow_mw.replay.recorded import exchange_of

_PAGE = 2000
_PAGES = """
SELECT * FROM comparisons
WHERE {chosen} AND (ts_us > ? OR (ts_us = ? AND record_id > ?))
ORDER BY ts_us, record_id LIMIT {page}
"""


class StoreHistory:
    """An inbox whose letters are a store's records, the oldest first. Used on one event loop only."""

    problem = ""
    lag: int | None = None

    def __init__(
        self, reader: Reader, chosen: str, parameters: Sequence[Any], *, sealer: Sealer, has_path: bool
    ) -> None:
        """Take what the condition `chosen` holds for; see `exchange_of` for `has_path`.

        Raises:
            StoreError: the store can't answer; most likely the condition is wrong.

        """
        self._reader = reader
        self._chosen = f"({chosen})"
        self._parameters = tuple(parameters)
        self._sealer = sealer
        self._has_path = has_path
        self._is_stopped = False
        self._letters = self._all()
        self.left_out: Counter[str] = Counter()
        """Why records could not be replayed, each with how many."""
        (row,) = reader.rows(f"SELECT count(*) AS n FROM comparisons WHERE {self._chosen}", parameters)  # noqa: S608 - the person's own condition
        self.total = int(row["n"])

    def __repr__(self) -> str:
        """How many records there are."""
        return f"StoreHistory(total={self.total})"

    async def take(self, limit: int) -> Sequence[Recorded]:
        """The next letters; none at the end."""
        some: list[Recorded] = []
        if not self._is_stopped:
            some = await anyio.to_thread.run_sync(lambda: list(islice(self._letters, limit)))
        return some

    def stop(self) -> None:
        """Take nothing more."""
        self._is_stopped = True

    async def aclose(self, seconds: float) -> None:
        """Nothing: the reader is its opener's."""

    def _all(self) -> Iterator[Recorded]:
        for row in self._rows():
            exchange = exchange_of(row, has_path=self._has_path)
            if isinstance(exchange, Exchange):
                yield Recorded(self._sealer.exchange(exchange))
            else:
                self.left_out[exchange] += 1

    def _rows(self) -> Iterator[dict[str, Any]]:
        sql = _PAGES.format(chosen=self._chosen, page=_PAGE)
        last: tuple[int, str] = (-(2**62), "")
        while True:
            page = self._reader.rows(sql, [*self._parameters, last[0], *last])
            yield from page
            if len(page) < _PAGE:
                return
            last = (page[-1]["ts_us"], page[-1]["record_id"])


class Recorded:
    """A letter that nobody waits to be acknowledged."""

    __slots__ = ("_refused", "envelope")
    may_be_repeated = True
    is_withdrawn = False
    flaw = ""

    def __init__(self, envelope: Envelope, refused: Callable[[str], object] = str) -> None:
        """Tell `refused` why it could not be used."""
        self.envelope = envelope
        self._refused = refused

    def acknowledge(self) -> None:
        """Nothing."""

    def reject(self, reason: str) -> None:
        """Leave it where it is."""
        self._refused(reason)
