"""Whether memory stays flat: a million mirrored requests while nobody listens where the shadow should be.

    python benchmarks/memory.py [--requests N] [--samples N] [--rate R] [--app mirrored|bare] [--json FILE]

Production is the FastAPI app of `production.py` with the queue `process:`, the store and spans on. It is
driven in memory, without a server, so that a million requests take minutes. After every share of them the
resident memory of production and of its mirror process is read. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from overhead import refuse_incomplete
from processes import Child, ServerChild, children, stop_all
from variants import PROCESS_DOWN

_MIB = 2**20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_START_SECONDS = 10.0
_BOOKS_SECONDS = 60.0
"""How long the books may take to close: the mirror process tells its counts about once a second."""


@dataclass(frozen=True)
class Sample:
    """Resident memory in bytes after so many requests."""

    requests: int
    production: int
    mirror: int


@dataclass(frozen=True)
class Flatness:
    """How one process's resident memory went."""

    first_mib: float
    """The median of the first tenth of the samples."""
    last_mib: float
    """The median of the last tenth."""
    max_mib: float
    slope_kib: float
    """KiB in 100,000 requests, by least squares over the second half: what is left once it is warm."""

    @classmethod
    def of(cls, samples: Sequence[tuple[int, int]]) -> Flatness:
        """From pairs of requests and bytes."""
        tenth = max(len(samples) // 10, 1)
        late = samples[len(samples) // 2 :]
        slope, _ = statistics.linear_regression([x for x, _ in late], [y for _, y in late])
        return cls(
            first_mib=statistics.median(y for _, y in samples[:tenth]) / _MIB,
            last_mib=statistics.median(y for _, y in samples[-tenth:]) / _MIB,
            max_mib=max(y for _, y in samples) / _MIB,
            slope_kib=slope * 100_000 / 1024,
        )


def resident(pid: int) -> int:
    """Bytes of a process that are in memory; 0 when it has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return 0


def measure(requests: int, samples: int, rate: float, app: str) -> dict[str, Any]:
    """The whole measurement, as it goes into the JSON file."""
    started: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="shadow-memory-") as folder:
        try:
            started.append(side := ServerChild("side.py"))
            places = {"side": side.url, "name": "memory", "folder": folder}
            environment = {key: value.format(**places) for key, value in PROCESS_DOWN.environment.items()}
            started.append(production := Child("memory_production.py", app, environment=environment))
            return _sampled(production, requests, samples, rate, is_mirrored=app == "mirrored")
        finally:
            stop_all(started)


def _sampled(
    production: Child, requests: int, samples: int, rate: float, *, is_mirrored: bool
) -> dict[str, Any]:
    pid = production.process.pid
    found, mirrors, begun = [], set(), time.monotonic()
    for number in range(samples):
        share = requests * (number + 1) // samples - requests * number // samples
        production.ask({"requests": share, "rate": rate})
        own = _mirror(pid) if is_mirrored else []
        mirrors.update(own)
        done = requests * (number + 1) // samples
        found.append(Sample(done, resident(pid), sum(map(resident, own))))
        _tell(found[-1], time.monotonic() - begun)
    seconds = time.monotonic() - begun
    return {
        "requests": requests,
        "seconds": seconds,
        "production": asdict(Flatness.of([(one.requests, one.production) for one in found])),
        "mirror": asdict(Flatness.of([(one.requests, one.mirror) for one in found])),
        "mirror_processes": len(mirrors),
        **_ends(production, requests if is_mirrored else 0),
        "samples": [asdict(one) for one in found],
    }


def _mirror(pid: int) -> list[int]:
    """The mirror process; waits for one that is being started."""
    deadline = time.monotonic() + _START_SECONDS
    while not (own := children(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return own


def _ends(production: Child, requests: int) -> dict[str, Any]:
    """What became of all requests, once each that was mirrored has an end."""
    deadline = time.monotonic() + _BOOKS_SECONDS
    while True:
        told = production.ask({"requests": 0, "rate": 0.0})
        ends = sum(told["counts"].values()) - told["counts"].get("eligible", 0)
        if ends >= requests or time.monotonic() > deadline:
            return told
        time.sleep(0.5)


def _tell(sample: Sample, seconds: float) -> None:
    print(
        f"{sample.requests:>9,} requests, {seconds:5.0f} s: production {sample.production / _MIB:.1f} MiB, "
        f"mirror {sample.mirror / _MIB:.1f} MiB",
        file=sys.stderr,
    )


def report(result: dict[str, Any]) -> str:
    """The result for a person."""
    rows = [
        f"{'resident memory, MiB':<22}{'first 10 %':>12}{'last 10 %':>12}{'max':>8}  KiB in 100,000 requests"
    ]
    for name in ("production", "mirror"):
        one = Flatness(**result[name])
        rows.append(
            f"{name:<22}{one.first_mib:>12.1f}{one.last_mib:>12.1f}{one.max_mib:>8.1f}  {one.slope_kib:+.1f}"
        )
    counts = ", ".join(f"{word} {count:,}" for word, count in sorted(result["counts"].items()))
    return (
        f"{result['requests']:,} requests in {result['seconds']:.0f} s, {len(result['samples'])} samples, "
        f"{result['mirror_processes']} mirror process(es)\n\n"
        + "\n".join(rows)
        + f"\n\nproduction answered: {result['statuses']}\nwhat became of them: {counts or 'not mirrored'}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--requests", type=int, default=1_000_000, help="how many in all (1,000,000)")
    parser.add_argument(
        "--samples", type=int, default=100, help="how often memory is read, at least 20 (100)"
    )
    parser.add_argument(
        "--rate",
        type=float,
        default=2500.0,
        help="requests a second at most, 0 for no limit; what the mirror can't take is dropped (2500)",
    )
    parser.add_argument(
        "--app", choices=("mirrored", "bare"), default="mirrored", help="bare: what the app does"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    if options.samples < 20 or options.requests < options.samples:
        parser.error("at least 20 samples, and at least as many requests")
    return options


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    refuse_incomplete([PROCESS_DOWN])
    result = measure(options.requests, options.samples, options.rate, options.app)
    print(report(result))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
