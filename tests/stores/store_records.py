from __future__ import annotations

from pathlib import Path

from shadow_mw.records import Comparison, Tally
from shadow_mw.stores.reader import open_reader


def comparison(record_id: str = "r", **fields: object) -> Comparison:
    given = {
        "request_id": "q",
        "ts_us": 1_700_000_000_000_000,
        "route": "/predict",
        "method": "POST",
        "shadow": "candidate",
        "bucket": "compared",
        "outcome": "answered",
        "verdict": "agree",
    }
    return Comparison(record_id=record_id, **{**given, **fields})


def comparisons(prefix: str, count: int, **fields: object) -> list[Comparison]:
    return [comparison(f"{prefix}-{number}", **fields) for number in range(count)]


def tally(**counts: int) -> Tally:
    return Tally(ts_us=1_700_000_000_000_000, route="/predict", shadow="candidate", counts=counts)


def ids(folder: Path) -> list[str]:
    with open_reader(folder) as reader:
        return [row["record_id"] for row in reader.rows("SELECT record_id FROM comparisons ORDER BY ALL")]


def files(folder: Path, pattern: str = "**/*") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern) if path.is_file())
