"""Connections to PostgreSQL that give up in time, and their errors as sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shadow_mw.exceptions import MissingExtraError, StoreError
from shadow_mw.store_urls import hidden, shown

if TYPE_CHECKING:
    import psycopg

#: What libpq would otherwise do without end.
_LIMITS: dict[str, Any] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 30,
    "application_name": "shadow-mw",
}


def need_driver() -> None:
    """Make sure that the driver is there.

    Raises:
        MissingExtraError: psycopg is not installed.

    """
    try:
        import psycopg  # noqa: F401 - looking whether it is there is all
    except ImportError:
        raise MissingExtraError("A PostgreSQL store", "postgres") from None


def connect(url: str, **session: str) -> psycopg.Connection[Any]:
    """A connection in autocommit mode; `session` are run-time parameters of the server.

    What the URL says of time limits wins over ours.
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(url)
    limits = {name: value for name, value in _LIMITS.items() if name not in given}
    connection = psycopg.connect(url, autocommit=True, **limits)
    try:
        for name, value in session.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def sentences(url: str, what: str) -> Iterator[None]:
    """Turn the driver's errors into StoreErrors that say what could not be done, without the password."""
    import psycopg

    try:
        yield
    except (psycopg.Error, OSError) as error:
        said = hidden(str(error) or type(error).__name__, url)
        raise StoreError(f"the store at {shown(url)} {what}: {said}") from None


def try_out(url: str) -> None:
    """Connect, and look at nothing.

    Raises:
        StoreError: it cannot be reached, or does not let us in.
        MissingExtraError: the driver is not installed.

    """
    need_driver()
    with sentences(url, "cannot be opened"):
        connect(url).close()
