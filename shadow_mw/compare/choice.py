"""The choice of a comparator by its name."""

from __future__ import annotations

from collections.abc import Sequence

from shadow_mw.compare.close import Close
from shadow_mw.compare.exact import Exact
from shadow_mw.compare.ignored import IgnoredPaths
from shadow_mw.compare.label import TopLabel
from shadow_mw.compare.plugin import Plugin
from shadow_mw.exceptions import SettingsError
from shadow_mw.protocols import Comparator


def make_comparator(name: str, *, rtol: float, atol: float, ignore: Sequence[str]) -> Comparator:
    """The comparator that `SHADOW_COMPARE` names.

    `rtol` and `atol` are for `close`, `ignore` is for `close` and `exact`.

    Raises:
        SettingsError: no such comparator, a plugin that cannot be imported, or a bad ignore pattern.

    """
    ignored = IgnoredPaths(ignore)
    if name == "exact":
        return Exact(ignored)
    if name == "close":
        return Close(rtol, atol, ignored)
    if name == "label":
        return TopLabel()
    if name.startswith("python:"):
        return Plugin(name)
    raise SettingsError(
        f"SHADOW_COMPARE: {name!r} is not a comparator: use exact, close, label or python:module:function"
    )
