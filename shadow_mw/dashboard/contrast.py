"""Contrast: two predictions side by side, leaf by leaf."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from itertools import islice
from typing import Any, Literal, TypeAlias

import msgspec

from shadow_mw.compare.ignored import IgnoredPaths
from shadow_mw.compare.paths import MISSING, is_same, leaf_pairs, path_text

Kind: TypeAlias = Literal["same", "different", "tolerated", "production only", "shadow only"]

#: What a page can show and a person can read.
MAX_LEAVES = 2_000
MAX_CHARS = 2_000


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at one path on both sides. Immutable."""

    path: str
    production: str | None
    """JSON text, cut; None where only the other side has a value."""
    shadow: str | None
    kind: Kind
    """`tolerated` where the texts differ and the comparator did not mind."""


class Contrast(msgspec.Struct, frozen=True, kw_only=True):
    """Two predictions as leaves. Immutable."""

    leaves: tuple[Leaf, ...]
    left_out: bool
    """True when there are more leaves than are shown."""

    @property
    def differing(self) -> tuple[Leaf, ...]:
        """The leaves that are not the same."""
        return tuple(leaf for leaf in self.leaves if leaf.kind != "same")

    @property
    def same(self) -> tuple[Leaf, ...]:
        """The leaves that are the same."""
        return tuple(leaf for leaf in self.leaves if leaf.kind == "same")


def contrast(production: str, shadow: str, diff_paths: Iterable[str]) -> Contrast | None:
    """Both predictions leaf by leaf, or None where one is no JSON (cut, nested too deep, another type)."""
    try:
        left, right = json.loads(production), json.loads(shadow)
    except (ValueError, RecursionError):
        return None
    minded = tuple(diff_paths)
    pairs = leaf_pairs(left, right, IgnoredPaths())
    found = [_leaf(path_text(path), a, b, minded) for path, a, b in islice(pairs, MAX_LEAVES + 1)]
    # The differing leaves come first: they are what the page was opened for.
    return Contrast(leaves=tuple(found[:MAX_LEAVES]), left_out=len(found) > MAX_LEAVES)


def pretty(text: str) -> str:
    """JSON text with indentation, and cut; any other text as it is, and cut."""
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return cut(text, 10 * MAX_CHARS)


def cut(text: str, chars: int = MAX_CHARS) -> str:
    """The text, or its beginning and how much is missing."""
    return text if len(text) <= chars else f"{text[:chars]} … ({len(text) - chars:,} more characters)"


def _leaf(path: str, production: Any, shadow: Any, minded: tuple[str, ...]) -> Leaf:
    return Leaf(
        path=path,
        production=_text(production),
        shadow=_text(shadow),
        kind=_kind(path, production, shadow, minded),
    )


def _kind(path: str, production: Any, shadow: Any, minded: tuple[str, ...]) -> Kind:
    if shadow is MISSING:
        return "production only"
    if production is MISSING:
        return "shadow only"
    if is_same(production, shadow):
        return "same"
    return "different" if not minded or path in minded else "tolerated"


def _text(value: Any) -> str | None:
    if value is MISSING:
        return None
    try:
        return cut(json.dumps(value, ensure_ascii=False))
    except (ValueError, RecursionError):
        return "… (nested too deep to show)"
