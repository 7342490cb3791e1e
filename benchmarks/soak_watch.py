"""What the processes of `soak.py` hold: memory over time, and descriptors, threads and children at rest."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memory import resident
from processes import children

_MIB = 2**20
#: So much of a process's life is warming up.
_WARM_SHARE = 0.4
_LEAST_SAMPLES = 10


@dataclass(frozen=True)
class Holdings:
    """What a process holds while nothing is asked."""

    descriptors: int = 0
    threads: int = 0
    children: int = 0

    @classmethod
    def of(cls, pids: Sequence[int]) -> Holdings:
        """The sums over processes."""
        return cls(
            sum(len(_entries(pid, "fd")) for pid in pids),
            sum(len(_entries(pid, "task")) for pid in pids),
            sum(len(children(pid)) for pid in pids),
        )

    def beyond(self, other: Holdings) -> Holdings:
        """What is more than in the other."""
        return Holdings(
            max(self.descriptors - other.descriptors, 0),
            max(self.threads - other.threads, 0),
            max(self.children - other.children, 0),
        )

    def __bool__(self) -> bool:
        return self != Holdings()

    def __str__(self) -> str:
        return f"{self.descriptors} descriptors, {self.threads} threads, {self.children} children"


@dataclass(frozen=True)
class Growth:
    """How the resident memory of one process went once it was warm."""

    first_mib: float
    """When it was warm: the median of the first third of what is looked at."""
    last_mib: float
    """The median of the last third."""
    max_mib: float
    mib_an_hour: float
    """By least squares over what is looked at."""
    minutes: float
    """How long that was."""

    @classmethod
    def of(cls, samples: Sequence[tuple[float, int]]) -> Growth | None:
        """From pairs of seconds and bytes; None where there are too few to tell."""
        warm = samples[int(len(samples) * _WARM_SHARE) :]
        if len(warm) < _LEAST_SAMPLES:
            return None
        third = len(warm) // 3
        slope, _ = statistics.linear_regression([when for when, _ in warm], [size for _, size in warm])
        return cls(
            statistics.median(size for _, size in warm[:third]) / _MIB,
            statistics.median(size for _, size in warm[-third:]) / _MIB,
            max(size for _, size in samples) / _MIB,
            slope * 3600 / _MIB,
            (warm[-1][0] - warm[0][0]) / 60,
        )

    @property
    def grown_mib(self) -> float:
        return self.last_mib - self.first_mib

    def __str__(self) -> str:
        return (
            f"{self.first_mib:.1f} to {self.last_mib:.1f} MiB (at most {self.max_mib:.1f}) "
            f"in {self.minutes:.1f} min, {self.mib_an_hour:+.1f} MiB an hour"
        )


class Memory:
    """Resident memory of one place over time; where the process there is another one, it begins anew."""

    def __init__(self) -> None:
        self._pids: tuple[int, ...] = ()
        self._samples: list[tuple[float, int]] = []

    def sample(self, when: float, pids: Sequence[int]) -> None:
        """Add what the processes hold now."""
        if tuple(pids) != self._pids:
            self._pids, self._samples = tuple(pids), []
        if size := sum(map(resident, pids)):
            self._samples.append((when, size))

    def growth(self) -> Growth | None:
        return Growth.of(self._samples)


def _entries(pid: int, folder: str) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(Path(f"/proc/{pid}/{folder}").iterdir())
    return []
