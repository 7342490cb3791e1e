"""`python -m shadow_mw.demo.serve`: uvicorn, for as long as the process that started it lives."""

from __future__ import annotations

import os
import signal
import threading

import uvicorn

_STDIN = 0


def stop_with_parent() -> None:
    """End this process once its stdin, a pipe from the demo, is closed: even a killed demo leaves nobody."""
    # Not sys.stdin.read(): its lock, held by this thread, would abort the interpreter at exit.
    while os.read(_STDIN, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=stop_with_parent, name="stop-with-parent", daemon=True).start()
    uvicorn.main()
