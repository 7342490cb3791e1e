"""The report: what a store says about each shadow, from the closed books and the comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from shadow_mw.records import BUCKETS, SKIPS, Latency
from shadow_mw.stats import Ratio, ratio

LISTED = 5
"""How many differing paths, changes of label and disagreements are listed for a shadow."""
PREDICTION_CHARS = 200
"""Where a listed prediction is cut."""

_BOOKS = """
SELECT shadow, route, entry.key AS word, sum(entry.value)::BIGINT AS n
FROM (SELECT shadow, route, unnest(map_entries(counts)) AS entry FROM tallies)
GROUP BY ALL
"""
_RECORDS = """
SELECT shadow, route, count(*) AS records,
    count(*) FILTER (bucket IN ('compared', 'incomparable')) AS judged,
    count(*) FILTER (bucket = 'production_error' AND outcome = 'answered') AS answered_alone,
    count(*) FILTER (bucket = 'production_error' AND outcome IN ('error', 'timeout')) AS failed_both,
    count(*) FILTER (outcome = 'answered' AND production_outcome = 'answered') AS pairs,
    quantile_cont(production_us, [0.5, 0.95])
        FILTER (outcome = 'answered' AND production_outcome = 'answered') AS production_us,
    quantile_cont(shadow_us, [0.5, 0.95])
        FILTER (outcome = 'answered' AND production_outcome = 'answered') AS shadow_us,
    min(ts_us) AS first_us, max(ts_us) AS last_us,
    list_sort(list(DISTINCT comparator) FILTER (comparator <> '')) AS comparators
FROM comparisons
GROUP BY GROUPING SETS ((shadow, route), (shadow))
"""
_SPAN = "SELECT min(ts_us) AS first_us, max(ts_us) AS last_us FROM tallies"
_DIFFERENCES = """
SELECT shadow, path, count(*) AS n
FROM (SELECT shadow, unnest(diff_paths) AS path FROM comparisons WHERE verdict = 'disagree')
GROUP BY shadow, path
QUALIFY row_number() OVER (PARTITION BY shadow ORDER BY n DESC, path) <= ?
ORDER BY shadow, n DESC, path
"""
_LABELS = """
SELECT shadow, production_label AS production, shadow_label AS label, count(*) AS n
FROM comparisons
WHERE verdict = 'disagree' AND production_label IS NOT NULL AND shadow_label IS NOT NULL
GROUP BY shadow, production_label, shadow_label
QUALIFY row_number() OVER (PARTITION BY shadow ORDER BY n DESC, production, label) <= ?
ORDER BY shadow, n DESC, production, label
"""
_MOST_DIVERGENT = """
SELECT record_id
FROM comparisons WHERE verdict = 'disagree'
QUALIFY row_number() OVER (PARTITION BY shadow ORDER BY delta DESC NULLS LAST, ts_us DESC) <= ?
"""
_PAYLOADS = """
SELECT shadow, record_id, request_id, ts_us, route, delta,
    left(production_prediction, ?) AS production_prediction, left(shadow_prediction, ?) AS shadow_prediction
FROM comparisons WHERE list_contains(?, record_id)
ORDER BY shadow, delta DESC NULLS LAST, ts_us DESC
"""


class Reader(Protocol):
    """A store that answers SQL over the views `comparisons` and `tallies`."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of a query, each a dict by column.

        Raises:
            StoreError: the store could not be read.

        """
        ...


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The closed books of one shadow on one route, or on all, with what follows from them."""

    route: str
    """Empty for all routes together."""
    eligible: int
    buckets: dict[str, int]
    """Every bucket, zeros too; they add up to `eligible` together with `unaccounted`."""
    unaccounted: int
    """Still in flight when the books were written, or lost with a killed process."""
    skipped: dict[str, int]
    agree: int
    disagree: int
    agreement: Ratio
    """agree / (agree + disagree) with its 95 % Wilson interval."""
    answered: int
    """Eligible requests that the shadow answered, those without an answer of production too."""
    coverage: float | None
    """answered / eligible; None where nothing was eligible."""
    production_error_rate: float | None
    """`production_error` / eligible; not among them are failures that ended in another bucket, as behind an
    open circuit."""
    shadow_error_rate: float | None
    """The shadow's errors and timeouts / requests that it was asked."""
    production: Latency
    """Over the pairs that both sides answered, as is `shadow`."""
    shadow: Latency
    records: int
    """Comparisons in the store."""
    judged_records: int
    """Comparisons in the store that both sides answered; less than the books have when some were dropped."""
    records_dropped: int
    """Comparisons that the store could not keep."""

    @property
    def judged(self) -> int:
        """What the books have in `compared` and `incomparable`."""
        return self.buckets["compared"] + self.buckets["incomparable"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A place inside the prediction, and how many disagreements differ there."""

    path: str
    count: int


class LabelChange(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of labels that stood against each other, and how often."""

    production: str
    shadow: str
    count: int


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange on which the two sides disagree; its predictions are cut."""

    record_id: str
    request_id: str
    ts_us: int
    route: str
    delta: float | None
    production_prediction: str
    shadow_prediction: str


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one shadow."""

    shadow: str
    total: Account
    routes: tuple[Account, ...]
    comparators: tuple[str, ...]
    """More than one means that the figures mix different meanings of agreement."""
    differences: tuple[Difference, ...]
    """The places that differ most often, at most five, as is `label_changes`."""
    label_changes: tuple[LabelChange, ...]
    disagreements: tuple[Disagreement, ...]
    """The most divergent, then the latest; at most five."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a store says about its shadows. Immutable."""

    first_ts_us: int | None
    """When the first comparison was made, in microseconds of Unix time, or where there is none the minute of
    the first tally; None for an empty store."""
    last_ts_us: int | None
    shadows: tuple[ShadowReport, ...]


class _Sources(msgspec.Struct, frozen=True):
    """The rows of all queries, in the shape that they are looked up by."""

    books: dict[tuple[str, str], Counter[str]]
    records: dict[tuple[str, str | None], dict[str, Any]]
    differences: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    disagreements: list[dict[str, Any]]

    def shadows(self) -> list[str]:
        return sorted({key[0] for key in self.books} | {key[0] for key in self.records})

    def routes(self, shadow: str) -> list[str]:
        routes = {key[1] for key in self.books if key[0] == shadow}
        return sorted(routes | {key[1] for key in self.records if key[0] == shadow and key[1] is not None})


def make_report(reader: Reader) -> Report:
    """The report over all that a store holds; one scan a question, payloads of the listed exchanges only.

    Raises:
        StoreError: the store could not be read.

    """
    sources = _read(reader)
    span = list(sources.records.values()) or reader.rows(_SPAN)
    return Report(
        first_ts_us=min((row["first_us"] for row in span if row["first_us"] is not None), default=None),
        last_ts_us=max((row["last_us"] for row in span if row["last_us"] is not None), default=None),
        shadows=tuple(_shadow_report(sources, shadow) for shadow in sources.shadows()),
    )


def _read(reader: Reader) -> _Sources:
    books: dict[tuple[str, str], Counter[str]] = {}
    for row in reader.rows(_BOOKS):
        books.setdefault((row["shadow"], row["route"]), Counter())[row["word"]] += row["n"]
    listed = [row["record_id"] for row in reader.rows(_MOST_DIVERGENT, [LISTED])]
    return _Sources(
        books=books,
        records={(row["shadow"], row["route"]): row for row in reader.rows(_RECORDS)},
        differences=reader.rows(_DIFFERENCES, [LISTED]),
        labels=reader.rows(_LABELS, [LISTED]),
        disagreements=reader.rows(_PAYLOADS, [PREDICTION_CHARS, PREDICTION_CHARS, listed]) if listed else [],
    )


def _shadow_report(sources: _Sources, shadow: str) -> ShadowReport:
    total = sources.records.get((shadow, None), {})
    books = {route: sources.books.get((shadow, route), Counter()) for route in sources.routes(shadow)}
    return ShadowReport(
        shadow=shadow,
        total=_account("", sum(books.values(), Counter()), total),
        routes=tuple(
            _account(route, counts, sources.records.get((shadow, route), {}))
            for route, counts in books.items()
        ),
        comparators=tuple(total.get("comparators") or ()),
        differences=tuple(
            Difference(path=row["path"], count=row["n"]) for row in _of(shadow, sources.differences)
        ),
        label_changes=tuple(
            LabelChange(production=row["production"], shadow=row["label"], count=row["n"])
            for row in _of(shadow, sources.labels)
        ),
        disagreements=tuple(
            msgspec.convert(row, Disagreement, strict=False) for row in _of(shadow, sources.disagreements)
        ),
    )


def _account(route: str, counts: Mapping[str, int], records: Mapping[str, Any]) -> Account:
    eligible = counts.get("eligible", 0)
    buckets: dict[str, int] = {bucket: counts.get(bucket, 0) for bucket in BUCKETS}
    agree, disagree = counts.get("agree", 0), counts.get("disagree", 0)
    answered = buckets["compared"] + buckets["incomparable"] + records.get("answered_alone", 0)
    failed = buckets["shadow_error"] + buckets["shadow_timeout"] + records.get("failed_both", 0)
    return Account(
        route=route,
        eligible=eligible,
        buckets=buckets,
        unaccounted=eligible - sum(buckets.values()),
        skipped={skip: counts.get(skip, 0) for skip in SKIPS},
        agree=agree,
        disagree=disagree,
        agreement=ratio(agree, agree + disagree),
        answered=answered,
        coverage=_share(answered, eligible),
        production_error_rate=_share(buckets["production_error"], eligible),
        shadow_error_rate=_share(failed, answered + failed),
        production=_latency(records, "production_us"),
        shadow=_latency(records, "shadow_us"),
        records=records.get("records", 0),
        judged_records=records.get("judged", 0),
        records_dropped=counts.get("records_dropped", 0),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _latency(records: Mapping[str, Any], column: str) -> Latency:
    quantiles = records.get(column)
    if not quantiles:
        return Latency()
    p50, p95 = (microseconds / 1e6 for microseconds in quantiles)
    return Latency(count=records["pairs"], p50_seconds=p50, p95_seconds=p95)


def _of(shadow: str, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["shadow"] == shadow]
