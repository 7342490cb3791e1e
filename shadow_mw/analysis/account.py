"""The account: the closed books of one shadow, with what follows from them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shadow_mw.records import BUCKETS, SKIPS
from shadow_mw.stats import Ratio, ratio

#: Where an eligible request ends that the shadow was to answer and did not.
FAILED = ("shadow_error", "shadow_timeout", "circuit_open")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The closed books of one shadow on one route, or on all. Immutable."""

    route: str
    """Empty for all routes together."""
    eligible: int
    buckets: dict[str, int]
    """Every bucket, zeros too; they add up to `eligible` together with `unaccounted`."""
    unaccounted: int
    """Still in flight when the books were written, or lost with a killed process."""
    skipped: dict[str, int]
    answered: int
    """Eligible requests that the shadow answered, those without an answer of production too."""
    coverage: Ratio
    """answered / eligible."""
    records_dropped: int
    """Comparisons that the store could not keep."""

    @property
    def judged(self) -> int:
        """What the books have in `compared` and `incomparable`."""
        return self.buckets["compared"] + self.buckets["incomparable"]

    @property
    def failed(self) -> int:
        """Requests that the shadow was to answer and did not, where production did."""
        return sum(self.buckets[bucket] for bucket in FAILED)


def account(route: str, counts: Mapping[str, int], answered_alone: int) -> Account:
    """The account over the words of tallies.

    `answered_alone` is where the shadow answered and production failed, which no word tells.
    """
    buckets: dict[str, int] = {bucket: counts.get(bucket, 0) for bucket in BUCKETS}
    eligible = counts.get("eligible", 0)
    answered = buckets["compared"] + buckets["incomparable"] + answered_alone
    return Account(
        route=route,
        eligible=eligible,
        buckets=buckets,
        unaccounted=eligible - sum(buckets.values()),
        skipped={skip: counts.get(skip, 0) for skip in SKIPS},
        answered=answered,
        # Records outrun the books for a moment, and a share is never more than one.
        coverage=ratio(min(answered, eligible), eligible),
        records_dropped=counts.get("records_dropped", 0),
    )
