"""Nesting: doors behind doors, where one request is to be mirrored once."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

#: Where a door leaves its mark: in the scope of ASGI, in the environ of WSGI.
_DOOR = "shadow_mw.door"
#: By a line in the code. What stands behind it and came by itself leaves the request to it.
_LINE = "line"
#: By a door that came by itself, and that does not mirror this request.
_AUTOMATIC = "automatic"
#: By a door that came by itself, and that looks after this request.
_MIRRORED = "automatic, mirrored"


class Nesting:
    """Tells a door whether another one, farther out, looks after the request.

    Without doors that come by themselves there is nothing to tell, and a request carries no mark.
    """

    def __init__(self) -> None:
        """Not needed, until somebody says so."""
        self.is_needed = False

    def is_anothers(self, request: MutableMapping[str, Any], *, is_automatic: bool) -> bool:
        """True where a door farther out looks after this scope or environ.

        Two lines in the code, one behind the other, both mean it.
        """
        mark = request.get(_DOOR)
        return mark == _MIRRORED or (is_automatic and mark is not None)

    def mark(self, request: MutableMapping[str, Any], *, is_automatic: bool, is_predict_call: bool) -> None:
        """Leave a mark for the doors behind: in the very object, for others look into it afterwards."""
        automatic = _MIRRORED if is_predict_call else _AUTOMATIC
        request[_DOOR] = automatic if is_automatic else _LINE


nesting = Nesting()
