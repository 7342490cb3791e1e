"""The small parts: how values are written, predictions contrasted, histograms drawn, answers kept."""

from __future__ import annotations

import json
import math
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.dashboard import words
from shadow_mw.dashboard.answers import Answers, StillAsking
from shadow_mw.dashboard.contrast import MAX_LEAVES, contrast, pretty
from shadow_mw.dashboard.liveness import Signs, liveness
from shadow_mw.dashboard.selection import Selection, read_selection
from shadow_mw.dashboard.shapes import difference_shape, latency_shape
from shadow_mw.dashboard.steps import filled, nearest_rank, step_for
from shadow_mw.exceptions import StoreError
from shadow_mw.records import Pulse

NOW_US = 1_800_000_000_000_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, words.NOTHING),
        (1.0, "100.00 %"),
        (0.0, "0.00 %"),
        (0.99996, "99.996 %"),
        (0.00001, "0.001 %"),
        (0.9999999, ">99.9999 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(rate, text):
    assert words.percent(rate).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, words.NOTHING),
        (0.0000042, "4 µs"),
        (0.00123, "1.23 ms"),
        (0.0244, "24.4 ms"),
        (0.61, "610 ms"),
        (1.5, "1.50 s"),
        (-0.002, "\N{MINUS SIGN}2.00 ms"),
        (math.inf, "∞"),
        (-math.inf, "\N{MINUS SIGN}∞"),
        (math.nan, words.NOTHING),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(seconds, text):
    assert words.duration(seconds).replace("\u00a0", " ") == text


@given(st.text())
def test_nothing_hides_in_a_text(text):
    shown = words.visible(text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00-\x08\ud800-\udfff]", shown)
    assert shown.encode() or not text


@given(st.integers(min_value=-(2**70), max_value=2**70))
def test_no_moment_is_an_error(us):
    assert words.moment(us)
    words.iso(us)


@given(JSON, JSON)
def test_a_contrast_tells_same_from_different(left, right):
    one, same = (
        contrast(json.dumps(left), json.dumps(right), ()),
        contrast(json.dumps(left), json.dumps(left), ()),
    )
    assert same.differing == ()
    assert {leaf.kind for leaf in one.leaves} <= {"same", "different", "production only", "shadow only"}
    for leaf in one.leaves:
        assert (leaf.production is None) == (leaf.kind == "shadow only")
        assert (leaf.shadow is None) == (leaf.kind == "production only")


def test_a_difference_that_the_comparator_let_pass_is_marked_as_such():
    found = contrast('{"a": 1.0, "id": "x"}', '{"a": 2.0, "id": "y"}', ("$.a",))
    assert [(leaf.path, leaf.kind) for leaf in found.leaves] == [("$.a", "different"), ("$.id", "tolerated")]


def test_more_leaves_than_can_be_read_are_left_out():
    many = json.dumps(list(range(MAX_LEAVES + 5)))
    found = contrast(many, many, ())
    assert len(found.leaves) == MAX_LEAVES
    assert found.left_out


@pytest.mark.parametrize("text", ["", "{", "no json", "[" * 100_000, "\ud800"])
def test_what_is_no_json_is_shown_as_it_is(text):
    assert contrast(text, "{}", ()) is None
    assert pretty(text)[:20] == text[:20]


def test_histograms_are_drawn_within_their_box():
    shape = latency_shape({900: 50, 950: 5}, {930: 50, 1200: 1})
    assert all(0 <= tick.at <= 100 for tick in shape.ticks)
    assert shape.production_mark < shape.shadow_mark
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", shape.production + shape.shadow)]
    assert all(0 <= number <= 1000 for number in numbers)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)), max_size=50))
def test_differences_of_any_size_can_be_drawn(pairs):
    shape = difference_shape(pairs)
    assert shape is None or all(0 <= tick.at <= 100 for tick in shape.ticks)


@given(st.dictionaries(st.integers(0, 3000), st.integers(1, 10**9), max_size=30))
def test_latencies_of_any_size_can_be_drawn(histogram):
    shape = latency_shape(histogram, histogram)
    assert shape is None or shape.production == shape.shadow


def test_too_few_are_not_drawn():
    assert latency_shape({}, {}) is None
    assert difference_shape([(1, 2)]) is None


@given(st.integers(0, 2**55))
def test_a_chart_has_a_bounded_number_of_steps(length_us):
    assert step_for(length_us) > 0
    assert length_us / step_for(length_us) <= 100


def test_a_gap_is_a_gap():
    assert filled({0: "a", 20: "b"}, 10) == [(0, "a"), (10, None), (20, "b")]
    assert filled({0: "a", 15: "b"}, 10) == [(0, "a"), (15, "b")]


def test_quantiles_are_values_that_occurred():
    assert nearest_rank({5: 1, 7: 98, 9: 1}, 0.5) == 7
    assert nearest_rank({}, 0.5) is None


@given(st.dictionaries(st.sampled_from(["shadow", "route", "range", "since", "until"]), st.text(max_size=30)))
def test_a_selection_survives_its_own_query(query):
    from urllib.parse import parse_qsl

    selection = read_selection(query)
    assert read_selection(dict(parse_qsl(selection.query()))) == selection
    selection.scope("a", NOW_US)


def test_a_range_moves_in_steps_so_that_many_share_an_answer():
    one, other = (Selection(range="1h").scope("a", NOW_US + late) for late in (0, 1_000_000))
    assert one == other


def pulse(seconds_ago: int, **fields) -> Pulse:
    return Pulse(ts_us=NOW_US - seconds_ago * 1_000_000, shadow="a", **fields)


@pytest.mark.parametrize(
    ("pulses", "recent", "last_seconds_ago", "tone", "said"),
    [
        ([pulse(2)], {"eligible": 9, "compared": 9}, 3, "pass", "Mirrored right now"),
        ([pulse(2, circuit="open")], {"circuit_open": 9}, 20, "fail", "its circuit is open"),
        ([pulse(2)], {"eligible": 9, "queue_full": 8, "too_large": 1}, 300, "fail", "SHADOW_QUEUE_SIZE"),
        ([pulse(2)], {"not_sampled": 50}, None, "fail", "SHADOW_SAMPLE_RATE"),
        ([pulse(2)], {}, 900, "unknown", "no predict call comes in"),
        ([pulse(900)], {}, 900, "fail", "no worker runs"),
        ([], {}, 900, "unknown", "no worker has given a sign"),
        ([], {"eligible": 3, "shadow_timeout": 3}, 100, "fail", "SHADOW_TIMEOUT_SECONDS"),
    ],
)
def test_it_says_whether_it_mirrors_and_if_not_why(pulses, recent, last_seconds_ago, tone, said):
    last_us = None if last_seconds_ago is None else NOW_US - last_seconds_ago * 1_000_000
    found = liveness(Signs(pulses=tuple(pulses), recent=recent, last_exchange_us=last_us), NOW_US)
    assert (found.tone, said in found.sentence) == (tone, True), found.sentence


def test_pools_of_all_workers_are_added():
    pulses = (
        pulse(1, active=2, limit=8, waiting=1),
        pulse(2, active=3, limit=8),
        pulse(999, active=8, limit=8),
    )
    found = liveness(Signs(pulses=pulses, recent={}, last_exchange_us=NOW_US), NOW_US)
    assert (found.active, found.limit, found.waiting, found.workers, found.circuit) == (5, 16, 1, 2, "closed")


class Counted:
    """A reader that counts how often it was opened and asked."""

    opened = asked = 0

    def __init__(self, _store: str) -> None:
        Counted.opened += 1

    @property
    def dialect(self):
        raise NotImplementedError

    def rows(self, sql, parameters=()):
        Counted.asked += 1
        return [{"n": 1}]

    def close(self) -> None: ...


@pytest.fixture
def counted():
    Counted.opened = Counted.asked = 0
    return Counted


def test_ten_who_ask_at_once_cost_as_much_as_one(counted, tmp_path):
    answers, together = Answers(str(tmp_path), counted), threading.Barrier(10)

    def ask(_):
        together.wait(10)
        return anyio.run(answers.ask, "key", lambda reader: reader.rows("SELECT 1"))

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(ask, range(10))) == [[{"n": 1}]] * 10
    assert (counted.opened, counted.asked) == (1, 1)


def test_one_answer_asks_the_store_nothing_twice(counted, tmp_path):
    answers = Answers(str(tmp_path), counted)
    anyio.run(answers.ask, "key", lambda reader: [reader.rows("SELECT ?", [1]) for _ in range(5)])
    anyio.run(answers.ask, "other", lambda reader: reader.rows("SELECT ?", [1]))
    assert counted.asked == 2


def test_a_failure_is_not_kept(counted, tmp_path):
    answers = Answers(str(tmp_path), counted)

    def fail(_reader):
        raise StoreError("busy")

    with pytest.raises(StoreError):
        anyio.run(answers.ask, "key", fail)
    assert anyio.run(answers.ask, "key", lambda _reader: "fine") == "fine"


def test_what_takes_long_goes_on_without_the_page_and_is_there_the_next_time(counted, tmp_path):
    answers, may_go_on = Answers(str(tmp_path), counted), threading.Event()

    def slow(_reader):
        assert may_go_on.wait(30)
        return "fine"

    async def ask_twice():
        with pytest.raises(StillAsking):
            await answers.ask_soon("key", slow, 0.01)
        may_go_on.set()
        return await answers.ask_soon("key", slow, 30)

    assert anyio.run(ask_twice) == "fine"
    assert counted.opened == 1


def test_while_a_new_answer_is_made_the_last_one_stands(counted, tmp_path, monkeypatch):
    monkeypatch.setattr("shadow_mw.dashboard.answers._GOOD_SECONDS", 0.0)
    monkeypatch.setattr("shadow_mw.dashboard.answers._GOOD_TIMES", 0.0)
    answers, may_go_on = Answers("clickhouse://nowhere", counted), threading.Event()

    def slow(_reader):
        assert may_go_on.wait(30)
        return "new"

    async def ask():
        await answers.ask("key", lambda _reader: "old")
        stale = await answers.ask_soon("key", slow, 0.01)
        may_go_on.set()
        return stale, await answers.ask("key", slow)

    assert anyio.run(ask) == ("old", "new")


def test_only_so_many_answers_are_kept(counted, tmp_path):
    answers = Answers(str(tmp_path), counted)
    for key in range(100):
        anyio.run(answers.ask, key, lambda _reader: None)
    assert repr(answers) == "Answers(64 kept)"


def test_the_password_of_a_store_is_not_shown():
    assert "hunter2" not in Answers("postgresql://me:hunter2@host/db", Counted).place
