"""The comparator `python:module:function`: a function of the user's decides."""

from __future__ import annotations

import inspect
import math
import pkgutil
from collections.abc import Callable
from typing import Any

from shadow_mw.compare.paths import MAX_PATH_CHARS, MAX_PATHS
from shadow_mw.compare.text import MAX_LABEL_CHARS, fitted
from shadow_mw.exceptions import SettingsError
from shadow_mw.protocols import Pair
from shadow_mw.records import Judgement

_MAX_REASON_CHARS = 300
_VERDICTS = ("agree", "disagree", "incomparable")


class Plugin:
    """A user's function of `(production, shadow)`, or of one `Pair`, as a comparator.

    It returns True or False, a verdict, or a whole `Judgement`. It sees the predictions as they came: ignored
    paths are its own business.
    """

    def __init__(self, name: str) -> None:
        """Import the function that `python:module:function` names; it may be dotted.

        Raises:
            SettingsError: there is no such function, or it cannot be called with two predictions.

        """
        self._name = name
        self._function = _imported(name)
        self._takes_pair = _takes_pair(name, self._function)

    def __repr__(self) -> str:
        """The name."""
        return f"Plugin({self._name!r})"

    @property
    def name(self) -> str:
        """`python:module:function`."""
        return self._name

    def compare(self, pair: Pair) -> Judgement:
        """What the function says.

        Raises:
            TypeError: it returned something that is no verdict.
            Exception: whatever the function raised.

        """
        arguments = (pair,) if self._takes_pair else (pair.production, pair.shadow)
        result = self._function(*arguments)
        if type(result).__module__ == "numpy" and hasattr(result, "item"):
            result = result.item()
        return self._judgement(result)

    def _judgement(self, result: Any) -> Judgement:
        if isinstance(result, bool):
            return Judgement(verdict="agree" if result else "disagree")
        if isinstance(result, str) and result in _VERDICTS:
            return Judgement(verdict=result)  # type: ignore[arg-type]  # it is one of the three words
        if isinstance(result, Judgement) and result.verdict in _VERDICTS:
            return _recordable(result)
        raise TypeError(
            f"{self._name} returned {result!r:.80}, which is no verdict: return True or False, "
            "'agree', 'disagree' or 'incomparable', or a Judgement (which can carry a delta)"
        )


def _recordable(judgement: Judgement) -> Judgement:
    """The judgement in plain types of bounded size; a NumPy scalar would make the record unwritable."""
    return Judgement(
        verdict=judgement.verdict,
        reason=fitted(str(judgement.reason), _MAX_REASON_CHARS),
        delta=_finite(judgement.delta),
        diff_paths=tuple(fitted(str(path), MAX_PATH_CHARS) for path in judgement.diff_paths[:MAX_PATHS]),
        production_label=_label(judgement.production_label),
        shadow_label=_label(judgement.shadow_label),
        production_score=_finite(judgement.production_score),
        shadow_score=_finite(judgement.shadow_score),
        items=max(int(judgement.items), 0),
        items_agree=None if judgement.items_agree is None else max(int(judgement.items_agree), 0),
    )


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and math.isfinite(number) else None


def _label(label: object) -> str | None:
    return None if label is None else fitted(str(label), MAX_LABEL_CHARS)


def _imported(name: str) -> Callable[..., Any]:
    target = name.removeprefix("python:")
    module, _, attribute = target.partition(":")
    if not (module and attribute):
        raise _error(name, "write python:module:function")
    try:
        function = pkgutil.resolve_name(target)
    except Exception as error:  # importing a user's module may raise anything
        reason = str(error) or type(error).__name__
        raise _error(name, f"{reason}. Check the spelling and that Python can import {module}") from error
    if not callable(function):
        raise _error(name, f"{attribute} is {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]  # checked above


def _takes_pair(name: str, function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function):
        raise _error(name, "it is an async function; write a plain one")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False  # some functions written in C do not tell
    if _accepts(signature, 2):
        return False
    if _accepts(signature, 1):
        return True
    raise _error(name, f"it takes {signature}; it must take (production, shadow) or one Pair")


def _accepts(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def _error(name: str, reason: str) -> SettingsError:
    return SettingsError(f"SHADOW_COMPARE: {name!r} cannot be used: {reason}")
