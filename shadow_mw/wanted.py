"""Wanted: which records are to be purged."""

from __future__ import annotations

import msgspec


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Comparisons and truths, by request id, by age or by both. Immutable."""

    request_ids: tuple[str, ...] = ()
    """Empty for all."""
    before_us: int | None = None
    """Microseconds of Unix time; what came at this very moment stays. None for all."""

    @property
    def sql(self) -> str:
        """The condition on a row, with `?` for each of `parameters`."""
        tests = []
        if self.request_ids:
            tests.append(f"request_id IN ({', '.join('?' * len(self.request_ids))})")
        if self.before_us is not None:
            tests.append("ts_us < ?")
        return " AND ".join(tests)

    @property
    def parameters(self) -> list[str | int]:
        """What the condition asks for, in its order."""
        return [*self.request_ids, *([] if self.before_us is None else [self.before_us])]

    def has(self, request_id: str, ts_us: int) -> bool:
        """True for a record that is to go."""
        is_asked = not self.request_ids or request_id in self.request_ids
        return is_asked and (self.before_us is None or ts_us < self.before_us)


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one place, and taken away. Immutable."""

    place: str
    """Where it was, in words."""
    comparisons: int = 0
    truths: int = 0
    is_left: bool = False
    """True where it could not be taken away, because somebody is still writing there."""
