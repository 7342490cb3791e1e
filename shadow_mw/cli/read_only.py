"""A person's own SQL, run so that it can only read the store."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shadow_mw.cli.where import store_name
from shadow_mw.exceptions import MissingExtraError, PayloadError, StoreError
from shadow_mw.store_urls import is_url

if TYPE_CHECKING:
    from shadow_mw.protocols import Reader


def ask(store: str | None, query: str, limit: int) -> list[dict[str, Any]]:
    """At most so many rows of one SELECT over a store.

    Of a folder DuckDB may open nothing but the files of the store, and its settings are locked, as "Securing
    DuckDB" in its manual has it. That would still let COPY write among those files, so the statement has to
    be a SELECT. A server is asked with the query inside of a SELECT of ours, prepared where there is a
    parameter: so there can be no second statement and no other kind, and what is left is up to the rights
    of the user in the URL.

    Raises:
        PayloadError: it is no single SELECT, or it is wrong.
        StoreError: the store could not be read.
        MissingExtraError: the library that reads that kind of store is not installed.

    """
    from shadow_mw.assembly.stores import open_reader

    name = store_name(store)
    place = name if is_url(name) else str(Path(name).absolute())
    with closing(open_reader(place)) as reader:
        if not is_url(place):
            check_select(query)
            lock_down(reader, place)
        # A comment at the end of the query must not take ours with it.
        sql = f"SELECT * FROM (\n{query.strip().rstrip(';')}\n) AS asked LIMIT ?"  # noqa: S608 - the person's own question
        try:
            return reader.rows(sql, [limit])
        except StoreError as error:
            raise PayloadError(str(error)) from error


def lock_down(reader: Reader, folder: str) -> None:
    """Keep DuckDB from all files outside of a folder, and from any change of that, until it is closed."""
    quoted = folder.replace("'", "''")
    reader.rows(f"SET allowed_directories = ['{quoted}']")
    reader.rows("SET enable_external_access = false")
    reader.rows("SET lock_configuration = true")


def check_select(query: str) -> None:
    """Refuse what is not one SELECT.

    Raises:
        PayloadError: it is not.
        MissingExtraError: DuckDB is not installed.

    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("Reading the store", "report") from None
    try:
        query.encode()
        statements = duckdb.extract_statements(query)
    except UnicodeEncodeError:
        raise PayloadError("the question is not text in UTF-8") from None
    except duckdb.Error as error:
        raise PayloadError(f"the question is no SQL: {_first_line(error)}") from None
    kinds = [statement.type for statement in statements]
    if kinds != [duckdb.StatementType.SELECT]:
        words = ", ".join(kind.name for kind in kinds) or "nothing"
        raise PayloadError(
            f"only one SELECT can be asked, and this is {words}: a store is read and never written"
        )


def _first_line(error: Exception) -> str:
    from shadow_mw.stores.engine import first_line

    return first_line(error)
