"""The rules of a guard: where they come from, and what is refused.

The variables are those of the shadow's server, not of the app that mirrors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from shadow_mw.exceptions import SettingsError
from shadow_mw.guard.allowed import Allowed
from shadow_mw.guard_variables import ALLOW_VARIABLE, GUARD_VARIABLE, SCOPE_VARIABLE

Mode = Literal["block", "record"]
Reach = Literal["marked", "process"]

_OFF = ("", "off")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is done about writes, of which requests, and where writing is allowed. Immutable."""

    mode: Mode
    scope: Reach
    allowed: Allowed


def read_rules(mode: Mode | None, scope: Reach | None, allow: Iterable[str]) -> Rules | None:
    """The rules that hold in this deployment, or None where it doesn't turn the guard on.

    Raises:
        SettingsError: a variable or a keyword has no such value.

    """
    given = os.environ.get(GUARD_VARIABLE, "").strip().lower()
    _check(GUARD_VARIABLE, given, (*_OFF, "block", "record"))
    _check("mode", mode or "block", ("block", "record"))
    named = os.environ.get(SCOPE_VARIABLE, "").strip().lower()
    _check(SCOPE_VARIABLE, named, ("", "marked", "process"))
    _check("scope", scope or "marked", ("marked", "process"))
    allowed = Allowed([*os.environ.get(ALLOW_VARIABLE, "").split(","), *allow])
    if given in _OFF:
        return None
    return Rules(mode or cast(Mode, given), scope or cast(Reach, named or "marked"), allowed)


def _check(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        words = ", ".join(word for word in known if word)
        raise SettingsError(f"{name} is {value!r}: use one of {words}")
