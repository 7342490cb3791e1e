"""The columns of a record in DuckDB, derived from its struct so that they cannot drift.

The SQL is put together from field names and from paths that `literal` quotes; a view takes no parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

_SCALARS: dict[type, str] = {
    inspect.StrType: "VARCHAR",
    inspect.LiteralType: "VARCHAR",
    inspect.BoolType: "BOOLEAN",
    inspect.IntType: "BIGINT",
    inspect.FloatType: "DOUBLE",
}


def columns(kind: type) -> dict[str, str]:
    """Each field of a record struct with its column type, in order."""
    return {field.name: _column_type(field.type) for field in _fields(kind)}


def quoted(name: str) -> str:
    """A column's name as SQL in any engine; `limit` would be a keyword without."""
    return f'"{name}"'


def tag(kind: type) -> str:
    """The word in the field `kind` of a line that tells the records apart."""
    return str(kind.__struct_config__.tag)  # type: ignore[attr-defined] # every msgspec struct has it


def records(kind: type, segments: Sequence[Path], parts: Sequence[Path] = ()) -> str:
    """The SQL of all records of one kind in these files.

    A column that a file lacks takes the field's default, as an older version wrote it; a column that the
    struct lacks is left out. A torn line is left out.
    """
    sources = [_nothing(kind)]
    if parts:
        source = f"read_parquet({_list(parts)}, union_by_name=true, hive_partitioning=false)"
        sources.append(f"SELECT * FROM {source}")  # noqa: S608 - quoted
    if segments:
        sources.append(_lines(kind, segments))
    names = ", ".join(map(_with_default, _fields(kind)))
    return f"SELECT {names} FROM ({' UNION ALL BY NAME '.join(sources)})"  # noqa: S608 - quoted


def literal(text: object) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def _lines(kind: type, segments: Sequence[Path]) -> str:
    types = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in columns(kind).items())
    options = "format='newline_delimited', compression='none', ignore_errors=true, hive_partitioning=false"
    source = f"read_json({_list(segments)}, columns={{'kind': 'VARCHAR', {types}}}, {options})"
    # A torn line comes as a row of NULLs.
    return f"SELECT * EXCLUDE (kind) FROM {source} WHERE kind = {literal(tag(kind))}"  # noqa: S608 - quoted


def _nothing(kind: type) -> str:
    """No rows with all columns, which gives the union its types even where no file has a column."""
    nulls = ", ".join(f"NULL::{type_} AS {quoted(name)}" for name, type_ in columns(kind).items())
    return f"SELECT {nulls} WHERE false"


def _with_default(field: inspect.Field) -> str:
    if field.default in (None, msgspec.NODEFAULT) or not isinstance(field.default, (str, int, float)):
        return quoted(field.name)
    name = quoted(field.name)
    return f"coalesce({name}, {literal(field.default)}::{_column_type(field.type)}) AS {name}"


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(map(literal, paths))}]"


def _fields(kind: type) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.fields


def _column_type(info: Any) -> str:
    if isinstance(info, inspect.UnionType):
        return _column_type(next(kind for kind in info.types if not isinstance(kind, inspect.NoneType)))
    if isinstance(info, inspect.VarTupleType):
        return f"{_column_type(info.item_type)}[]"
    if isinstance(info, inspect.DictType):
        return f"MAP({_column_type(info.key_type)}, {_column_type(info.value_type)})"
    return _SCALARS[type(info)]
