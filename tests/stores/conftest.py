from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_servers import HOW_POSTGRES, Postgres, find_postgres, running_postgres

from shadow_mw.stores.segments import SegmentStore

CHILD = Path(__file__).with_name("store_child.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def make_store(folder: Path) -> Iterator[Callable[..., SegmentStore]]:
    stores: list[SegmentStore] = []

    def make(**settings: object) -> SegmentStore:
        store = SegmentStore(folder, **{"max_bytes": 2**30, "retention_days": 30.0, **settings})
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def start_child() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `store_child.py` with these words; whatever still runs at the end is killed."""
    children: list[subprocess.Popen[str]] = []

    def start(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(CHILD), *map(str, words)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield start
    for child in children:
        with child:
            child.kill()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    programs = find_postgres()
    if programs is None:
        pytest.skip(HOW_POSTGRES)
    with running_postgres(programs) as server:
        yield server


@pytest.fixture
def database(cluster: Postgres) -> str:
    """The URL of a new and empty database on a running server."""
    return cluster.new_database()
