"""Replay: recorded exchanges against a new shadow, as a set of comparisons of its own."""

from __future__ import annotations

from shadow_mw.replay.run import QUEUE, Replay, replay
from shadow_mw.replay.selection import Selection

__all__ = ["QUEUE", "Replay", "Selection", "replay"]
