"""Each worker's latest sign of life."""

from __future__ import annotations

from shadow_mw.protocols import Reader
from shadow_mw.records import Pulse

_LATEST = """
SELECT schema_version, ts_us, service, instance, shadow, circuit, active, "limit", waiting, share, held_back
FROM (
    SELECT pulses.*, row_number() OVER (PARTITION BY instance, shadow ORDER BY ts_us DESC) AS place
    FROM pulses WHERE ts_us > (SELECT max(ts_us) FROM pulses) - 86400000000
) AS latest
WHERE place = 1 ORDER BY shadow, instance
"""


def pulses(reader: Reader) -> tuple[Pulse, ...]:
    """The latest pulse of every worker and shadow in the day up to the very latest.

    Workers that ended in that day are among them: `ts_us` tells who lives.
    """
    return tuple(Pulse(**row) for row in reader.rows(_LATEST))
