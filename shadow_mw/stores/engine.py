"""DuckDB, set up to stay small, to stay offline, and to leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shadow_mw.exceptions import MissingExtraError

if TYPE_CHECKING:
    import duckdb


def connect(feature: str, spill: Path, *, threads: int) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills into a folder.

    Raises:
        MissingExtraError: DuckDB is not installed; the message names `feature`.

    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError(feature, "report") from None
    return duckdb.connect(
        config={
            "memory_limit": "512MB",
            "threads": threads,
            "temp_directory": str(spill),
            # A query that names an unknown function would otherwise wait for the network.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )


def first_line(error: Exception) -> str:
    """What DuckDB says, without the query that it quotes."""
    return str(error).partition("\n")[0]
