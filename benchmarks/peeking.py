"""How often a gate is wrong when one looks again and again: `python benchmarks/peeking.py`.

First table: the true agreement lies exactly at the gate, and the gate is asked every so many requests until
it says promote (or reject). Second table: how many requests it needs until it says what is true, by the
median. Third table: the same as the first for the error rate, where the true increase lies exactly at the
limit. Requests are drawn at random; no traffic is sent. About half a minute.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import numpy as np

from shadow_mw.stats.increase import increase_bounds
from shadow_mw.stats.mcnemar import error_increase
from shadow_mw.stats.sequence import log_evidence_above

Rule = Callable[[Any, Any, float], Any]
"""Successes, trials and a threshold: is the share above it?"""

_RUNS_AT_ONCE = 200
_TRUE_ABOVE, _TRUE_BELOW = (0.993, 0.995, 0.999), (0.985, 0.98)
_LONGEST = 40_000
_CLOSE_LOOKS = 5


def wilson(confidence: float) -> Rule:
    """One-sided Wilson: right for one look."""
    z = NormalDist().inv_cdf(confidence)
    return lambda successes, trials, threshold: (
        successes - trials * threshold >= z * np.sqrt(trials * threshold * (1 - threshold))
    )


def sequence(confidence: float) -> Rule:
    """The bound of `sequence_bounds`: right for any number of looks."""
    wanted = -math.log1p(-confidence)
    return lambda successes, trials, threshold: (
        log_evidence_above(successes, trials - successes, math.log(threshold) - math.log1p(-threshold))
        >= wanted
    )


def least_above(rule: Rule, trials: Any, threshold: float) -> Any:
    """The smallest number of successes that passes, for each number of trials; trials + 1 where none does."""
    low, high = np.zeros_like(trials), trials + 1
    while (low < high).any():
        middle = (low + high) // 2
        passes = (middle > trials) | rule(np.minimum(middle, trials), trials, threshold)
        low, high = np.where(passes, low, np.minimum(middle + 1, high)), np.where(passes, middle, high)
    return low


def histories(share: float, looks: int, every: int, runs: int, random: Any) -> Iterator[Any]:
    """Successes at each look, a row for each run, some runs at a time."""
    for begun in range(0, runs, _RUNS_AT_ONCE):
        size = min(_RUNS_AT_ONCE, runs - begun)
        yield np.cumsum(random.binomial(every, share, (size, looks)), axis=1)


def wrong(rule: Rule, given: argparse.Namespace, *, above: bool, only_at_the_end: bool = False) -> float:
    """The share of runs in which the gate ever says what is not true."""
    trials = np.arange(given.every, given.requests + 1, given.every)
    share, random = (given.gate if above else 1 - given.gate), np.random.default_rng(given.seed)
    least = least_above(rule, trials, share)
    passed = 0
    for successes in histories(share, len(trials), given.every, given.runs, random):
        passes = successes >= least
        passed += int((passes[:, -1] if only_at_the_end else passes.any(axis=1)).sum())
    return passed / given.runs


def needed(rule: Rule, given: argparse.Namespace, share: float) -> float:
    """The median number of requests until the gate says what is true, looking every 5 requests."""
    trials = np.arange(_CLOSE_LOOKS, _LONGEST + 1, _CLOSE_LOOKS)
    above = share > given.gate
    drawn, threshold = (share, given.gate) if above else (1 - share, 1 - given.gate)
    least, random = least_above(rule, trials, threshold), np.random.default_rng(given.seed)
    first = []
    for successes in histories(drawn, len(trials), _CLOSE_LOOKS, max(1, given.runs // 4), random):
        passes = successes >= least
        first.append(np.where(passes.any(axis=1), trials[passes.argmax(axis=1)], np.inf))
    return float(np.median(np.concatenate(first)))


def wrong_increases(given: argparse.Namespace) -> Iterator[tuple[str, float, float]]:
    """For each interval the shares of runs that ever pass and ever fail an increase that is at the limit."""
    random, looks = np.random.default_rng(given.seed), given.requests // (5 * given.every)
    runs = max(1, given.runs // 20)
    cells = (_INCREASE + 0.002, 0.002, 0.003, 0.995 - 0.002 - _INCREASE)
    wrong = {name: [0, 0] for name in _INTERVALS}
    for _ in range(runs):
        seen = random.multinomial(5 * given.every, cells, looks).cumsum(axis=0).tolist()
        for name, interval in _INTERVALS.items():
            ends = [interval(*counts, given.confidence) for counts in seen]
            wrong[name][0] += any(high <= _INCREASE for _, high in ends)
            wrong[name][1] += any(low > _INCREASE for low, _ in ends)
    for name, (passed, failed) in wrong.items():
        yield name, passed / runs, failed / runs


def newcombe(shadow: int, production: int, both: int, neither: int, confidence: float) -> tuple[float, float]:
    """Each end by itself at `confidence`: right for one look."""
    found = error_increase(neither, shadow, production, both, 2 * confidence - 1)
    return found.low, found.high


def bets(shadow: int, production: int, both: int, neither: int, confidence: float) -> tuple[float, float]:
    """The bounds of `increase_bounds`: right for any number of looks."""
    return increase_bounds(shadow, production, shadow + production + both + neither, confidence)


_INCREASE = 0.001
_INTERVALS = {"one-sided Newcombe, every look": newcombe, "one-sided bets, every look": bets}


def tables(given: argparse.Namespace) -> Iterator[str]:
    """All tables as lines of Markdown."""
    once, always, both = (
        wilson(given.confidence),
        sequence(given.confidence),
        sequence((1 + given.confidence) / 2),
    )
    looks = given.requests // given.every
    yield f"True agreement at the gate of {given.gate}; {looks} looks, one every {given.every} requests:\n"
    yield "| rule | wrongly promoted | wrongly rejected |"
    yield "|---|---|---|"
    for name, rule, at_the_end in (
        ("one-sided Wilson, one look at the end", once, True),
        ("one-sided Wilson, every look", once, False),
        ("one-sided sequence, every look", always, False),
        ("two-sided sequence, every look", both, False),
    ):
        shares = [wrong(rule, given, above=above, only_at_the_end=at_the_end) for above in (True, False)]
        yield f"| {name} | {100 * shares[0]:.1f} % | {100 * shares[1]:.1f} % |"
    yield f"\nMedian of the requests needed at a gate of {given.gate}:\n"
    yield "| true agreement | one-sided sequence | two-sided sequence |"
    yield "|---|---|---|"
    for share in (*_TRUE_ABOVE, *_TRUE_BELOW):
        counts = [needed(rule, given, share) for rule in (always, both)]
        cells = [f"{count:,.0f}" if math.isfinite(count) else f"over {_LONGEST:,}" for count in counts]
        yield f"| {share} | {cells[0]} | {cells[1]} |"
    yield f"\nTrue increase of the error rate at the limit of {_INCREASE}; a look every {5 * given.every}:\n"
    yield "| rule | wrongly passed | wrongly failed |"
    yield "|---|---|---|"
    for name, passed, failed in wrong_increases(given):
        yield f"| {name} | {100 * passed:.1f} % | {100 * failed:.1f} % |"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gate", type=float, default=0.99, help="the least agreement (default: 0.99)")
    parser.add_argument("--confidence", type=float, default=0.95, help="of the gate (default: 0.95)")
    parser.add_argument("--every", type=int, default=100, help="requests from look to look (default: 100)")
    parser.add_argument("--requests", type=int, default=50_000, help="in all (default: 50000)")
    parser.add_argument("--runs", type=int, default=10_000, help="histories drawn (default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    for line in tables(arguments()):
        print(line, flush=True)
