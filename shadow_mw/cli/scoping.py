"""Which comparisons a command is about."""

from __future__ import annotations

import argparse

from shadow_mw.cli.moments import moment_us


def add_scope_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--shadow`, `--route`, `--since` and `--until` to a command."""
    parser.add_argument("--shadow", metavar="NAME", help="one shadow only")
    parser.add_argument("--route", metavar="ROUTE", help="one route only, as in 'POST /predict'")
    parser.add_argument(
        "--since", metavar="WHEN", type=moment_us, help="from a moment on, as in 2026-11-22 or 7d"
    )
    parser.add_argument("--until", metavar="WHEN", type=moment_us, help="up to a moment")
