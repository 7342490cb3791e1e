"""Places: where in a JSON value a JMESPath leads, so that what is there can be replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

#: What can happen to a value.
Fate: TypeAlias = Literal["hash", "mask", "drop"]
_PLACES = frozenset(
    {
        "current", "field", "filter_projection", "flatten", "identity", "index", "index_expression", "pipe",
        "projection", "slice", "subexpression", "value_projection",
    }
)  # fmt: skip
#: A node of the parser's tree: a dict with `type`, `children` and perhaps `value`.
_Node: TypeAlias = Any


class Place:
    """One place in a JSON value, and those below it that were visited. Not thread-safe."""

    __slots__ = ("below", "fate", "value")

    def __init__(self, value: Any) -> None:
        """Take what is there."""
        self.value = value
        self.below: dict[str | int, Place] = {}
        self.fate: Fate | None = None
        """What is to happen to it."""

    def at(self, key: str | int) -> Place:
        """The place under a key or index, the same one every time."""
        return self.below.get(key) or self.below.setdefault(key, Place(self.value[key]))


#: What an expression has found: a place, or those that a projection has gathered.
_Found: TypeAlias = "Place | list[_Found] | None"


class Path:
    """A JMESPath that denotes places: fields, indices, slices, `[*]`, `.*`, flattening and filters.

    Immutable. A field that holds null is a place; one that is not there is none.
    """

    def __init__(self, expression: str) -> None:
        """Parse an expression.

        Raises:
            ValueError: it is not JMESPath, or it computes something new rather than to denote places.

        """
        self._expression = expression
        try:
            self._tree = _parsed(expression)
            _check(expression, self._tree)
        except RecursionError:
            raise ValueError(f"{expression[:80]!r} is nested too deep") from None

    def __repr__(self) -> str:
        """The expression."""
        return f"Path({self._expression!r})"

    def places(self, root: Place) -> Iterator[Place]:
        """The places below `root`, each once or more often. A filter may raise whatever JMESPath raises."""
        return _each(_visit(self._tree, root))


def _parsed(expression: str) -> _Node:
    import jmespath

    try:
        tree: _Node = jmespath.compile(expression).parsed
    except RecursionError:
        raise
    except Exception as error:  # noqa: BLE001 the parser warns and trips in ways of its own over odd text
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ValueError(f"{expression!r} is not JMESPath: {reason}") from None
    return tree


def _check(expression: str, node: _Node) -> None:
    if node["type"] not in _PLACES:
        kind = node["type"].replace("_", " ").removesuffix(" expression")
        raise ValueError(
            f"{expression!r} has a {kind} in it, which makes a new value and denotes no place: write fields, "
            "indices, [*], .*, [] and filters"
        )
    if node["type"] == "slice":
        if node["children"][2] == 0:
            raise ValueError(f"{expression!r} has a slice with a step of 0, which leads nowhere")
        return
    # The third child of a filter is its condition, which may compute.
    for child in node["children"][:2]:
        _check(expression, child)


def _visit(node: _Node, found: _Found) -> _Found:
    return _VISITORS[node["type"]](node, found)


def _same(node: _Node, found: _Found) -> _Found:
    del node
    return found


def _one_by_one(node: _Node, found: _Found) -> _Found:
    for child in node["children"]:
        found = _visit(child, found)
    return found


def _field(node: _Node, found: _Found) -> _Found:
    if isinstance(found, Place) and isinstance(found.value, dict) and node["value"] in found.value:
        return found.at(node["value"])
    return None


def _index(node: _Node, found: _Found) -> _Found:
    items = _items(found)
    number: int = node["value"]
    return items[number] if items and -len(items) <= number < len(items) else None


def _slice(node: _Node, found: _Found) -> _Found:
    items = _items(found)
    return None if items is None else list(items[slice(*node["children"])])


def _flatten(node: _Node, found: _Found) -> _Found:
    items = _items(_visit(node["children"][0], found))
    if items is None:
        return None
    flat: list[_Found] = []
    for item in items:
        inner = _items(item)
        flat += [item] if inner is None else inner
    return flat


def _projection(node: _Node, found: _Found) -> _Found:
    return _gathered(node, _items(_visit(node["children"][0], found)))


def _values(node: _Node, found: _Found) -> _Found:
    base = _visit(node["children"][0], found)
    if not (isinstance(base, Place) and isinstance(base.value, dict)):
        return None
    return _gathered(node, [base.at(key) for key in base.value])


def _filter(node: _Node, found: _Found) -> _Found:
    items = _items(_visit(node["children"][0], found))
    if items is None:
        return None
    holds = _condition(node["children"][2])
    return _gathered(node, [item for item in items if holds(_value(item))])


def _gathered(node: _Node, items: Sequence[_Found] | None) -> _Found:
    if items is None:
        return None
    right = node["children"][1]
    return [one for one in (_visit(right, item) for item in items) if one is not None]


def _items(found: _Found) -> Sequence[_Found] | None:
    """The items of a list, one in the value or one that was gathered, which holds no nulls for JMESPath."""
    if isinstance(found, list):
        return [item for item in found if not (isinstance(item, Place) and item.value is None)]
    if found is None or not isinstance(found.value, list):
        return None
    return [found.at(number) for number in range(len(found.value))]


def _condition(node: _Node) -> Callable[[Any], bool]:
    from jmespath.visitor import TreeInterpreter

    interpreter = TreeInterpreter()
    return lambda value: _is_true(interpreter.visit(node, value))


def _is_true(value: Any) -> bool:
    """As JMESPath has it, for which 0 is true."""
    return value is not None and value is not False and value not in ("", [], {})


def _value(found: _Found) -> Any:
    return list(map(_value, found)) if isinstance(found, list) else found and found.value


def _each(found: _Found) -> Iterator[Place]:
    if isinstance(found, Place):
        yield found
    elif found is not None:
        for one in found:
            yield from _each(one)


_VISITORS: dict[str, Callable[[_Node, _Found], _Found]] = {
    "current": _same,
    "identity": _same,
    "pipe": _one_by_one,
    "subexpression": _one_by_one,
    "index_expression": _one_by_one,
    "field": _field,
    "index": _index,
    "slice": _slice,
    "flatten": _flatten,
    "projection": _projection,
    "value_projection": _values,
    "filter_projection": _filter,
}
