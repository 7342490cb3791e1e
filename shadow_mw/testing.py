"""Tools for the tests of an app that has a mirror in front of it."""

from __future__ import annotations

from shadow_mw.assembly.installation import drain

__all__ = ["drain"]
