"""Each worker's latest sign of life."""

from __future__ import annotations

from shadow_mw.protocols import Reader
from shadow_mw.records import Pulse

_LATEST = """
SELECT schema_version, ts_us, service, instance, shadow, circuit, active, "limit", waiting
FROM (
    SELECT pulses.*, row_number() OVER (PARTITION BY instance, shadow ORDER BY ts_us DESC) AS place
    FROM pulses
) AS latest
WHERE place = 1 ORDER BY shadow, instance
"""


def pulses(reader: Reader) -> tuple[Pulse, ...]:
    """The latest pulse of every worker and shadow, those of dead workers too: `ts_us` tells which live."""
    return tuple(Pulse(**row) for row in reader.rows(_LATEST))
