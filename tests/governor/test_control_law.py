"""The law of the governor: its bounds, how it recovers, and that it sinks a real cost below its limit."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.governor import CALM, FLOOR, Gauge, Governor, next_share, of_added_time, of_host_load
from shadow_mw.host_load import HostLoad
from shadow_mw.ids import is_sampled
from shadow_mw.restraints import Restraint, Restraints
from shadow_mw.stopwatch import Stopwatch

shares = st.floats(FLOOR, 1.0)
strains = st.floats(0.0, 100.0)
BUSY = "the host is busy (pressure 63 %, limit 40 %)"


class Site:
    """A governor with a clock and a reading of the test's own."""

    def __init__(self, limit: float = 0.4) -> None:
        self.now = 0.0
        self.reading: float | None = 0.0
        self.applied: list[float] = []
        self.told: list[Restraint] = []
        gauge = Gauge(lambda _: self.reading, limit, of_host_load)
        self.governor = Governor(
            [gauge], apply=self.applied.append, told=self.told.append, clock=lambda: self.now
        )

    def beats(self, count: int = 1, reading: float | None = None) -> float:
        for _ in range(count):
            self.reading = reading
            self.now += 1.0
            self.governor.beat()
        return self.governor.share


@given(share=shares, seen=st.lists(strains))
def test_the_share_never_leaves_its_bounds(share, seen):
    for strain in seen:
        before, share = share, next_share(share, strain)
        assert FLOOR <= share <= 1.0
        if strain > 1.0:
            assert share <= before
        elif strain < CALM:
            assert share >= before
        else:
            assert share == before


@given(share=shares, seen=st.lists(strains))
def test_from_wherever_it_is_twenty_calm_seconds_bring_all_of_it_back(share, seen):
    for strain in seen:
        share = next_share(share, strain)
    for _ in range(20):
        share = next_share(share, 0.0)
    assert share == 1.0


@given(request_id=st.text(min_size=1), low=st.floats(0.0, 1.0), high=st.floats(0.0, 1.0))
def test_what_is_sampled_at_a_lower_rate_is_sampled_at_a_higher_one(request_id, low, high):
    low, high = sorted((low, high))
    assert is_sampled(request_id, high) or not is_sampled(request_id, low)


@given(cost_ms=st.floats(0.01, 80.0))
def test_a_cost_sinks_below_its_limit_and_stays_there_as_far_as_the_floor_allows(cost_ms):
    share, limit_ms = 1.0, 1.0
    seen = []
    for _ in range(200):
        share = next_share(share, cost_ms * share / limit_ms)
        seen.append(share * cost_ms)
    settled = seen[20:]
    # It swings around the limit as additive increase does: by one step above it, and half of it below.
    assert sum(settled) / len(settled) <= limit_ms + 0.05 * cost_ms
    assert max(settled) <= limit_ms + 0.05 * cost_ms
    if cost_ms < CALM:
        assert share == 1.0


def test_a_busy_host_holds_mirroring_back_within_seconds_and_a_calm_one_lets_it_return(caplog):
    site = Site()
    assert site.beats(3, reading=0.2) == 1.0
    assert site.beats(1, reading=0.63) == 0.5
    assert site.beats(6, reading=0.63) == FLOOR
    assert site.told[-1].reason == "the host is busy (pressure 63 %, limit 40 %)"
    assert site.beats(30, reading=0.38) == FLOOR, "within a fifth of the limit nothing changes"
    assert site.told[-1].reason == "the host is busy (pressure 63 %, limit 40 %)", "as it was when it fell"
    assert site.beats(1, reading=0.3) > FLOOR
    assert site.told[-1].reason.endswith("(pressure 63 %, limit 40 %); it is coming back")
    assert site.beats(20, reading=0.3) == 1.0
    assert site.told[-1] == Restraint(origin="")
    assert site.applied[-1] == 1.0
    assert [record.getMessage() for record in caplog.records] == [
        f"mirroring is held back, because {BUSY}; it comes back by itself",
        "mirroring is back to all that SHADOW_SAMPLE_RATE asks for",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_it_looks_once_a_second_however_often_it_is_called():
    site = Site()
    site.beats(1, reading=0.9)
    for _ in range(50):
        site.now += 0.01
        site.governor.beat()
    assert site.governor.share == 0.5


def test_without_a_reading_it_lets_go():
    site = Site()
    site.beats(7, reading=1.0)
    assert site.beats(20, reading=None) == 1.0


def test_a_reading_that_fails_costs_one_log_line_and_changes_nothing(caplog):
    def broken(share: float) -> float:
        raise OSError("no such reading")

    applied: list[float] = []
    governor = Governor(
        [Gauge(broken, 0.5, of_host_load)], apply=applied.append, told=lambda one: None, clock=lambda: 5.0
    )
    governor.beat()
    assert applied == [1.0]
    assert "governing the sample rate failed" in caplog.text


def test_the_worst_of_two_readings_counts_and_is_named():
    told: list[Restraint] = []
    gauges = [
        Gauge(lambda _: 0.41, 0.4, of_host_load),
        Gauge(lambda _: 0.0042, 0.001, of_added_time),
    ]
    Governor(gauges, apply=lambda _: None, told=told.append).beat()
    assert told == [
        Restraint(origin="", share=0.5, reason="mirroring adds 4.2 ms to a predict call (limit 1 ms)")
    ]


def test_of_many_processes_the_one_that_holds_back_most_is_told_until_it_falls_silent():
    now = [0.0]
    restraints = Restraints(clock=lambda: now[0])
    restraints.tell([Restraint(origin="a", share=0.5, reason="x"), Restraint(origin="b", share=0.1)])
    assert restraints.tightest() == Restraint(origin="b", share=0.1)
    now[0] = 6.0
    restraints.tell([Restraint(origin="a", share=0.55, reason="x"), Restraint(origin="c")])
    now[0] = 11.0
    assert restraints.tightest() == Restraint(origin="a", share=0.55, reason="x")
    now[0] = 17.0
    assert restraints.tightest() is None
    assert restraints.current() == ()


def test_few_calls_are_timed_each_and_many_one_in_seventeen():
    now = [0.0]
    watch = Stopwatch(is_on=True, clock=lambda: now[0])
    assert (watch.every, watch.seconds()) == (1, None)
    for _ in range(100):
        watch.note(50_000)
    watch.turn(is_held_back=False)
    assert watch.every == 17
    assert watch.seconds() == pytest.approx(50e-6)
    for spent in [70_000] * 9 + [9_000_000]:  # and one that something else interrupted
        watch.note(spent)
    watch.turn(is_held_back=False)
    assert watch.every == 17, "ten that were timed stand for a hundred and seventy"
    assert watch.seconds() == pytest.approx(50e-6), "the median"
    watch.turn(is_held_back=True)
    assert watch.every == 1
    now[0] = 11.0
    watch.turn(is_held_back=False)
    assert watch.seconds() is None, "what is old says nothing"


def test_without_a_limit_no_call_is_timed():
    watch = Stopwatch(is_on=False)
    watch.turn(is_held_back=True)
    assert all(number % watch.every for number in range(1, 10_000))


PRESSURE = "some avg10={} avg60=1.00 avg300=0.50 total=29\nfull avg10=9.00 avg60=0.00 avg300=0.00 total=0\n"


def write(root, place, text):
    file = root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_own_control_group_is_read_before_the_host(tmp_path):
    write(tmp_path, "proc/pressure/cpu", PRESSURE.format("12.50"))
    assert HostLoad(tmp_path).read() == 0.125
    write(tmp_path, "sys/fs/cgroup/cpu.pressure", PRESSURE.format("63.00"))
    assert HostLoad(tmp_path).read() == 0.63
    write(tmp_path, "proc/self/cgroup", "4:memory:/old\n0::/system.slice/app.service\n")
    assert HostLoad(tmp_path).read() == 0.63, "inside of a container the host's names lead nowhere"
    write(tmp_path, "sys/fs/cgroup/system.slice/app.service/cpu.pressure", PRESSURE.format("7.00"))
    assert HostLoad(tmp_path).read() == 0.07


@pytest.mark.parametrize("text", ["", "some avg10=", "some avg10=x total=1", "full avg10=5.0\n", "\0"])
def test_a_pressure_that_cannot_be_read_leaves_the_load_average(tmp_path, text, monkeypatch):
    write(tmp_path, "proc/pressure/cpu", text)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (8.0, 0.0, 0.0))
    assert HostLoad(tmp_path).read() == 0.75
    monkeypatch.setattr("os.getloadavg", lambda: (1.5, 0.0, 0.0))
    assert HostLoad(tmp_path).read() == 0.0


def test_where_nothing_tells_the_load_there_is_none(tmp_path, monkeypatch):
    monkeypatch.delattr("os.getloadavg")
    assert HostLoad(tmp_path).read() is None
