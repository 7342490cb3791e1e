"""`python -m shadow_mw.demo.serve`: uvicorn, for as long as the process that started it lives."""

from __future__ import annotations

import os
import signal
import sys
import threading

import uvicorn


def stop_with_parent() -> None:
    """End this process once its stdin, a pipe from the demo, is closed: even a killed demo leaves nobody."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=stop_with_parent, name="stop-with-parent", daemon=True).start()
    uvicorn.main()
