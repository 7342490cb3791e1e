"""Parent death: the process of a model ends with its worker, by the kernel's hand."""

from __future__ import annotations

import os
import signal

from shadow_mw.sandbox.system import prctl

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that started it ends; end at once if it has.

    Raises:
        OSError: the kernel does not do that.

    """
    try:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    finally:
        if os.getppid() != parent:
            os._exit(1)  # it ended before the line above
