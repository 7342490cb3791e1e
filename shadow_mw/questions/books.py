"""The closed books, from the tallies."""

from __future__ import annotations

from collections import Counter

from shadow_mw.protocols import Reader
from shadow_mw.questions.conditions import tallies_in
from shadow_mw.scope import Scope


def books(reader: Reader, scope: Scope) -> dict[str, Counter[str]]:
    """The counts of every word (`eligible`, the buckets, the skips, …) by route, zeros left out."""
    where = tallies_in(scope)
    word, n = reader.dialect.each_key("counts"), reader.dialect.each_count("counts")
    found: dict[str, Counter[str]] = {}
    for row in reader.rows(
        f"SELECT route, word, CAST(sum(n) AS BIGINT) AS total "  # noqa: S608 - no user's text
        f"FROM (SELECT route, {word} AS word, {n} AS n FROM tallies WHERE {where.sql}) AS words "
        "GROUP BY 1, 2 ORDER BY 1, 2",
        where.parameters,
    ):
        found.setdefault(row["route"], Counter())[row["word"]] += row["total"]
    return found
