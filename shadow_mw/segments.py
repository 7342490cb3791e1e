"""Segments: the slices of the features that an exchange belongs to, as in `country: NL`, `rooms: 2 to 5`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any

from shadow_mw.exceptions import PayloadError
from shadow_mw.payload import extract
from shadow_mw.redaction import REDACTED

MOST_SEGMENTS = 12
LONGEST_TEXT = 40
LONGEST_NAME = 60
#: How many fields are looked at, so that an object of thousands costs no more than one of hundreds.
_MOST_FIELDS = 256
#: Values that name one thing rather than a slice of things: UUIDs, hashes, tokens, dates, addresses.
_IDENTIFIER = re.compile(
    r"(?=.*\d)[0-9a-f-]{8,}|(?=.*\d)[\w-]{20,}|\d{5,}|[\d\s.,:()/+-]{6,}|\d{4}-\d\d-\d\d.*|\S+@\S+|\w+://.*",
    re.IGNORECASE | re.DOTALL,
)
_IDENTIFYING_NAME = re.compile(
    r"(.*[_\W])?(id|uid|uuid|guid|hash|e-?mail|phone|url|iban|ssn|address|street|timestamp|created_at|time|ts)"
    r"|.*[a-z](Id|ID|Uuid|UUID)|((first|last|full|user|middle|sur)_?)?name",
    re.IGNORECASE,
)
_EDGES = [float(f"{lead}e{exponent}") for exponent in range(-6, 13) for lead in (1, 2, 5)]


def segments_of(features: Any, paths: Mapping[str, str] | None = None) -> dict[str, str]:
    """The segments of features that were redacted before: by name, sorted, at most twelve.

    With `paths`, a JMESPath by name, what they find, where that is a scalar; so none of a batch, unless a
    path leads to one value. Without, the scalar fields of an object, but for those that look like identifiers
    and for strings of more than 40 characters. Numbers stand in bins of the series 1, 2, 5, 10, which
    contain their end that is nearer to zero. Never raises.
    """
    if paths is not None:
        found = [(name, _asked(_at(features, path))) for name, path in paths.items()]
    elif isinstance(features, dict):
        fields = islice(features.items(), _MOST_FIELDS)
        found = [(name, _seen(value)) for name, value in fields if not _is_identifying(name)]
    else:
        return {}
    kept = sorted((_name(name), text) for name, text in found if text is not None)
    return dict(kept[:MOST_SEGMENTS])


def _at(features: Any, path: str) -> Any:
    try:
        return extract(features, path)
    except PayloadError:
        return REDACTED


def _asked(value: Any) -> str | None:
    if isinstance(value, str) and value != REDACTED:
        return _shown(value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…")
    return _seen(value)


def _seen(value: Any) -> str | None:
    """The text of a scalar, or None for what is no segment."""
    if isinstance(value, str):
        return _string(value) if len(value) <= LONGEST_TEXT else None
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _bin(value) if isinstance(value, int | float) else None


@lru_cache(maxsize=4096)
def _string(value: str) -> str | None:
    return None if value == REDACTED or _IDENTIFIER.fullmatch(value) else _shown(value)


def _bin(value: float) -> str:
    if value != value or value == 0:
        return "0" if value == 0 else "NaN"
    return _BINS[bisect_right(_EDGES, value)] if value >= 0 else _NEGATIVE_BINS[bisect_right(_EDGES, -value)]


def _is_identifying(name: str) -> bool:
    return len(name) > LONGEST_NAME or _has_identifying_word(name)


@lru_cache(maxsize=1024)
def _has_identifying_word(name: str) -> bool:
    return _IDENTIFYING_NAME.fullmatch(name) is not None


def _name(name: str) -> str:
    return _shown(name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…")


def _shown(text: str) -> str:
    """The text, encodable as UTF-8: lone surrogates stand as escapes."""
    return text.encode("utf-8", "backslashreplace").decode() or "(empty)"


def _texts() -> tuple[list[str], list[str]]:
    """The names of the bins between the edges, above zero and below it."""
    edges = [f"{edge:.0f}" if edge >= 1 else f"{edge:f}".rstrip("0") for edge in _EDGES]
    between = list(pairwise(edges))
    above = [f"0 to {edges[0]}", *(f"{low} to {high}" for low, high in between), f"{edges[-1]} or more"]
    below = [f"-{edges[0]} to 0", *(f"-{high} to -{low}" for low, high in between), f"-{edges[-1]} or less"]
    return above, below


_BINS, _NEGATIVE_BINS = _texts()
