"""Django's databases under watch: each statement of its cursors, whatever the engine."""

from __future__ import annotations

from typing import Any

from shadow_mw.guard.patching import Undo, all_of, replaced
from shadow_mw.guard.sql import judge, may_write, writes
from shadow_mw.guard.watch import Watch, current, vouched


def django(module: Any) -> Undo:
    """`execute`, `executemany` and `callproc` of the cursors that all of Django's databases give out."""
    names = ("execute", "executemany", "callproc")
    return all_of(*(replaced(module.CursorWrapper, name, _judging(name)) for name in names))


def _judging(name: str) -> Any:
    def make(original: Any) -> Any:
        def execute(cursor: Any, statement: Any, *arguments: Any, **named: Any) -> Any:
            watch = current()
            if watch is None:
                return original(cursor, statement, *arguments, **named)
            is_write = name == "callproc" or writes(str(statement))
            if is_write and not _is_allowed(watch, cursor.db):
                judge(watch, str(statement))
            with vouched():
                return original(cursor, statement, *arguments, **named)

        return execute

    return make


def _is_allowed(watch: Watch, database: Any) -> bool:
    given = database.settings_dict
    port = str(given.get("PORT") or "")
    file = str(given["NAME"]) if database.vendor == "sqlite" else None
    return may_write(watch, str(given.get("HOST") or ""), int(port) if port.isdigit() else None, file)
