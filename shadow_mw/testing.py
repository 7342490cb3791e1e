"""Tools for the tests of an app that has a mirror in front of it."""

from __future__ import annotations

import time

from shadow_mw.assembly.installation import installations


def drain(seconds: float = 10.0) -> bool:
    """Wait until everything that this process mirrored is judged, stored and exported.

    Returns:
        False when something was still under way after `seconds`.

    """
    deadline = time.monotonic() + seconds
    results = [installation.drain(max(deadline - time.monotonic(), 0.0)) for installation in installations()]
    return all(results)
