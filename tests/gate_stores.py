"""Stores with a known story, told call by call."""

from __future__ import annotations

from collections.abc import Iterable
from math import gcd
from pathlib import Path

import msgspec
from report_records import FATES, START_US, Call, comparison, tallies, write_records

from shadow_mw.records import Comparison, Tally

SECOND_US = 1_000_000


def stretch(fates: dict[str, int]) -> list[Call]:
    """The calls of some fates, evenly mixed, in an order that is always the same."""
    calls = [Call(fate) for fate, count in fates.items() for _ in range(count)]
    step = next(step for step in range(7919, 10**6) if gcd(step, len(calls)) == 1)
    return [calls[place * step % len(calls)] for place in range(len(calls))]


def write_story(folder: Path, calls: Iterable[Call], *, first: int = 0, **fields: object) -> list[Comparison]:
    """Write comparisons a second apart, from second `first` on, with their tallies a minute."""
    calls = list(calls)
    numbered = list(enumerate(calls, first))
    records = [told(call, number, **fields) for number, call in numbered if call.fate in FATES]
    minutes: dict[int, list[Call]] = {}
    for number, call in numbered:
        minutes.setdefault(number // 60, []).append(call)
    write_records(
        folder, [*records, *(tally for minute, own in minutes.items() for tally in _at(minute, own))]
    )
    return records


def told(call: Call, number: int, **fields: object) -> Comparison:
    # Both sides vary, the shadow a tenth slower than production.
    production_us = 1000 + number * 7919 % 1000
    facts = {"production_us": production_us, "shadow_us": int(1.1 * production_us)}
    if call.fate in ("agree", "disagree"):
        facts |= {"items": 1, "items_agree": int(call.fate == "agree")}
    return comparison(call, number, ts_us=START_US + number * SECOND_US, **(facts | fields))


def _at(minute: int, calls: list[Call]) -> list[Tally]:
    return [msgspec.structs.replace(one, ts_us=START_US + minute * 60 * SECOND_US) for one in tallies(calls)]
