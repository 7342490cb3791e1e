"""sqlite3 under watch in scope `process`: its files are written in C, unseen by audit events."""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from shadow_mw.observer.rules import Rules
from shadow_mw.observer.watch import Watch, current

#: Actions of https://www.sqlite.org/c3ref/c_alter_table.html; those on temporary tables are none of these.
_WRITES = {
    code
    for name, code in vars(sqlite3).items()
    if name.startswith(("SQLITE_ALTER_", "SQLITE_CREATE_", "SQLITE_DROP_")) and "_TEMP_" not in name
} | {sqlite3.SQLITE_DELETE, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_REINDEX, sqlite3.SQLITE_UPDATE}


def watch_connection(rules: Rules, connection: Any) -> None:
    """Have every statement of a new connection judged when it is compiled.

    sqlite3 makes its own `DatabaseError: not authorized` of a refusal.
    """
    path = _path_of(connection)
    if not path or rules.allowed.has_path(os.path.realpath(path)):
        return

    def authorize(action: int, first: str | None, _: str | None, database: str | None, __: str | None) -> int:
        watch = current()
        if (
            watch is None
            or action not in _WRITES
            or database == "temp"
            or (first or "").startswith("sqlite_")
        ):
            return sqlite3.SQLITE_OK
        return _judge(watch, f"{path}: {first}")

    connection.set_authorizer(authorize)


def _judge(watch: Watch, what: str) -> int:
    watch.note("sql", what)
    return sqlite3.SQLITE_DENY if watch.rules.mode == "block" else sqlite3.SQLITE_OK


def _path_of(connection: Any) -> str:
    """The file of the main database; empty in memory."""
    rows = sqlite3.Connection.execute(connection, "PRAGMA database_list").fetchall()
    return next((str(path) for _, name, path in rows if name == "main" and path), "")
