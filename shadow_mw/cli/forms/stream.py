"""Comparisons as they come: a line each, marked with colour in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from shadow_mw.exceptions import MissingExtraError
from shadow_mw.figures import milliseconds, printable

try:
    from rich.console import Console
    from rich.text import Text
except ImportError as error:
    raise MissingExtraError("printing comparisons", "report") from error

_STYLES = {"disagree": "bold red", "agree": "green", "incomparable": "yellow"}
_PATHS = 3


class Stream:
    """The lines of `shadow-mw tail`."""

    def __init__(self) -> None:
        """Write to stdout."""
        self._console = Console(highlight=False, markup=False, emoji=False)

    def __repr__(self) -> str:
        """A name."""
        return "Stream()"

    def write(self, row: Mapping[str, Any]) -> None:
        """Print one comparison."""
        word = _word(row)
        text = Text(printable(f"{_moment(row['ts_us'])}  {row['shadow']}  "))
        text.append(f"{word:<12}", style=_STYLES.get(word, "bold magenta"))
        text.append(f"  {_latency(row)}  " + printable(f"{row['route']}  {row['request_id']}{_what(row)}"))
        self._console.print(text, soft_wrap=True)


def _word(row: Mapping[str, Any]) -> str:
    return str(row["verdict"]) if row["verdict"] != "none" else "failed"


def _moment(ts_us: int) -> str:
    return f"{datetime.fromtimestamp(ts_us / 1e6, timezone.utc):%H:%M:%S.%f}"[:-3]


def _latency(row: Mapping[str, Any]) -> str:
    production, shadow = (milliseconds(row[f"{side}_us"] / 1e6) for side in ("production", "shadow"))
    return f"{production:>8} {shadow:>8}"


def _what(row: Mapping[str, Any]) -> str:
    """What differs, or what went wrong."""
    if row["verdict"] == "none":
        reasons = [
            f"{side} {row[f'{prefix}error_type'] or row[f'{prefix}outcome']}"
            for side, prefix in (("production", "production_"), ("shadow", ""))
            if row[f"{prefix}outcome"] != "answered"
        ]
        return "  " + ", ".join(reasons)
    if row["verdict"] == "incomparable":
        return f"  {row['reason']}"
    return "" if row["verdict"] == "agree" else f"  {_difference(row)}"


def _difference(row: Mapping[str, Any]) -> str:
    labels = row["production_label"], row["shadow_label"]
    if None not in labels and labels[0] != labels[1]:
        return f"production {labels[0]}, shadow {labels[1]}"
    paths = list(row["diff_paths"])
    more = f" and {len(paths) - _PATHS} more" if len(paths) > _PATHS else ""
    return ", ".join(paths[:_PATHS]) + more
