from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_records import comparison, ids, tally

from shadow_mw.exceptions import StoreError
from shadow_mw.records import BUCKETS, Comparison, Tally
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.reader import open_reader
from shadow_mw.stores.segments import SegmentStore

TEXT = st.text(st.characters(exclude_categories=()), max_size=30) | st.sampled_from(
    [
        "\ud800",
        "'; DROP TABLE x; --",
        '"\\"',
        "a\r\nb\u2028\x00",
        "😀",
        "\ud83d\ude00",
        "\ufeff",
        "null",
        "x" * 70_000,
    ]
)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.none() | st.floats()
COMPARISONS = st.builds(
    Comparison,
    record_id=TEXT,
    request_id=TEXT,
    ts_us=INTEGERS,
    route=TEXT,
    method=TEXT,
    shadow=TEXT,
    mode=st.sampled_from(["async", "sync"]),
    bucket=st.sampled_from(BUCKETS),
    outcome=TEXT,
    error=TEXT,
    production_us=INTEGERS,
    verdict=st.sampled_from(["agree", "disagree", "incomparable", "none"]),
    delta=FLOATS,
    diff_paths=st.lists(TEXT, max_size=4).map(tuple),
    production_label=st.none() | TEXT,
    shadow_score=FLOATS,
    segments=st.dictionaries(TEXT, TEXT, max_size=4),
    features=TEXT,
    shadow_prediction=TEXT,
    truncated=st.booleans(),
)
TALLIES = st.builds(
    Tally, ts_us=INTEGERS, route=TEXT, shadow=TEXT, counts=st.dictionaries(TEXT, INTEGERS, max_size=4)
)


def as_stored(value: Any) -> Any:
    """What the store promises to give back: NaN and infinities as NULL, lone surrogates as U+FFFD."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {as_stored(key): as_stored(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_stored(item) for item in value]
    return value


def stored(folder: Path, table: str) -> list[dict[str, Any]]:
    with open_reader(folder) as reader:
        return sorted(reader.rows(f"SELECT * FROM {table}"), key=repr)


@settings(max_examples=40, deadline=None)
@given(st.lists(COMPARISONS, max_size=6), st.lists(TALLIES, max_size=3))
def test_what_is_written_is_read_back_before_and_after_compaction(
    written: list[Comparison], tallies: list[Tally]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SegmentStore(folder, max_bytes=2**30, retention_days=30)
        store.write([tally(eligible=1), *written, *tallies])
        store.close()
        expected = {
            "comparisons": [as_stored(msgspec.structs.asdict(record)) for record in written],
            "tallies": [
                as_stored(msgspec.structs.asdict(record)) for record in [tally(eligible=1), *tallies]
            ],
        }
        for compacted in (False, True):
            if compacted:
                done = compact(folder)
                assert (done.comparisons, done.tallies, done.damaged_lines) == (
                    len(written),
                    len(tallies) + 1,
                    0,
                )
            for table, rows in expected.items():
                assert stored(Path(folder), table) == sorted(rows, key=repr)


def test_a_numpy_score_from_a_comparator_is_a_number(make_store, folder: Path) -> None:
    numpy = pytest.importorskip("numpy")
    make_store().write([comparison(delta=numpy.float32(0.5), production_status=numpy.int64(200))])

    assert [(row["delta"], row["production_status"]) for row in stored(folder, "comparisons")] == [(0.5, 200)]


def test_a_record_too_long_to_be_read_back_loses_its_payload_alone(make_store, folder: Path) -> None:
    make_store().write(
        [comparison("long", features="x" * 9_000_000, delta=0.5), comparison("short", features="y")]
    )

    rows = {row["record_id"]: row for row in stored(folder, "comparisons")}
    assert (rows["long"]["features"], rows["long"]["truncated"], rows["long"]["delta"]) == ("", True, 0.5)
    assert (rows["short"]["features"], rows["short"]["truncated"]) == ("y", False)


def test_a_record_that_no_cut_can_save_is_refused_and_leaves_nothing(make_store, folder: Path) -> None:
    store = make_store()
    with pytest.raises(StoreError, match="too long for the store"):
        store.write([comparison("first"), comparison("x" * 9_000_000)])
    store.write([comparison("second")])

    assert ids(folder) == ["second"]
