"""Connections to ClickHouse that give up in time, and their errors as sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from shadow_mw.exceptions import MissingExtraError, StoreError
from shadow_mw.store_urls import hidden, shown

DEFAULT_DATABASE = "shadow_mw"


def need_driver() -> None:
    """Make sure that the driver is there.

    Raises:
        MissingExtraError: clickhouse-connect is not installed.

    """
    try:
        import clickhouse_connect  # noqa: F401 - looking whether it is there is all
    except ImportError:
        raise MissingExtraError("A ClickHouse store", "clickhouse") from None


def database_of(url: str) -> str:
    """The database that a URL names, else `shadow_mw`."""
    return unquote(urlsplit(url).path.strip("/")) or DEFAULT_DATABASE


def connect(url: str, **settings: Any) -> Any:
    """A client over HTTP, or over HTTPS for `clickhouses://`; `settings` are the server's.

    It starts in the database `default`, since ours may not be there yet.
    """
    import clickhouse_connect

    if url.startswith("chdb://"):  # the same engine within this process
        return clickhouse_connect.get_client(dsn=url, settings=settings)
    limits: dict[str, Any] = {} if "timeout" in url else {"connect_timeout": 5, "send_receive_timeout": 30}
    return clickhouse_connect.get_client(
        dsn=url,
        database="default",
        secure=url.lower().startswith("clickhouses:"),
        autogenerate_session_id=False,
        settings=settings,
        **limits,
    )


@contextlib.contextmanager
def sentences(url: str, what: str) -> Iterator[None]:
    """Turn the driver's errors into StoreErrors that say what could not be done, without the password."""
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ClickHouseError, HTTPError, OSError) as error:
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
