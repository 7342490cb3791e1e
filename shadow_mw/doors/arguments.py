"""Arguments: the features in the call of a function, and the call that features make."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from shadow_mw.exceptions import UsageError

#: By these names a method calls its own object, which is no feature.
_OWN = ("self", "cls")
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Arguments:
    """How a function takes its features. Immutable.

    The features are the argument itself where the function has one parameter, else the arguments that were
    given, by name. A first parameter `self` or `cls` does not count.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        """Read the signature.

        Raises:
            UsageError: it has none that can be read.

        """
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            raise UsageError(
                f"the parameters of {function!r} can't be read: decorate a function of yours that calls it"
            ) from None
        parameters = list(signature.parameters.values())
        self._skipped = int(bool(parameters) and parameters[0].name in _OWN)
        parameters = parameters[self._skipped :]
        self._signature = signature.replace(parameters=parameters)
        is_single = len(parameters) == 1 and parameters[0].kind not in _VARIABLE
        self._single = parameters[0] if is_single else None

    def __contains__(self, name: str) -> bool:
        """True for the name of a parameter."""
        return name in self._signature.parameters

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by the names of their parameters.

        Raises:
            TypeError: they do not fit, so that the function will say so itself.

        """
        return self._signature.bind(*args[self._skipped :], **kwargs).arguments

    def features(self, given: dict[str, Any]) -> Any:
        """The features in what was given."""
        return given if self._single is None else given.get(self._single.name, self._single.default)

    def call(self, function: Callable[..., Any], features: Any) -> Any:
        """Call another function as the first was called when these were its features."""
        given = features if self._single is None else {self._single.name: features}
        bound = inspect.BoundArguments(self._signature, given)
        return function(*bound.args, **bound.kwargs)
