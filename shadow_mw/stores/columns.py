"""The columns of a record in DuckDB, and the SQL of the files that hold it.

The SQL is put together from field names and from paths that `literal` quotes; a view takes no parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shadow_mw.stores.shapes import Field, Shape, fields

_TYPES: dict[Shape, str] = {
    "text": "VARCHAR",
    "word": "VARCHAR",
    "flag": "BOOLEAN",
    "count": "BIGINT",
    "number": "DOUBLE",
    "texts": "VARCHAR[]",
    "words": "MAP(VARCHAR, VARCHAR)",
    "counts": "MAP(VARCHAR, BIGINT)",
}
_KIND = {"kind": "VARCHAR"}


def tag(kind: type) -> str:
    """The word in the field `kind` of a line that tells the records apart."""
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined] # every msgspec struct has it


def lines(segments: Sequence[Path], *kinds: type) -> str:
    """The SQL of the lines in these files as a table, with the columns of these kinds and the column `kind`.

    A torn line comes as a row of NULLs.
    """
    types = {field.name: _TYPES[field.shape] for kind in kinds for field in fields(kind)}
    columns = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in {**_KIND, **types}.items())
    options = (
        "format='newline_delimited', compression='uncompressed', ignore_errors=true, hive_partitioning=false"
    )
    return f"read_json({_list(segments)}, columns={{{columns}}}, {options})"


def records(kind: type, parts: Sequence[Path] = (), hot: str = "") -> str:
    """The SQL of all records of one kind in these Parquet files and in `hot`, a table of `lines`.

    A column that a file lacks takes the field's default, as an older version wrote it; a column that the
    struct lacks is left out.
    """
    sources = [_nothing(kind)]
    if parts:
        source = f"read_parquet({_list(parts)}, union_by_name=true, hive_partitioning=false)"
        sources.append(f"SELECT * FROM {source}")  # noqa: S608 - quoted
    if hot:
        names = ", ".join(field.column for field in fields(kind))
        sources.append(f"SELECT {names} FROM {hot} WHERE kind = {literal(tag(kind))}")  # noqa: S608 - quoted
    names = ", ".join(map(_with_default, fields(kind)))
    return f"SELECT {names} FROM ({' UNION ALL BY NAME '.join(sources)})"  # noqa: S608 - quoted


def literal(text: object) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def _nothing(kind: type) -> str:
    """No rows with all columns, which gives the union its types even where no file has a column."""
    nulls = ", ".join(f"NULL::{_TYPES[field.shape]} AS {field.column}" for field in fields(kind))
    return f"SELECT {nulls} WHERE false"


def _with_default(field: Field) -> str:
    if field.default is None:
        return field.column
    return f"coalesce({field.column}, {literal(field.default)}::{_TYPES[field.shape]}) AS {field.column}"


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(map(literal, paths))}]"
