"""Where the shadow differs from production more often than production's own twin does."""

from __future__ import annotations

from collections.abc import Sequence

from shadow_mw.stats.libraries import needs_scipy


@needs_scipy
def excess(counts: Sequence[tuple[int, int]]) -> tuple[float, ...]:
    """A corrected p-value for each pair of (shadow differs alone, control differs alone).

    One pair for each path inside the prediction, counted on the same requests. Where it is at most 1 minus
    the confidence, the path is a regression and not noise. The p-value is that of McNemar's exact test,
    one-sided (1947, see `mcnemar`); all of them together are corrected by Y. Benjamini and Y. Hochberg,
    Journal of the Royal Statistical Society B 57 (1995), so give all paths at once.

    Raises:
        ValueError: a count is negative.
        MissingExtraError: scipy is not installed.

    """
    from scipy.stats import binom, false_discovery_control

    if any(min(pair) < 0 for pair in counts):
        raise ValueError("counts must not be negative")
    if not counts:
        return ()
    p_values = binom.sf([shadow - 1 for shadow, _ in counts], [sum(pair) for pair in counts], 0.5)
    return tuple(false_discovery_control(p_values).tolist())
