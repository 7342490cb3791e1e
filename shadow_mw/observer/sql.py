"""SQLAlchemy under watch: statements that write are stopped, and transactions are rolled back."""

from __future__ import annotations

import re
from typing import Any

from shadow_mw.observer.patching import Undo, all_of, replaced
from shadow_mw.observer.watch import Watch, current, vouched

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


def _before_cursor_execute(connection: Any, _: Any, statement: str, *__: Any) -> None:
    watch = current()
    if watch is None or not writes(statement) or _is_allowed(watch, connection):
        return
    watch.judge("sql", " ".join(statement.split())[:_MAX_CHARS])


def _before_commit(connection: Any) -> None:
    # What no statement told, as a function that writes or a cursor of the driver's own, is undone here:
    # the commit that follows finds an empty transaction.
    watch = current()
    if watch is not None and watch.rules.mode == "block" and not _is_allowed(watch, connection):
        connection.connection.rollback()


def _is_allowed(watch: Watch, connection: Any) -> bool:
    url = connection.engine.url
    if url.get_backend_name() == "sqlite":
        return _is_in_memory(url.database) or watch.rules.allowed.has_path(str(url.database))
    return watch.rules.allowed.has_host(url.host or "", url.port)


def _is_in_memory(database: str | None) -> bool:
    return not database or database == ":memory:" or "mode=memory" in database


def _connecting(original: Any) -> Any:
    def connect(dialect: Any, *arguments: Any, **named: Any) -> Any:
        if current() is None:
            return original(dialect, *arguments, **named)
        with vouched():  # what goes over it is judged by statement
            return original(dialect, *arguments, **named)

    return connect
