"""ClickHouse's engine in a process of its own: it is large, and has threads that no test should inherit."""

from __future__ import annotations

import sys

import msgspec
from all_questions import everything
from question_records import made_records

from shadow_mw.stores.clickhouse import ClickHouseStore
from shadow_mw.stores.clickhouse_reader import ClickHouseReader

URL = "chdb://memory"


def answers(count: str) -> object:
    """Keep made-up records, and answer every question about them."""
    store = ClickHouseStore(URL, retention_days=10_000)
    records = list(made_records(int(count)))
    for start in range(0, len(records), 1000):
        store.write(records[start : start + 1000])
    with ClickHouseReader(URL) as reader:
        return everything(reader)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(globals()[sys.argv[1]](*sys.argv[2:])))
