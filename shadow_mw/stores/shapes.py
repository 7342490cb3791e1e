"""The shape of each field of a record, derived from its struct, so that no engine's columns can drift."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import inspect

Shape: TypeAlias = Literal["text", "word", "flag", "count", "number", "texts", "words", "counts"]
"""`word` is one of a few texts, `texts` a list, `words` a map of texts to texts, `counts` one to numbers."""

_SCALARS: dict[type, Shape] = {
    inspect.StrType: "text",
    inspect.LiteralType: "word",
    inspect.BoolType: "flag",
    inspect.IntType: "count",
    inspect.FloatType: "number",
}


class Field(msgspec.Struct, frozen=True):
    """One field of a record. Immutable."""

    name: str
    shape: Shape
    is_optional: bool
    """True where None is a value."""
    default: Any
    """What an older version that lacks the field meant; None where the field was always there."""

    @property
    def column(self) -> str:
        """Its column's name as SQL in any engine; `limit` would be a keyword without the quotes."""
        return f'"{self.name}"'


@cache
def fields(kind: type) -> tuple[Field, ...]:
    """The fields of a record struct, in order."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return tuple(_field(field) for field in info.fields)


def _field(field: inspect.Field) -> Field:
    info, is_optional = field.type, False
    if isinstance(info, inspect.UnionType):
        is_optional = True
        info = next(part for part in info.types if not isinstance(part, inspect.NoneType))
    default = field.default if isinstance(field.default, (str, int, float)) else None
    return Field(field.name, _shape(info), is_optional, default)


def _shape(info: inspect.Type) -> Shape:
    if isinstance(info, inspect.VarTupleType):
        return "texts"
    if isinstance(info, inspect.DictType):
        return "counts" if isinstance(info.value_type, inspect.IntType) else "words"
    return _SCALARS[type(info)]
