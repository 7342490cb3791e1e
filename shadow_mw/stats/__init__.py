"""Statistics of a shadow against production: pure functions of counts.

Importing this package loads no library. The modules beside it load numpy and scipy when they are asked.
"""

from __future__ import annotations

from shadow_mw.stats.estimate import Estimate
from shadow_mw.stats.ratio import Ratio, ratio, wilson_interval
from shadow_mw.stats.window import LatencyWindow

__all__ = ["Estimate", "LatencyWindow", "Ratio", "ratio", "wilson_interval"]
