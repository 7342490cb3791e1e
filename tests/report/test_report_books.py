"""The books and counts of the report, over real stores with calls of every fate."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_records import FATES, SKIPPED, UNRECORDED, Call, comparison, tallies, write_calls, write_records

from shadow_mw.analysis.routes import RouteAnalysis
from shadow_mw.cli.reports import LISTED, Report, all_scopes, read_report
from shadow_mw.questions.listing import PREDICTION_CHARS
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
        return read_report(reader, all_scopes(reader))


def check(found: RouteAnalysis, expected: list[Call]) -> None:
    def number(*fates: str) -> int:
        return sum(call.fate in fates for call in expected)

    account = found.account
    eligible = len(expected) - number(*SKIPPED)
    assert account.eligible == eligible
    assert sum(account.buckets.values()) + account.unaccounted == eligible
    assert account.unaccounted == number("in_flight")
    assert account.buckets["compared"] == number("agree", "disagree")
    for fate in (*UNRECORDED, "incomparable", "shadow_error", "shadow_timeout"):
        assert account.buckets[fate] == number(fate)
    assert account.skipped == {skip: number(skip) for skip in SKIPPED}
    assert account.answered == number(*ANSWERED)
    assert account.coverage.rate == (number(*ANSWERED) / eligible if eligible else None)
    assert (found.agreement.agree, found.agreement.disagree) == (number("agree"), number("disagree"))


@settings(
    max_examples=15,
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
        analysis = shadow.analysis
        own = [call for call in calls if call.shadow == shadow.shadow]
        check(RouteAnalysis(account=analysis.account, agreement=analysis.agreement), own)
        assert [one.account.route for one in analysis.routes] == sorted({call.route for call in own})
        for one in analysis.routes:
            check(one, [call for call in own if call.route == one.account.route])


def test_tallies_alone_give_books_without_latencies(tmp_path):
    write_records(tmp_path, tallies([Call("queue_full")] * 7 + [Call("not_sampled")] * 3))
    (shadow,) = report_on(tmp_path).shadows
    assert shadow.analysis.account.eligible == shadow.analysis.account.buckets["queue_full"] == 7
    assert shadow.analysis.account.coverage.rate == 0.0
    assert shadow.analysis.latency.production.p50.value is None


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
    assert len(listed) == LISTED
    assert listed[0].request_id == "request-1"
    assert {len(item.production_prediction) for item in listed} == {PREDICTION_CHARS}
