"""`shadow-mw gate`: promote, hold or not enough data."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from shadow_mw.cli.moments import duration, moment_us
from shadow_mw.cli.where import add_store_argument, store_name
from shadow_mw.exceptions import SettingsError

if TYPE_CHECKING:
    from shadow_mw.analysis.decision import Decision
    from shadow_mw.protocols import Reader
    from shadow_mw.scope import Scope

SUMMARY = "decide from a store whether a shadow may be promoted"
DESCRIPTION = (
    "Hold a shadow against criteria, all of which must hold: prints promote, hold or not enough data, with a "
    "sentence a criterion. Limits that are not given come from SHADOW_GATE_* variables. Exits with 0 for "
    "promote, 1 for hold, 3 for not enough data, 2 for wrong usage and 4 for an unreadable or empty store."
)

EXIT_CODES = {"promote": 0, "hold": 1, "not enough data": 3}
EXIT_USAGE = 2

_LIMITS = {
    "min_agreement": (float, "the least agreement, 0.0 to 1.0"),
    "max_latency_ratio": (float, "the most that the shadow's p95 latency may be of production's"),
    "max_error_increase": (float, "the most by which the shadow's error rate may exceed production's"),
    "min_coverage": (float, "the least share of eligible requests that the shadow answered"),
    "confidence": (float, "how sure each criterion must be, 0.5 to 1.0"),
    "min_samples": (int, "the least number of verdicts"),
    "max_segment_disagreement": (float, "the most disagreement in any one segment of the features"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_store_argument(parser)
    parser.add_argument("--shadow", metavar="NAME", help="which shadow; needed where the store has several")
    parser.add_argument("--route", metavar="ROUTE", help="one route only, as in 'POST /predict'")
    parser.add_argument(
        "--since", metavar="WHEN", type=moment_us, help="from a moment on, as in 2026-11-22 or 7d"
    )
    parser.add_argument("--until", metavar="WHEN", type=moment_us, help="up to a moment")
    parser.add_argument(
        "--last",
        metavar="TIME",
        type=duration,
        help="hold the last stretch, as in 24h, to the same criteria too",
    )
    for name, (kind, meaning) in _LIMITS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", type=kind, help=meaning)
    forms = parser.add_mutually_exclusive_group()
    for form in ("json", "junit", "markdown"):
        forms.add_argument(
            f"--{form}", dest="form", action="store_const", const=form, help=f"print the decision as {form}"
        )


def run(arguments: argparse.Namespace) -> int:
    """Print the decision; the exit code."""
    from shadow_mw.cli.decisions import FORMS

    try:
        decision = _decide(arguments)
    except SettingsError as error:
        print(f"shadow-mw: {error}", file=sys.stderr)
        return EXIT_USAGE
    sys.stdout.write(FORMS[arguments.form or "text"](decision))
    return EXIT_CODES[decision.verdict]


def _decide(arguments: argparse.Namespace) -> Decision:
    from shadow_mw.analysis.criteria import load_criteria
    from shadow_mw.analysis.decision import decide_over
    from shadow_mw.assembly.stores import open_reader

    given = {name: getattr(arguments, name) for name in _LIMITS}
    criteria = load_criteria({name: value for name, value in given.items() if value is not None})
    with closing(open_reader(store_name(arguments.store))) as reader:
        return decide_over(reader, _scope(reader, arguments), criteria, last_seconds=arguments.last)


def _scope(reader: Reader, arguments: argparse.Namespace) -> Scope:
    from shadow_mw.analysis.choice import chosen_shadow
    from shadow_mw.scope import Scope

    return Scope(
        shadow=chosen_shadow(reader, arguments.shadow, arguments.route),
        route=arguments.route,
        since_us=arguments.since,
        until_us=arguments.until,
    )
