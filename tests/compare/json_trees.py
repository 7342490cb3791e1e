"""JSON values for properties, and single changes in them."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from shadow_mw.compare.paths import Part, Path, path_text

keys = st.text(st.characters(), max_size=5) | st.sampled_from(
    ["id", "a b", "a.b", "*", "**", "$", "a[0]", '"']
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
trees: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def leaves(tree: Any, parts: tuple[Part, ...] = ()) -> list[tuple[Part, ...]]:
    """The way to every scalar and every empty container."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [leaf for part, child in children for leaf in leaves(child, (*parts, part))] or [parts]


def text_of(parts: tuple[Part, ...]) -> str:
    path: Path = None
    for part in parts:
        path = (path, part)
    return path_text(path)


def with_value(tree: Any, parts: tuple[Part, ...], value: Any) -> Any:
    root = [copy.deepcopy(tree)]
    target: Any = root
    way: tuple[Part, ...] = (0, *parts)
    for part in way[:-1]:
        target = target[part]
    target[way[-1]] = value if target[way[-1]] != value else "still another"
    return root[0]


@st.composite
def changed_trees(draw: st.DrawFn) -> tuple[Any, Any, str]:
    """A tree, the same with one leaf changed, and the text of the path to that leaf."""
    tree = draw(trees)
    parts = draw(st.sampled_from(leaves(tree)))
    text = text_of(parts)
    assume(parts and not text.endswith("…"))
    return tree, with_value(tree, parts, "another"), text
