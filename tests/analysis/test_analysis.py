"""The analysis of stores whose calls are known."""

from __future__ import annotations

import pytest
from gate_stores import SECOND_US, stretch, told, write_story
from report_records import START_US, Call, tallies, write_records
from scipy.stats import binomtest

from shadow_mw.analysis.analysis import Analysis, analyse
from shadow_mw.records import Truth
from shadow_mw.scope import Scope
from shadow_mw.stores.reader import open_reader


def analysed(folder, **scope: object) -> Analysis:
    with open_reader(folder) as reader:
        return analyse(reader, Scope(shadow="forest", **scope))


def test_agreement_stands_with_both_intervals_and_the_conservative_figure(tmp_path):
    fates = {"agree": 900, "disagree": 50, "incomparable": 10, "shadow_error": 20, "shadow_timeout": 20}
    write_story(tmp_path, stretch(fates))
    agreement = analysed(tmp_path).agreement
    wilson = binomtest(900, 950).proportion_ci(method="wilson")
    assert agreement.share.rate == 900 / 950
    assert (agreement.share.low, agreement.share.high) == pytest.approx((wilson.low, wilson.high))
    assert agreement.always.low < agreement.share.low < agreement.share.high < agreement.always.high
    assert agreement.conservative.rate == 900 / 1000


def test_what_was_not_asked_because_of_an_open_circuit_counts_as_failed(tmp_path):
    write_story(tmp_path, stretch({"agree": 90, "circuit_open": 10}))
    analysis = analysed(tmp_path)
    assert analysis.agreement.share.rate == 1.0
    assert analysis.agreement.conservative.rate == 0.9
    assert analysis.account.coverage.rate == 0.9


def test_agreement_counts_items_and_exchanges_apart(tmp_path):
    batch = told(Call("disagree"), 1, items=10, items_agree=9)
    write_records(tmp_path, [told(Call("agree"), 0), batch])
    agreement = analysed(tmp_path).agreement
    assert (agreement.share.rate, agreement.items.rate) == (1 / 2, 10 / 11)


def test_errors_are_a_table_of_the_same_requests(tmp_path):
    fates = {"agree": 90, "shadow_error": 5, "shadow_timeout": 1, "production_error": 3, "both_failed": 1}
    write_story(tmp_path, stretch({**fates, "queue_full": 7, "circuit_open": 7}))
    errors = analysed(tmp_path).errors
    table = (errors.both_answered, errors.shadow_failed, errors.production_failed, errors.both_failed)
    assert table == (90, 6, 3, 1)
    assert (errors.shadow.rate, errors.production.rate) == (0.07, 0.04)
    assert errors.increase.value == pytest.approx(0.03)
    assert errors.p_value == pytest.approx(binomtest(6, 9).pvalue)


def test_latency_is_compared_on_the_pairs_that_both_answered(tmp_path):
    write_story(tmp_path, stretch({"agree": 300, "disagree": 20}))
    write_records(tmp_path, [told(Call("shadow_timeout"), n, shadow_us=10**9) for n in range(50)])
    latency = analysed(tmp_path).latency
    assert latency.paired.n == 320
    assert latency.paired.ratio_p95.value == pytest.approx(1.1, rel=0.01)
    assert latency.paired.ratio_p95.low <= 1.1 <= latency.paired.ratio_p95.high + 0.01
    assert latency.production.p50.value == pytest.approx(1.5e-3, rel=0.02)
    assert latency.shadow.p99.value == pytest.approx(1.1 * 1.99e-3, rel=0.02)


def test_a_new_comparator_begins_the_count_anew(tmp_path):
    write_story(tmp_path, [Call("disagree")] * 30, comparator="exact")
    write_story(tmp_path, [Call("agree")] * 20, first=60, comparator="close")
    analysis = analysed(tmp_path)
    assert (analysis.agreement.agree, analysis.agreement.disagree) == (20, 0)
    assert analysis.period.comparators == ("close",)
    assert analysis.period.left_out == 30
    assert analysis.account.buckets["compared"] == 20


def test_a_new_version_of_production_begins_the_count_anew(tmp_path):
    write_story(tmp_path, [Call("disagree")] * 30, production_version="7")
    write_story(tmp_path, [Call("agree")] * 20, first=60, production_version="8")
    assert analysed(tmp_path).agreement.share.trials == 20


def test_what_a_restarted_worker_first_took_for_labels_does_not_begin_the_count_anew(tmp_path):
    write_story(tmp_path, [Call("agree")] * 30, comparator="auto:close")
    write_story(tmp_path, [Call("disagree")] * 2, first=60, comparator="auto:label")
    write_story(tmp_path, [Call("agree")] * 20, first=120, comparator="auto:close")
    analysis = analysed(tmp_path)
    assert (analysis.agreement.agree, analysis.agreement.disagree) == (50, 0)
    assert analysis.period.left_out == 2
    assert analysis.account.eligible == 52


def test_failures_count_whatever_the_verdicts_mean(tmp_path):
    write_story(tmp_path, [Call("disagree")] * 30, comparator="exact")
    write_story(tmp_path, stretch({"agree": 15, "shadow_error": 5}), first=60, comparator="close")
    errors = analysed(tmp_path).errors
    assert (errors.both_answered, errors.shadow_failed) == (15, 5)


def test_another_comparator_on_another_route_is_no_change(tmp_path):
    write_story(tmp_path, [Call("agree")] * 30, comparator="exact")
    write_story(tmp_path, [Call("agree", route="POST /other")] * 20, first=60, comparator="label")
    analysis = analysed(tmp_path)
    assert analysis.agreement.agree == 50
    assert analysis.period.since_change_us is None
    assert [route.agreement.agree for route in analysis.routes] == [20, 30]


def test_a_place_is_a_regression_only_beyond_the_noise_of_the_control(tmp_path):
    """Production's own twin differs in the time stamp as often as the shadow, and never in the score."""
    records = []
    for number in range(200):
        is_noisy, is_wrong = number % 2 == 0, number % 10 == 0
        paths = ("$.at",) * is_noisy + ("$.score",) * is_wrong
        shadow = Call("disagree" if paths else "agree")
        twin = Call("disagree" if is_noisy else "agree")
        records.append(told(shadow, number, diff_paths=paths))
        control = {"role": "control", "shadow": "control", "diff_paths": ("$.at",) * is_noisy}
        records.append(told(twin, number, **control))
    write_records(tmp_path, records)
    analysis = analysed(tmp_path)
    places = {place.path: place.is_regression for place in analysis.places}
    assert places == {"$.at": False, "$.score": True}
    assert analysis.noise is not None
    assert (analysis.noise.pairs, analysis.noise.control.rate) == (200, 0.5)
    assert analysis.noise.excess.value == 0.0


def test_without_a_control_nothing_is_called_a_regression(tmp_path):
    write_records(tmp_path, [told(Call("disagree"), n, diff_paths=("$.score",)) for n in range(5)])
    analysis = analysed(tmp_path)
    assert analysis.noise is None
    assert [place.is_regression for place in analysis.places] == [None]


def test_truths_that_came_later_show_the_accuracy_of_both(tmp_path):
    labels = [("a", "a", "a")] * 6 + [("a", "a", "b")] * 1 + [("b", "a", "b")] * 3
    records = [
        told(Call("agree" if left == right else "disagree"), n, production_label=left, shadow_label=right)
        for n, (_, left, right) in enumerate(labels)
    ]
    truths = [
        Truth(ts_us=START_US, request_id=f"request-{n}", truth=truth)
        for n, (truth, _, _) in enumerate(labels)
    ]
    write_records(tmp_path, [*records, *truths])
    accuracy = analysed(tmp_path).accuracy
    assert accuracy is not None
    assert accuracy.labels is not None
    assert (accuracy.labels.production.rate, accuracy.labels.shadow.rate) == (0.7, 0.9)


def test_the_worst_segment_comes_first(tmp_path):
    records = []
    for number in range(600):
        country = ("de", "in", "us")[number % 3]
        fate = "disagree" if country == "in" and number % 9 == 1 else "agree"
        records.append(told(Call(fate), number, segments={"country": country}))
    write_records(tmp_path, records)
    worst = analysed(tmp_path).segments[0]
    assert (worst.key, worst.value) == ("country", "in")
    assert worst.q_value < 0.001


def test_a_scope_is_a_half_open_stretch_of_time(tmp_path):
    write_story(tmp_path, [Call("agree")] * 180)
    since, until = START_US + 60 * SECOND_US, START_US + 120 * SECOND_US
    analysis = analysed(tmp_path, since_us=since, until_us=until)
    assert analysis.agreement.agree == 60
    assert analysis.account.eligible == 60


def test_books_without_comparisons_leave_the_rest_unknown(tmp_path):
    write_records(tmp_path, tallies([Call("queue_full")] * 7))
    analysis = analysed(tmp_path)
    assert analysis.account.eligible == 7
    assert analysis.agreement.share.rate is None
    assert analysis.latency.shadow.p95.value is None
    assert analysis.errors.increase.value is None
    assert analysis.first_us is None
