"""What a worker behind a broker asks its store, again and again: which records are there already."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

from shadow_mw.assembly.stores import open_reader
from shadow_mw.exceptions import StoreError, StoreNotFound
from shadow_mw.protocols import Kept, Reader
from shadow_mw.questions import known_records
from shadow_mw.settings import Settings
from shadow_mw.store_urls import is_url
from shadow_mw.stores.kept import KeptRecords


def make_kept(settings: Settings) -> Kept:
    """What tells which records are in the store that the settings name."""
    if settings.store == "none":
        return _Nothing()
    return _OneAtATime(_OnServer(settings.store) if is_url(settings.store) else KeptRecords(settings.store))


class _Nothing:
    """What a worker without a store keeps."""

    def known(self, records: Sequence[tuple[str, int]]) -> frozenset[str]:
        del records
        return frozenset()

    def close(self) -> None:
        """Nothing."""


class _OneAtATime:
    """Asks another from one thread after the other; a store that is not there yet has nothing."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._lock = threading.Lock()

    def known(self, records: Sequence[tuple[str, int]]) -> frozenset[str]:
        with self._lock, contextlib.suppress(StoreNotFound):
            return self._kept.known(records)
        return frozenset()

    def close(self) -> None:
        with self._lock:
            self._kept.close()


class _OnServer:
    """A connection to a store on a server, opened again after it broke."""

    def __init__(self, store: str) -> None:
        self._store = store
        self._reader: Reader | None = None

    def known(self, records: Sequence[tuple[str, int]]) -> frozenset[str]:
        if not records:
            return frozenset()
        reader = self._reader = self._reader or open_reader(self._store)
        try:
            return known_records(reader, records)
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
