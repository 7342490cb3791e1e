"""Values of settings: how the text of a variable becomes what the code uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field

from shadow_mw.routes import Route, parse_route
from shadow_mw.store_urls import checked_store
from shadow_mw.targets import Target, parse_target

_BUILT_IN_COMPARATORS = ("exact", "close", "label")
#: The kernel takes 107 bytes of path.
_LONGEST_SOCKET = len("unix://") + 107


def _items(value: object) -> object:
    """Split `a, b` and one-per-line text into its items; anything that is no text stays as it is."""
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.replace("\n", ",").split(",") if item.strip())


def _each(parse: Callable[[str], object]) -> Callable[[object], object]:
    def parse_items(value: object) -> object:
        items = _items([value] if isinstance(value, Route | Target) else value)
        if not isinstance(items, list | tuple):
            return items
        return tuple(parse(item) if isinstance(item, str) else item for item in items)

    return parse_items


def _lower(value: object) -> object:
    items = _items(value)
    return tuple(str(item).lower() for item in items) if isinstance(items, list | tuple) else items


def _known_queue(queue: str) -> str:
    if queue.rstrip(":") in ("inline", "process"):
        return queue.rstrip(":") + ":"
    if queue.startswith("unix:///") and len(queue) <= _LONGEST_SOCKET:
        return queue
    raise ValueError(f"{queue!r} is not a queue: use process:, inline: or unix:///path/of.sock")


def _known_comparator(compare: str) -> str:
    if compare in _BUILT_IN_COMPARATORS:
        return compare
    if compare.startswith("python:") and len(compare.split(":")) == 3:
        return compare
    known = ", ".join(_BUILT_IN_COMPARATORS)
    raise ValueError(f"{compare!r} is not a comparator: use {known} or python:module:function")


def _valid_path(expression: str) -> str:
    if not expression:
        return expression
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        jmespath.compile(expression)
    except JMESPathError as error:
        raise ValueError(f"{expression!r} is not JMESPath: {str(error).splitlines()[0]}") from None
    return expression


Targets = Annotated[tuple[Target, ...], BeforeValidator(_each(parse_target))]
Routes = Annotated[tuple[Route, ...], BeforeValidator(_each(parse_route))]
Names = Annotated[tuple[str, ...], BeforeValidator(_items)]
LowerNames = Annotated[tuple[str, ...], BeforeValidator(_lower)]
Size = Annotated[ByteSize, Field(gt=0)]
QueueName = Annotated[str, AfterValidator(_known_queue)]
ComparatorName = Annotated[str, AfterValidator(_known_comparator)]
Path = Annotated[str, AfterValidator(_valid_path)]
StoreName = Annotated[str, Field(min_length=1), AfterValidator(checked_store)]
