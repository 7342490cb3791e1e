"""Paths of differences, as far as they lead through what is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

_PART = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]""")


def shown_paths(paths: Iterable[str], values: Sequence[Any]) -> tuple[str, ...]:
    """The paths, each up to the last part that is in one of the redacted `values`; none twice."""
    return tuple(dict.fromkeys(_shown_path(path, values) for path in paths))


def _shown_path(path: str, values: Sequence[Any]) -> str:
    end, left = 1, list(values)
    while match := _PART.match(path, end):
        left = [value[key] for value in left for key in _keys(match, value)]
        if not left:
            break
        end = match.end()
    return path[:end] if path.startswith("$") else "$"


def _keys(match: re.Match[str], value: Any) -> list[Any]:
    """The one key of a part, where the value has it."""
    if match[2] is not None:
        number = int(match[2])
        return [number] if isinstance(value, list) and number < len(value) else []
    key = match[1] if match[1] is not None else json.loads(match[3])
    return [key] if isinstance(value, dict) and key in value else []
