"""SQLAlchemy under watch: statements that write are stopped, and transactions are rolled back."""

from __future__ import annotations

import os
import re
from typing import Any

from shadow_mw.guard.patching import Undo, all_of, replaced
from shadow_mw.guard.watch import Watch, current, vouched

_QUOTED = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"[^"]*"|`[^`]*`""", re.DOTALL)
_READING = re.compile(
    r"[\s(]*(SELECT|SHOW|EXPLAIN|DESC|DESCRIBE|PRAGMA|VALUES|TABLE|WITH|SET|USE|BEGIN|START|SAVEPOINT|RELEASE"
    r"|ROLLBACK|FETCH|DECLARE|CLOSE|DISCARD|RESET)\b",
    re.IGNORECASE,
)
#: What makes a write of a statement that begins like a read: SELECT … INTO, WITH … INSERT, EXPLAIN ANALYZE …
_WRITING = re.compile(r"\b(INTO|INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
_LOCKING = re.compile(r"\bFOR\s+(NO\s+KEY\s+)?UPDATE\b", re.IGNORECASE)
_MAX_CHARS = 80


def sqlalchemy(module: Any) -> Undo:
    """Every engine of the process, whenever it was made, with its sessions, Core and async faces."""
    engine = module.engine.Engine
    listeners = {"before_cursor_execute": _before_cursor_execute, "commit": _before_commit}
    for name, listener in listeners.items():
        module.event.listen(engine, name, listener)

    def silence() -> None:
        for name, listener in listeners.items():
            module.event.remove(engine, name, listener)

    return all_of(silence, replaced(module.engine.default.DefaultDialect, "connect", _connecting))


def writes(statement: str) -> bool:
    """True for a statement that does not plainly read."""
    bare = _QUOTED.sub(" ", statement).strip().rstrip(";")
    if not _READING.match(bare) or ";" in bare:
        return bool(bare)
    return bool(_WRITING.search(_LOCKING.sub(" ", bare)))


def judge(watch: Watch, statement: str) -> None:
    """Judge a statement that writes.

    Raises:
        ShadowWriteBlocked: in mode `block`.

    """
    watch.judge("sql", " ".join(statement.split())[:_MAX_CHARS])


def may_write(watch: Watch, host: str, port: int | None, file: str | None) -> bool:
    """True for a database that is allowed: its host, or its file; one in memory is the process's own."""
    if file is None:
        return watch.rules.allowed.has_host(host, port)
    in_memory = not file or file == ":memory:" or "mode=memory" in file
    return in_memory or watch.rules.allowed.has_path(os.path.realpath(file))


def _before_cursor_execute(connection: Any, _: Any, statement: str, *__: Any) -> None:
    watch = current()
    if watch is not None and writes(statement) and not _is_allowed(watch, connection):
        judge(watch, statement)


def _before_commit(connection: Any) -> None:
    # What no statement told, as a function that writes or a cursor of the driver's own, is undone here:
    # the commit that follows finds an empty transaction.
    watch = current()
    if watch is not None and watch.rules.mode == "block" and not _is_allowed(watch, connection):
        connection.connection.rollback()


def _is_allowed(watch: Watch, connection: Any) -> bool:
    url = connection.engine.url
    file = (url.database or "") if url.get_backend_name() == "sqlite" else None
    return may_write(watch, url.host or "", url.port, file)


def _connecting(original: Any) -> Any:
    def connect(dialect: Any, *arguments: Any, **named: Any) -> Any:
        if current() is None:
            return original(dialect, *arguments, **named)
        with vouched():  # what goes over it is judged by statement
            return original(dialect, *arguments, **named)

    return connect
