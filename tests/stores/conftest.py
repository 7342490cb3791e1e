from __future__ import annotations

import os
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


class ClickHouse:
    """ClickHouse's engine behind a door of ours, in a process of its own."""

    def __init__(self) -> None:
        tests = CHILD.parents[1]
        self._child = subprocess.Popen(
            [sys.executable, CHILD.with_name("clickhouse_child.py"), "serve"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._child.stdout is not None
        self._port = int(self._child.stdout.readline())

    def new_database(self) -> str:
        return f"clickhouse://keeper:s3cr%40t@127.0.0.1:{self._port}/d{os.urandom(6).hex()}"

    def break_next_insert(self) -> None:
        """Have the connection broken after the next insert is done, before it is answered."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        print("break", file=self._child.stdin, flush=True)
        self._child.stdout.readline()

    def stop(self) -> None:
        with self._child:
            self._child.kill()


@pytest.fixture(scope="session")
def clickhouse() -> Iterator[ClickHouse]:
    pytest.importorskip("chdb", reason="ClickHouse's engine is not installed; to run this: pip install chdb")
    server = ClickHouse()
    yield server
    server.stop()
