"""The libraries of the analysis, which come with the extra `report`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from shadow_mw.exceptions import MissingExtraError

P = ParamSpec("P")
R = TypeVar("R")
_LIBRARIES = {"numpy", "scipy"}


def needs_scipy(function: Callable[P, R]) -> Callable[P, R]:
    """A function that says what to install where numpy or scipy is missing.

    Raises:
        MissingExtraError: numpy or scipy is not installed (when the function is called).

    """

    @wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in _LIBRARIES:
                raise
            raise MissingExtraError("the analysis", "report") from None

    return wrapper
