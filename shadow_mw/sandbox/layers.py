"""Layers: what the sandbox of a model's process consists of, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

Policy: TypeAlias = Literal["strict", "best-effort", "off"]
"""`SHADOW_SANDBOX`."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer, and whether it holds. Immutable."""

    name: str
    holds: bool
    why: str = ""
    """Why it does not hold."""
    is_needed: bool
    """A promise falls without it, so that `strict` refuses to start."""

    def __str__(self) -> str:
        """The name, and why it does not hold."""
        return self.name if self.holds else f"{self.name} ({self.why})"


def missing(layers: Sequence[Layer]) -> list[Layer]:
    """What `strict` does not start without, and what does not hold."""
    return [layer for layer in layers if layer.is_needed and not layer.holds]


def sentence(layers: Sequence[Layer]) -> str:
    """One line on which layers hold, and which do not and why."""
    holding = ", ".join(str(layer) for layer in layers if layer.holds) or "nothing"
    failing = "; ".join(str(layer) for layer in layers if not layer.holds) or "nothing"
    return f"holds: {holding}. Does not hold: {failing}"
