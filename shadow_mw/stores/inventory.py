"""Which files of the embedded store hold its records, each record once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.journal import read_journal
from shadow_mw.stores.layout import PART_FOLDERS, Layout, readable
from shadow_mw.stores.publication import listing

_LIST_WAIT_SECONDS = 10.0


class Inventory(msgspec.Struct, frozen=True):
    """The files that hold every record once at one moment. Immutable."""

    segments: list[Path]
    parts: dict[type, list[Path]]


def inventory(layout: Layout) -> Inventory:
    """The files that count, without what an interrupted compaction made surplus.

    Raises:
        StoreError: they could not be listed.

    """
    with readable(layout.root):
        journal = read_journal(layout)
        surplus = set(journal.surplus(layout)) if journal else set()
        return Inventory(
            segments=[path for path in layout.segments() if path not in surplus],
            parts={
                kind: [path for path in layout.parts(kind) if path not in surplus] for kind in PART_FOLDERS
            },
        )


@contextlib.contextmanager
def unchanged(layout: Layout) -> Iterator[None]:
    """Keep compactions from changing the list of files for a block; a copied store may lack the locks.

    Raises:
        StoreError: a compaction changes it for too long.

    """
    with readable(layout.root), contextlib.ExitStack() as stack:
        has_locks = layout.publish_lock.exists() and layout.gate_lock.exists()
        if has_locks and not stack.enter_context(listing(layout, _LIST_WAIT_SECONDS)):
            raise StoreError(f"a compaction holds up the store at {layout.root}: try again later")
        yield
