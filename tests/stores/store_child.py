"""Processes of a store that the tests start, and kill."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

from store_records import comparisons

from shadow_mw.stores.compaction import compact
from shadow_mw.stores.segments import SegmentStore


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the test reads it


def write(folder: str, name: str, segment_bytes: str, batches: str) -> None:
    """Write so many batches, naming each once it is acknowledged."""
    store = SegmentStore(folder, max_bytes=2**30, retention_days=30, segment_bytes=int(segment_bytes))
    for batch in range(int(batches)):
        size = batch % 17 + 1
        store.write(comparisons(f"{name}.{batch}", size, features="x" * (batch % 13 * 100)))
        say(f"{name}.{batch} {size}")
    store.close()


def postgres(url: str, name: str, batches: str) -> None:
    """As `write`, into a database."""
    from shadow_mw.stores.postgres import PostgresStore

    store = PostgresStore(url, retention_days=100_000)
    for batch in range(int(batches)):
        size = batch % 17 + 1
        store.write(comparisons(f"{name}.{batch}", size, features="x" * (batch % 13 * 100)))
        say(f"{name}.{batch} {size}")
    store.close()


def compact_until(folder: str, step: str, number: str) -> None:
    """Compact, and die at the numbered occurrence of a step."""
    left = int(number)

    def on_step(name: str) -> None:
        nonlocal left
        left -= name == step
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    say(str(compact(folder, on_step=on_step)))


def compact_on(folder: str) -> None:
    """Compact again and again until stdin closes."""
    segments = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        segments += compact(folder, group_bytes=500_000).segments
    say(str(segments + compact(folder, group_bytes=500_000).segments))


def forbid_modules(folder: str, *names: str) -> None:
    """Write one batch and tell which of these modules that has loaded."""
    SegmentStore(folder, max_bytes=2**30, retention_days=30).write(comparisons("light", 1))
    say(" ".join(name for name in names if name in sys.modules))


def file_size_limit(folder: str, limit: str) -> None:
    """Write until a limit of the system stops it, then without the limit."""
    import resource

    from shadow_mw.exceptions import StoreError

    store = SegmentStore(folder, max_bytes=2**30, retention_days=30)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    for batch in range(1_000):
        try:
            store.write(comparisons(f"limited.{batch}", 10))
        except StoreError as error:
            say(f"refused {error}")
            break
        say(f"limited.{batch} 10")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.write(comparisons("later", 10))
    say("later 10")


def without(module: str, folder: str, action: str) -> None:
    """Do something on a platform or in an environment that lacks a module."""
    sys.modules[module] = None  # type: ignore[assignment] # makes its import fail, as if it were absent
    from shadow_mw.exceptions import MissingExtraError
    from shadow_mw.stores.reader import open_reader

    try:
        if action == "read":
            open_reader(folder)
        elif action == "compact":
            say(str(compact(folder)))
    except MissingExtraError as error:
        say(str(error))


def read_as_another_user(folder: str) -> None:
    """Read a store as a user who owns none of it."""
    import duckdb  # noqa: F401 - the environment may be closed to the other user

    from shadow_mw.exceptions import StoreError
    from shadow_mw.stores.reader import open_reader

    os.chdir(Path(folder).parent)
    os.seteuid(65534)
    try:
        with open_reader(Path(folder).name) as reader:
            say(" ".join(row["record_id"] for row in reader.rows("SELECT record_id FROM comparisons")))
    except StoreError as error:
        say(str(error))


def without_locks(folder: str) -> None:
    """Write, prune and compact on a platform without flock."""
    for name in [name for name in sys.modules if name.startswith("shadow_mw")]:
        del sys.modules[name]
    sys.modules["fcntl"] = None  # type: ignore[assignment] # makes its import fail, as on Windows
    import time

    from shadow_mw.stores import compaction, locks, segments

    assert not locks.HAVE_LOCKS
    now = time.time()
    store = segments.SegmentStore(folder, max_bytes=2**30, retention_days=30, clock=lambda: now)
    store.write(comparisons("today", 3))
    say(str(compaction.compact(folder).segments))
    now += 2 * 86_400
    store.write(comparisons("later", 3))
    say(str(compaction.compact(folder, clock=lambda: now).segments))
    now += 40 * 86_400
    store.write(comparisons("last", 3))
    say(" ".join(sorted(path.name[:10] for path in Path(folder, "hot").iterdir())))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
