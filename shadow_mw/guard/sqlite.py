"""sqlite3 under watch in scope `process`: its files are written in C, unseen by audit events."""

from __future__ import annotations

import os
from typing import Any

from shadow_mw.guard.patching import Undo, all_of, replaced
from shadow_mw.guard.watch import Watch, current, vouched


def sqlite3(module: Any) -> Undo:
    """`sqlite3.connect`, by both of its names; what goes round it is stopped by the audit hook."""

    def make(original: Any) -> Any:
        def connect(*arguments: Any, **named: Any) -> Any:
            watch = current()
            if watch is None or watch.rules.scope != "process":
                return original(*arguments, **named)
            with vouched():
                connection = original(*arguments, **named)
                _watch_connection(module, watch, connection)
            return connection

        return connect

    return all_of(replaced(module, "connect", make), replaced(module.dbapi2, "connect", make))


def _watch_connection(module: Any, opened_under: Watch, connection: Any) -> None:
    """Have every statement of a new connection judged when it is compiled.

    sqlite3 makes its own `DatabaseError: not authorized` of a refusal.
    """
    path, writes = _path_of(module, connection), _writes(module)
    if not path or opened_under.rules.allowed.has_path(os.path.realpath(path)):
        return

    def authorize(action: int, first: str | None, _: str | None, database: str | None, __: str | None) -> int:
        watch = current()
        is_own = database == "temp" or (first or "").startswith("sqlite_")
        if watch is None or action not in writes or is_own:
            return int(module.SQLITE_OK)
        watch.note("sql", f"{path}: {first}")
        return int(module.SQLITE_DENY if watch.rules.mode == "block" else module.SQLITE_OK)

    connection.set_authorizer(authorize)


def _writes(module: Any) -> set[int]:
    """Actions of https://www.sqlite.org/c3ref/c_alter_table.html; those on temporary tables are none."""
    kinds = ("SQLITE_ALTER_", "SQLITE_CREATE_", "SQLITE_DROP_")
    made = {code for name, code in vars(module).items() if name.startswith(kinds) and "_TEMP_" not in name}
    return made | {module.SQLITE_DELETE, module.SQLITE_INSERT, module.SQLITE_REINDEX, module.SQLITE_UPDATE}


def _path_of(module: Any, connection: Any) -> str:
    """The file of the main database; empty in memory."""
    rows = module.Connection.execute(connection, "PRAGMA database_list").fetchall()
    return next((str(path) for _, name, path in rows if name == "main" and path), "")
