"""Plain values: JSON for what models take and return, which is rarely JSON by itself."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from typing import Any

import msgspec


def to_json(value: Any, *, max_bytes: int) -> bytes:
    """The JSON of a value: also of arrays and frames, Pydantic models, dataclasses, dates, decimals, enums.

    An array of more elements than have room in `max_bytes` is not even begun.

    Raises:
        OverflowError: such an array is in it.
        TypeError, ValueError, RecursionError: something in it has no JSON, or it holds itself.

    """
    return json.dumps(value, default=partial(plain, max_bytes=max_bytes)).encode()


def plain(value: Any, *, max_bytes: int | None = None) -> Any:
    """What `json` can write in place of what it can't: arrays and frames of NumPy, Pandas and their kin, ….

    Raises:
        OverflowError: an array has more elements than have room in `max_bytes`, at two bytes each.
        TypeError: there is no JSON for it.

    """
    size = getattr(value, "size", 0)
    if max_bytes is not None and isinstance(size, int) and 2 * size > max_bytes:
        raise OverflowError(f"{type(value).__name__} has {size} elements")
    for method, arguments in (("tolist", ()), ("model_dump", ()), ("to_dict", ("records",))):
        convert = getattr(value, method, None)
        if callable(convert) and not isinstance(value, type):
            return convert(*arguments)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    try:
        return msgspec.to_builtins(value)
    except TypeError:
        raise TypeError(f"it holds {type(value).__name__}, which has no JSON") from None
