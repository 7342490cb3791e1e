"""A store with damaged files: the doctor says it, reading goes on, nothing outside of it is touched."""

from __future__ import annotations

import contextlib
import json
import shutil

import pytest
from fuzz_material import json_values, mutated
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from report_records import Call, write_calls

from shadow_mw.assembly.stores import open_reader
from shadow_mw.exceptions import StoreError
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.doctor import examine
from shadow_mw.stores.layout import Layout

relaxed = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    write_calls(folder, [Call("agree")] * 3 + [Call("disagree")])
    return folder


def looks(folder) -> list[str]:
    return [str(health) for health in examine(folder, max_bytes=2**30) if health.state != "ok"]


def counted(folder) -> int:
    with contextlib.closing(open_reader(str(folder))) as reader:
        (row,) = reader.rows("SELECT count(*) AS n FROM comparisons")
    return int(row["n"])


@pytest.mark.fault("store-damaged")
def test_a_damaged_segment_is_named_and_the_rest_is_read(store) -> None:
    (segment, *_) = Layout(store).segments()
    whole = segment.read_bytes()
    lines = whole.splitlines(keepends=True)

    @relaxed
    @given(
        st.one_of(
            st.binary(max_size=60),
            mutated(lines[0].rstrip()),
            json_values.map(lambda v: json.dumps(v).encode()),
        )
    )
    @example(b'{"kind":' * 20_000)
    @example(b"[" * 20_000)
    @example(b'{"kind":"comparison","ts_us":"\xff"}')
    @example(b'{"kind":"comparison","ts_us":99999999999999999999999999}')
    def run(odd: bytes) -> None:
        segment.write_bytes(odd.replace(b"\n", b" ") + b"\n" + whole)
        looks(store)
        assert counted(store) >= 4

    run()


@pytest.mark.fault("store-damaged")
def test_any_journal_is_followed_or_refused_and_nothing_outside_is_deleted(store, tmp_path) -> None:
    outside = tmp_path / "precious"
    inside = Layout(store)
    known = st.sampled_from(
        ["../precious", str(outside), "hot/../../precious", "FORMAT", ".", "", "\0", "hot/none.jsonl"]
    )
    journals = st.one_of(
        st.binary(max_size=60),
        json_values.map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"sources": st.lists(known, max_size=3), "targets": st.lists(known, max_size=3)}
        ).map(lambda value: json.dumps(value).encode()),
    )
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)

    @relaxed
    @given(journals)
    @example(json.dumps({"sources": ["../precious"], "targets": []}).encode())
    @example(json.dumps({"sources": [], "targets": ["../precious", "hot/none"]}).encode())
    @example(json.dumps({"sources": [str(outside)], "targets": []}).encode())
    @example(b"[" * 100_000)
    @example(b'{"sources":["\xff"],"targets":[]}')
    def run(content: bytes) -> None:
        outside.write_text("precious")
        inside.journal.write_bytes(content)
        for work in (lambda: list(examine(store, max_bytes=2**30, repair=True)), lambda: compact(store)):
            with contextlib.suppress(StoreError):
                work()
        assert outside.read_text() == "precious"
        assert (store / "FORMAT").exists()
        shutil.rmtree(store)
        shutil.copytree(copy, store)

    run()


@pytest.mark.fault("store-damaged")
def test_a_damaged_part_is_named(store) -> None:
    compact(store)
    parts = [path for path in store.rglob("*.parquet") if "cold" in path.parts]
    whole = parts[0].read_bytes()

    @relaxed
    @given(mutated(whole) | st.binary(max_size=40))
    def run(odd: bytes) -> None:
        parts[0].write_bytes(odd)
        looks(store)
        with contextlib.suppress(StoreError):
            counted(store)

    run()


def test_any_format_file_is_refused_with_a_sentence(store) -> None:
    @relaxed
    @given(st.binary(max_size=40))
    def run(odd: bytes) -> None:
        (store / "FORMAT").write_bytes(odd)
        if odd.strip() != b"1":
            with pytest.raises(StoreError):
                counted(store)

    run()
