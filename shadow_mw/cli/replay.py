"""`shadow-mw replay`: recorded exchanges against a new shadow."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from shadow_mw.cli.moments import moment_us
from shadow_mw.cli.where import store_name

if TYPE_CHECKING:
    from shadow_mw.replay import Replay
    from shadow_mw.settings import Settings

SUMMARY = "ask a new shadow what production was asked before"
DESCRIPTION = (
    "Take recorded exchanges from a store or a Kafka topic, ask a shadow what production was asked then, and "
    "record the comparisons under the shadow's name, so that report, gate and dashboard show them beside the "
    "live ones. Nothing is taken off the topic. Settings come from the environment of the app. A replay that "
    "was stopped goes on where it was when it is started again in the same way."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="kafka://BROKER:9092/TOPIC, or a store (default: SHADOW_STORE)",
    )
    parser.add_argument(
        "--to", required=True, metavar="NAME=URL", help="the new shadow, as in SHADOW_TARGETS"
    )
    parser.add_argument(
        "--since", metavar="WHEN", type=moment_us, help="from a moment on, as in 2026-11-22 or 7d"
    )
    parser.add_argument("--until", metavar="WHEN", type=moment_us, help="up to a moment")
    parser.add_argument(
        "--where",
        default="",
        metavar="CONDITION",
        help="of a store: SQL over its columns, as in \"verdict = 'disagree'\"; of a topic: a JMESPath "
        'that must find something in the features, as in "age > `40`"',
    )
    parser.add_argument("--shadow", metavar="NAME", help="of a store: the shadow whose records are taken")
    parser.add_argument("--route", metavar="ROUTE", help="of a store: one route only, as in 'POST /predict'")
    parser.add_argument("--limit", metavar="N", type=_count, help="so many exchanges at most")
    parser.add_argument("--rate", metavar="N", type=_rate, help="so many exchanges a second at most")
    parser.add_argument(
        "--store",
        metavar="STORE",
        help="where the comparisons go (default: SHADOW_STORE, or the store of --from)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Replay; the exit code: 0 when all was asked, 1 when it was stopped before."""
    from shadow_mw.cli.replaying import shown
    from shadow_mw.queue_urls import is_kafka
    from shadow_mw.replay import replay

    selection = _selection(arguments)
    done = replay(selection, _settings(arguments, selection.source), shown if sys.stderr.isatty() else None)
    _tell(done)
    if not done.is_whole:
        return 1
    return 1 if not is_kafka(selection.source) and _is_barren(done) else 0


def _selection(arguments: argparse.Namespace) -> Any:
    from shadow_mw.cli.read_only import check_select
    from shadow_mw.exceptions import SettingsError
    from shadow_mw.queue_urls import is_kafka
    from shadow_mw.replay import Selection
    from shadow_mw.store_urls import is_url
    from shadow_mw.values import valid_path

    source = arguments.source or store_name(None)
    if arguments.where and not is_kafka(source) and not is_url(source):
        check_select(f"SELECT 1 FROM comparisons WHERE (\n{arguments.where}\n)")  # noqa: S608 - the person's own
    if is_kafka(source):
        if arguments.shadow or arguments.route:
            raise SettingsError(
                "--shadow and --route choose among a store's records: leave them out for a topic"
            )
        try:
            valid_path(arguments.where)
        except ValueError as error:
            raise SettingsError(f"--where: {error}") from None
    return Selection(
        source=source,
        shadow=arguments.shadow,
        route=arguments.route,
        since_us=arguments.since,
        until_us=arguments.until,
        where=arguments.where,
        limit=arguments.limit,
        rate=arguments.rate,
    )


def _settings(arguments: argparse.Namespace, source: str) -> Settings:
    """The settings of the app, but for what a replay is about."""
    import os

    from shadow_mw.queue_urls import is_kafka
    from shadow_mw.settings import load_settings

    overrides: dict[str, Any] = {
        "targets": arguments.to,
        "mode": "async",
        "queue": "inline:",
        "enabled": True,
    }
    overrides |= {"control": None, "control_routes": ()}
    if not os.environ.get("SHADOW_ROUTES"):
        overrides["routes"] = "POST /"  # what is replayed has been found to be a predict call already
    if arguments.store:
        overrides["store"] = arguments.store
    elif not os.environ.get("SHADOW_STORE") and not is_kafka(source):
        overrides["store"] = source
    return load_settings(**overrides)


def _tell(done: Replay) -> None:
    (shadow,) = done.statistics.shadows
    answered = shadow.count("compared") + shadow.count("incomparable")
    print(
        f"{shadow.count('eligible'):,} exchanges asked of {shadow.shadow}: {answered:,} answered, "
        f"{shadow.count('agree'):,} agree, {shadow.count('disagree'):,} disagree."
    )
    for reason, count in sorted(done.left_out.items()):
        print(f"{count:,} left out: {reason}.")
    if not done.is_whole:
        print("It was stopped; start it again in the same way and it goes on.", file=sys.stderr)
    print(f"Look at it with: shadow-mw report --shadow {shadow.shadow}")


def _is_barren(done: Replay) -> bool:
    """Say so where a store had records and none of them could be replayed."""
    (shadow,) = done.statistics.shadows
    if shadow.count("eligible") or not done.left_out:
        return False
    print(
        "shadow-mw: nothing could be replayed: these records do not hold what was asked. Replay from Kafka, "
        "or from records that were kept in full.",
        file=sys.stderr,
    )
    return True


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of exchanges: give 1 or more")
    return number


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate: give exchanges a second, as in 50 or 0.5")
    return rate
