"""The report's figures, over real stores with calls whose fates are known."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_records import FATES, SKIPPED, UNRECORDED, Call, comparison, tallies, write_calls, write_records
from scipy.stats import binomtest

from shadow_mw.records import Tally
from shadow_mw.report import PREDICTION_CHARS, Account, Report, make_report
from shadow_mw.stores.layout import Layout
from shadow_mw.stores.reader import open_reader

ANSWERED = ("agree", "disagree", "incomparable", "production_error")
calls = st.lists(
    st.builds(
        Call,
        fate=st.sampled_from([*FATES, *UNRECORDED, *SKIPPED, "in_flight"]),
        shadow=st.sampled_from(["forest", "boosted"]),
        route=st.sampled_from(["POST /predict", "POST /v1/{name}:predict"]),
        process=st.sampled_from(["a", "b", "c"]),
    ),
    min_size=1,
    max_size=60,
)


def report_on(folder) -> Report:
    with open_reader(folder) as reader:
        return make_report(reader)


def check_account(account: Account, expected: list[Call]) -> None:
    def number(*fates: str) -> int:
        return sum(call.fate in fates for call in expected)

    eligible = len(expected) - number(*SKIPPED)
    answered, failed = number(*ANSWERED), number("shadow_error", "shadow_timeout", "both_failed")
    assert account.eligible == eligible
    assert sum(account.buckets.values()) + account.unaccounted == eligible
    assert account.unaccounted == number("in_flight")
    assert account.buckets["compared"] == number("agree", "disagree")
    for fate in (*UNRECORDED, "incomparable", "shadow_error", "shadow_timeout"):
        assert account.buckets[fate] == number(fate)
    assert account.skipped == {skip: number(skip) for skip in SKIPPED}
    assert (account.agree, account.disagree) == (number("agree"), number("disagree"))
    assert account.answered == answered
    assert account.coverage == (answered / eligible if eligible else None)
    assert account.shadow_error_rate == (failed / (answered + failed) if answered + failed else None)
    broken = number("production_error", "both_failed")
    assert account.production_error_rate == (broken / eligible if eligible else None)
    assert account.production.count == account.shadow.count == number("agree", "disagree", "incomparable")


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(calls=calls)
def test_the_books_close_for_every_shadow_and_route(tmp_path_factory, calls):
    folder = tmp_path_factory.mktemp("store")
    write_calls(folder, calls)
    report = report_on(folder)
    assert [shadow.shadow for shadow in report.shadows] == sorted({call.shadow for call in calls})
    for shadow in report.shadows:
        own = [call for call in calls if call.shadow == shadow.shadow]
        check_account(shadow.total, own)
        assert [account.route for account in shadow.routes] == sorted({call.route for call in own})
        for account in shadow.routes:
            check_account(account, [call for call in own if call.route == account.route])


def test_agreement_has_its_wilson_interval(tmp_path):
    write_calls(tmp_path, [Call("agree")] * 95 + [Call("disagree")] * 5)
    (shadow,) = report_on(tmp_path).shadows
    expected = binomtest(95, 100).proportion_ci(method="wilson")
    assert shadow.total.agreement.rate == 0.95
    assert shadow.total.agreement.low == pytest.approx(expected.low)
    assert shadow.total.agreement.high == pytest.approx(expected.high)


def test_latencies_are_those_of_pairs_that_both_sides_answered(tmp_path):
    micros = [100, 250, 400, 9000, 12000]
    pairs = [comparison(Call("agree"), n, production_us=us, shadow_us=2 * us) for n, us in enumerate(micros)]
    slow = comparison(Call("shadow_timeout"), 9, production_us=10**9, shadow_us=10**9)
    broken = comparison(Call("production_error"), 10, production_us=10**9, shadow_us=10**9)
    write_records(tmp_path, [*pairs, slow, broken])
    total = report_on(tmp_path).shadows[0].total
    assert total.production.count == 5
    assert total.production.p50_seconds == pytest.approx(statistics.median(micros) / 1e6)
    assert total.production.p95_seconds == pytest.approx(11.4e-3)
    assert total.shadow.p50_seconds == pytest.approx(800e-6)
    assert total.records == 7


def test_an_empty_store_has_no_shadows(tmp_path):
    Layout(tmp_path / "store").prepare()
    assert report_on(tmp_path / "store") == Report(first_ts_us=None, last_ts_us=None, shadows=())


def test_tallies_alone_give_books_without_latencies(tmp_path):
    write_records(tmp_path, tallies([Call("queue_full")] * 7 + [Call("not_sampled")] * 3))
    report = report_on(tmp_path)
    total = report.shadows[0].total
    assert total.eligible == total.buckets["queue_full"] == 7
    assert total.coverage == 0.0
    assert total.agreement.rate is None
    assert total.production.p50_seconds is None
    assert report.first_ts_us == report.last_ts_us is not None


def test_comparisons_of_a_killed_process_are_told_apart_from_the_books(tmp_path):
    write_records(tmp_path, [comparison(Call("agree"), n) for n in range(4)])
    total = report_on(tmp_path).shadows[0].total
    assert (total.eligible, total.coverage, total.judged, total.judged_records) == (0, None, 0, 4)


def test_dropped_records_stay_in_the_books(tmp_path):
    counts = {"eligible": 5, "compared": 5, "agree": 5, "records_dropped": 3}
    tally = Tally(ts_us=1, route="POST /predict", shadow="forest", counts=counts)
    write_records(tmp_path, [*(comparison(Call("agree"), n) for n in range(2)), tally])
    total = report_on(tmp_path).shadows[0].total
    assert (total.judged, total.judged_records, total.records_dropped) == (5, 2, 3)
    assert total.coverage == 1.0


def test_disagreements_are_listed_by_distance_and_cut(tmp_path):
    deltas = [0.1, 0.9, None, 0.5, 0.3, 0.7, 0.2]
    call = Call("disagree")
    write_records(
        tmp_path,
        [
            comparison(call, n, delta=delta, production_prediction="p" * 999, shadow_prediction="s" * 999)
            for n, delta in enumerate(deltas)
        ],
    )
    listed = report_on(tmp_path).shadows[0].disagreements
    assert [disagreement.delta for disagreement in listed] == [0.9, 0.7, 0.5, 0.3, 0.2]
    assert listed[0].request_id == "request-1"
    assert {len(item.production_prediction) for item in listed} == {PREDICTION_CHARS}


def test_paths_and_labels_that_differ_most_come_first(tmp_path):
    paths = [("$.score",)] * 3 + [("$.label", "$.score")] * 2 + [("$.id",)]
    call = Call("disagree")
    records = [
        comparison(call, n, diff_paths=differing, production_label="8", shadow_label="39"[n % 3 == 0])
        for n, differing in enumerate(paths)
    ]
    agreeing = comparison(Call("agree"), 9, production_label="8", shadow_label="8")
    write_records(tmp_path, [*records, agreeing])
    shadow = report_on(tmp_path).shadows[0]
    assert [(item.path, item.count) for item in shadow.differences] == [
        ("$.score", 5),
        ("$.label", 2),
        ("$.id", 1),
    ]
    changes = [(change.production, change.shadow, change.count) for change in shadow.label_changes]
    assert changes == [("8", "3", 4), ("8", "9", 2)]


def test_comparators_are_named(tmp_path):
    write_records(tmp_path, [comparison(Call("agree"), n, comparator=name) for n, name in enumerate("ba")])
    assert report_on(tmp_path).shadows[0].comparators == ("a", "b")
