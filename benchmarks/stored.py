"""What a store held before a benchmark, and what it holds after one."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

from model import request_bodies

from shadow_mw.ids import uuid7
from shadow_mw.records import Comparison
from shadow_mw.stores.reader import open_reader
from shadow_mw.stores.segments import SegmentStore

_BATCH = 500


def lay(store: Path, count: int) -> None:
    """Write so many records of another worker, which are not compacted yet."""
    writer = SegmentStore(store, max_bytes=2**40, retention_days=30)
    [body] = request_bodies(1)
    features, prediction = body.decode(), json.dumps({"probabilities": [0.25] * 4})
    for start in range(0, count, _BATCH):
        writer.write(
            [_record(features, prediction) for _ in range(min(_BATCH, count - start))],
        )
    writer.close()


def _record(features: str, prediction: str) -> Comparison:
    return Comparison(
        record_id=uuid7(),
        request_id=uuid7(),
        ts_us=time.time_ns() // 1000,
        route="POST /predict",
        method="POST",
        shadow="shadow",
        bucket="compared",
        outcome="answered",
        verdict="agree",
        features=features,
        production_prediction=prediction,
        shadow_prediction=prediction,
    )


def tally(store: Path) -> dict[str, int]:
    """How many records and exchanges there are, and what the books sum up to."""
    with open_reader(store) as reader:
        sql = "SELECT count(*) AS records, count(DISTINCT request_id) AS exchanges FROM comparisons"
        [found] = reader.rows(sql)
        booked: Counter[str] = Counter()
        for row in reader.rows("SELECT counts FROM tallies"):
            booked.update(row["counts"])
    return {**found, "eligible": booked["eligible"], "compared": booked["compared"]}
