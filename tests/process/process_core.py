"""What the apps behind the servers of these tests answer."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from typing import Any

from shadow_mw import statistics
from shadow_mw.testing import drain


def answer_to(path: str, body: bytes) -> bytes:
    return body if path == "/predict" else json.dumps(LOOK[path]()).encode()


def show_statistics() -> dict[str, Any]:
    is_drained = drain(60)
    counts: Counter[str] = Counter()
    for mirror in statistics():
        for shadow in mirror.shadows:
            for route in shadow.routes.values():
                counts.update(route)
    return {"is_drained": is_drained, "counts": counts, "threads": threading.active_count()}


LOOK = {"/statistics": show_statistics, "/pid": os.getpid}
