"""Executors under watch: what a marked request submits to a pool of threads stays under its watch."""

from __future__ import annotations

from typing import Any

from shadow_mw.guard.patching import Undo, replaced
from shadow_mw.guard.watch import Watch, of_request, watching


def thread_pools(module: Any) -> Undo:
    """`ThreadPoolExecutor.submit`, which `run_in_executor` and boto3's transfers go through."""

    def make(original: Any) -> Any:
        def submit(pool: Any, function: Any, /, *arguments: Any, **named: Any) -> Any:
            watch = of_request()
            if watch is None:
                return original(pool, function, *arguments, **named)
            with watching(None):  # a thread that starts now may inherit it, and lives on
                return original(pool, _carried, watch, function, *arguments, **named)

        return submit

    return replaced(module.ThreadPoolExecutor, "submit", make)


def _carried(watch: Watch, function: Any, /, *arguments: Any, **named: Any) -> Any:
    with watching(watch):
        return function(*arguments, **named)
