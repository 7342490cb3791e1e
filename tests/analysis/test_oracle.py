"""The analysis against the same figures, counted by hand from the records of a store."""

from __future__ import annotations

from collections import Counter

import pytest
from question_records import made_records
from report_records import write_records

from shadow_mw.analysis.analysis import Analysis, analyse
from shadow_mw.records import Comparison, Tally, Truth
from shadow_mw.scope import Scope
from shadow_mw.stores.reader import open_reader

SHADOWS = ("forest", "o'net")


@pytest.fixture(scope="module")
def records():
    return list(made_records(3000))


@pytest.fixture(scope="module")
def analyses(records, tmp_path_factory) -> dict[str, Analysis]:
    folder = tmp_path_factory.mktemp("store")
    write_records(folder, records)
    with open_reader(folder) as reader:
        return {name: analyse(reader, Scope(shadow=name)) for name in SHADOWS}


def told(records, shadow: str) -> list[Comparison]:
    """The shadow's comparisons that count: on each route those that mean what the latest verdict means."""
    own = [one for one in records if isinstance(one, Comparison) and one.shadow == shadow]
    latest: dict[str, Comparison] = {}
    for one in own:
        if one.verdict != "none" and one.ts_us >= getattr(latest.get(one.route), "ts_us", 0):
            latest[one.route] = one
    meanings = {(one.route, one.comparator, one.production_version) for one in latest.values()}
    return [
        one
        for one in own
        if one.verdict == "none" or (one.route, one.comparator, one.production_version) in meanings
    ]


@pytest.mark.parametrize("shadow", SHADOWS)
def test_agreement_and_items(records, analyses, shadow):
    verdicts = Counter(one.verdict for one in told(records, shadow))
    judged = [one for one in told(records, shadow) if one.verdict in ("agree", "disagree")]
    agreement = analyses[shadow].agreement
    counted = (agreement.agree, agreement.disagree, agreement.incomparable)
    assert counted == (verdicts["agree"], verdicts["disagree"], verdicts["incomparable"])
    assert agreement.items.successes == sum(one.items_agree for one in judged)
    by_route = {route.agreement.route: route.agreement.agree for route in analyses[shadow].routes}
    assert by_route == Counter(one.route for one in judged if one.verdict == "agree")


@pytest.mark.parametrize("shadow", SHADOWS)
def test_errors(records, analyses, shadow):
    cells = Counter(
        (one.production_outcome == "answered", one.outcome == "answered") for one in told(records, shadow)
    )
    errors = analyses[shadow].errors
    assert errors.both_answered == cells[True, True]
    assert errors.shadow_failed == cells[True, False]
    assert errors.production_failed == cells[False, True]
    assert errors.both_failed == cells[False, False]


@pytest.mark.parametrize("shadow", SHADOWS)
def test_latency_is_right_to_the_width_of_a_bin(records, analyses, shadow):
    answered = [
        one
        for one in told(records, shadow)
        if one.outcome == "answered" and one.production_outcome == "answered"
    ]
    latency = analyses[shadow].latency
    for side, quantiles in (("production_us", latency.production), ("shadow_us", latency.shadow)):
        ordered = sorted(getattr(one, side) for one in answered)
        for share, found in ((0.5, quantiles.p50), (0.95, quantiles.p95), (0.99, quantiles.p99)):
            exact = ordered[-(-int(share * 100) * len(ordered) // 100) - 1] / 1e6
            assert found.value == pytest.approx(exact, rel=0.011)
            assert found.low <= found.value <= found.high
            assert found.n == len(answered)


@pytest.mark.parametrize("shadow", SHADOWS)
def test_books(records, analyses, shadow):
    words: Counter[str] = Counter()
    since = analyses[shadow].period.scope.since_us or 0
    for one in records:
        if isinstance(one, Tally) and one.shadow == shadow and one.ts_us >= since:
            words.update(one.counts)
    account = analyses[shadow].account
    assert account.eligible == words["eligible"]
    assert {word: count for word, count in account.buckets.items() if count} == {
        word: words[word] for word in account.buckets if words[word]
    }


@pytest.mark.parametrize("shadow", SHADOWS)
def test_places_and_changes_of_label(records, analyses, shadow):
    wrong = [one for one in told(records, shadow) if one.verdict == "disagree"]
    paths = Counter(path for one in wrong for path in one.diff_paths)
    assert {place.path: place.count for place in analyses[shadow].places} == paths
    judged = [one for one in told(records, shadow) if one.verdict in ("agree", "disagree")]
    pairs = Counter(
        (one.production_label, one.shadow_label)
        for one in judged
        if one.production_label != one.shadow_label and one.shadow_label is not None
    )
    distribution = analyses[shadow].distribution
    assert distribution is not None
    assert [change.count for change in distribution.changes] == sorted(pairs.values(), reverse=True)[:10]


@pytest.mark.parametrize("shadow", SHADOWS)
def test_noise_floor(records, analyses, shadow):
    control = {
        (one.request_id, one.ts_us, one.route): one.verdict
        for one in records
        if isinstance(one, Comparison) and one.role == "control"
    }
    pairs = [
        (one.verdict, control[one.request_id, one.ts_us, one.route])
        for one in told(records, shadow)
        if one.verdict in ("agree", "disagree") and (one.request_id, one.ts_us, one.route) in control
    ]
    noise = analyses[shadow].noise
    assert noise is not None
    assert noise.pairs == len(pairs)
    assert noise.shadow_only == pairs.count(("disagree", "agree"))
    assert noise.control_only == pairs.count(("agree", "disagree"))
    assert noise.control.successes == sum(twin == "agree" for _, twin in pairs)


@pytest.mark.parametrize("shadow", SHADOWS)
def test_accuracy(records, analyses, shadow):
    truths = {one.request_id: one for one in sorted(_truths(records), key=lambda one: (one.ts_us, one.truth))}
    rights = [
        (
            one.production_label == truths[one.request_id].truth,
            one.shadow_label == truths[one.request_id].truth,
        )
        for one in told(records, shadow)
        if one.request_id in truths and one.production_label is not None and one.shadow_label is not None
    ]
    accuracy = analyses[shadow].accuracy
    assert accuracy is not None
    assert accuracy.labels is not None
    assert accuracy.labels.n == len(rights)
    assert accuracy.labels.production.successes == sum(right for right, _ in rights)
    assert accuracy.labels.shadow.successes == sum(right for _, right in rights)


def _truths(records) -> list[Truth]:
    return [one for one in records if isinstance(one, Truth)]
