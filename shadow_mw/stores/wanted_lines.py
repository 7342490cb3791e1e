"""Lines of a segment that are to be purged."""

from __future__ import annotations

import msgspec

from shadow_mw.records import Comparison, Truth
from shadow_mw.stores.columns import tag
from shadow_mw.wanted import Wanted

_COMPARISON, _TRUTH = tag(Comparison), tag(Truth)


class _Line(msgspec.Struct):
    """What matters of a line."""

    kind: str
    ts_us: int
    request_id: str = ""


_decode = msgspec.json.Decoder(_Line).decode


def count_lines(data: bytes, wanted: Wanted) -> tuple[int, int]:
    """How many comparisons and truths of these lines are wanted."""
    kinds = [_kind(line, wanted) for line in data.splitlines(keepends=True)]
    return kinds.count(_COMPARISON), kinds.count(_TRUTH)


def lines_without(data: bytes, wanted: Wanted) -> bytes:
    """The lines but for those that are wanted, and for half or damaged ones that hold a wanted request id."""
    return b"".join(line for line in data.splitlines(keepends=True) if not _kind(line, wanted))


def _written(request_id: str) -> bytes:
    """As it stands in a line."""
    return msgspec.json.encode(request_id)[1:-1]


def _kind(line: bytes, wanted: Wanted) -> str:
    """The kind of a wanted record, `damaged` for a line that nobody can read, or nothing."""
    if wanted.before_us is None and not any(_written(one) in line for one in wanted.request_ids):
        return ""  # at a tenth of the cost
    try:
        found = _decode(line)
    except msgspec.DecodeError:
        return "damaged"
    is_ours = found.kind in (_COMPARISON, _TRUTH) and wanted.has(found.request_id, found.ts_us)
    return found.kind if is_ours else ""
