"""Which comparisons a listing is of: by verdict or failure, shadow, route and time."""

from __future__ import annotations

import argparse
from typing import Any

#: What `--only` can say, as SQL over `comparisons`.
ONLY = {
    "disagree": "verdict = 'disagree'",
    "agree": "verdict = 'agree'",
    "incomparable": "verdict = 'incomparable'",
    "failed": "(outcome <> 'answered' OR production_outcome <> 'answered')",
}


def add_only_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--only` to a command."""
    parser.add_argument("--only", choices=tuple(ONLY), help="of this kind only; failed is either side")


def conditions(arguments: argparse.Namespace) -> tuple[str, list[Any]]:
    """The SQL condition of `--shadow --route --since --until --only`, as far as a command has them."""
    tests: list[tuple[str, Any]] = [
        ("shadow = ?", arguments.shadow),
        ("route = ?", arguments.route),
        ("ts_us >= ?", getattr(arguments, "since", None)),
        ("ts_us < ?", getattr(arguments, "until", None)),
    ]
    given = [(sql, value) for sql, value in tests if value is not None]
    words = [sql for sql, _ in given]
    if arguments.only is not None:
        words.append(ONLY[arguments.only])
    return " AND ".join(words) or "1 = 1", [value for _, value in given]
