"""What the settings ask of a process of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from shadow_mw.settings import Settings


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """The caps that a process is to have. Immutable."""

    memory_bytes: int | None = None
    cpu_cores: float | None = None
    cgroup: str = "auto"
    """`SHADOW_CGROUP`."""

    @classmethod
    def of(cls, settings: Settings) -> Wish:
        """Those that the settings ask for, of each process alike."""
        return cls(
            memory_bytes=None if settings.memory_bytes is None else int(settings.memory_bytes),
            cpu_cores=settings.cpu_seconds_per_second,
            cgroup=settings.cgroup,
        )
