"""Identifiers: which request ids are accepted from outside, and the ones made here."""

from __future__ import annotations

import hashlib
import random
import re
import time

from shadow_mw.forks import call_in_child

_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-|\Z)")
_SCALE = float(1 << 64)
#: Ids need not be secret, and a call to the system for each would show on production's side.
_random = random.Random()  # noqa: S311 not cryptographic
call_in_child(_random.seed)


def uuid7() -> str:
    """A new UUID of version 7 as 36 characters, ordered by its millisecond (RFC 9562, section 5.7)."""
    return _uuid7(time.time_ns() // 1_000_000, _random.getrandbits(80))


def _uuid7(milliseconds: int, bits: int) -> str:
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | bits
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def record_id_of(ts_us: int, exchange_id: str, shadow: str) -> str:
    """The id of the record of one exchange against one shadow: a UUID of version 7 of the exchange's time.

    The same each time, so that what a broker delivers twice can be found in the store.
    """
    digest = hashlib.blake2b(f"{exchange_id}\0{shadow}".encode(), digest_size=10).digest()
    return _uuid7(ts_us // 1000, int.from_bytes(digest, "big"))


def random_bits(count: int) -> int:
    """A random number of so many bits, from a source of our own: an app may have seeded Python's."""
    return _random.getrandbits(count)


def accepted_request_id(candidate: str) -> str | None:
    """The candidate itself if it is 1 to 128 characters of `[A-Za-z0-9._-]`, else None."""
    return candidate if _ACCEPTED.match(candidate) else None


def trace_id_of(traceparent: str) -> str | None:
    """The 32 hex digits of the trace id in a `traceparent` header (W3C Trace Context, section 3.2)."""
    match = _TRACEPARENT.match(traceparent)
    if match is None or match[1] == "0" * 32:
        return None
    return match[1]


def is_sampled(request_id: str, rate: float) -> bool:
    """True for the share `rate` (0.0 to 1.0) of all request ids, the same ones in every process."""
    if rate >= 1.0:
        return True
    digest = hashlib.blake2b(request_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SCALE < rate
