"""A number with its interval."""

from __future__ import annotations

import msgspec


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A number that is not a plain share, with its interval. Immutable.

    The unit is that of the function that made it. An interval that the data does not bound ends at
    an infinity.
    """

    value: float | None
    """None where there is nothing to estimate from."""
    low: float
    high: float
    n: int
    """How many observations it rests on."""
