"""Nesting: doors behind doors, where one request is to be mirrored once."""

from __future__ import annotations

#: Where a door leaves its mark: in the scope of ASGI, in the environ of WSGI.
DOOR = "shadow_mw.door"
#: By a line in the code. What stands behind it and came by itself leaves the request to it.
LINE = "line"
#: By a door that came by itself, and that does not mirror this request.
AUTOMATIC = "automatic"
#: By a door that came by itself, and that looks after this request.
MIRRORED = "automatic, mirrored"


def is_anothers(mark: str | None, *, is_automatic: bool) -> bool:
    """True where a door that stands farther out looks after the request.

    Two lines in the code, one behind the other, both mean it.
    """
    return mark == MIRRORED or (is_automatic and mark is not None)


def mark_of(*, is_automatic: bool, is_predict_call: bool) -> str:
    """The mark that a door leaves."""
    if not is_automatic:
        return LINE
    return MIRRORED if is_predict_call else AUTOMATIC
