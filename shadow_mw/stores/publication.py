"""Who may look at the list of a store's files, and who may change it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.layout import Layout
from shadow_mw.stores.locks import locked

_PUBLISH_WAIT_SECONDS = 30.0


@contextlib.contextmanager
def listing(layout: Layout, wait_seconds: float = 0.0) -> Iterator[bool]:
    """Keep compacted files from being put in place for a block; yields False when one is just being put.

    Everyone goes through the gate, so that many who list one after the other cannot starve a compaction.
    """
    deadline = time.monotonic() + wait_seconds
    with contextlib.ExitStack() as stack:
        with locked(layout.gate_lock, shared=True, wait_seconds=wait_seconds) as passed:
            left = deadline - time.monotonic()
            lock = locked(layout.publish_lock, shared=True, wait_seconds=left)
            held = stack.enter_context(lock) if passed else False
        yield held


@contextlib.contextmanager
def publishing(layout: Layout) -> Iterator[None]:
    """Be alone with the list of files for a block.

    Raises:
        StoreError: someone lists them for too long.

    """
    with contextlib.ExitStack() as stack:
        for path in (layout.gate_lock, layout.publish_lock):
            if not stack.enter_context(locked(path, wait_seconds=_PUBLISH_WAIT_SECONDS)):
                raise StoreError(f"someone holds {path} for too long: try again later")
        yield
