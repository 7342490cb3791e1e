"""The report as tables, readable at 80 columns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from shadow_mw import figures
from shadow_mw.cli import sentences
from shadow_mw.exceptions import MissingExtraError

try:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise MissingExtraError("printing tables", "report") from error

if TYPE_CHECKING:
    from shadow_mw.report import Account, Report, ShadowReport

_ROUTE_COLUMNS = 3
_WHOLE = "$"
_UNACCOUNTED = "unaccounted (in flight, or lost with a process)"


def show_report(report: Report, folder: Path | str) -> None:
    """Print the report on stdout; without colour where that is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not report.shadows:
        console.print(f"The store at {folder} is empty: no predict call has been mirrored into it yet.")
        return
    for shadow in report.shadows:
        _show_shadow(console, shadow)
    if report.first_ts_us is not None and report.last_ts_us is not None:
        span = f"{figures.moment(report.first_ts_us)} to {figures.moment(report.last_ts_us)}"
        console.print(f"Records from {span}.")


def _show_shadow(console: Console, report: ShadowReport) -> None:
    console.print(Text(sentences.verdict_sentence(report.shadow, report.total), style="bold"))
    pairs = figures.counted(report.total.production.count, "pair")
    _show(console, f"Both sides; latency over {pairs} that both answered", _sides(report))
    if len(report.routes) > 1:
        _show(console, "Routes", _routes(report.routes))
    _show(console, "Closed books: where every eligible call ended, each in one bucket", _books(report))
    for sentence in sentences.warnings(report.total, report.comparators):
        console.print(Text(f"Note: {sentence}", style="yellow"))
    if report.differences or report.label_changes:
        _show(console, "Where the two differ most often", _differences(report))
    if report.disagreements:
        _show_disagreements(console, report)
    console.print()


def _show(console: Console, title: str, table: Table) -> None:
    console.print(Text(f"\n{title}", style="italic"))
    console.print(table)


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(first, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def _sides(report: ShadowReport) -> Table:
    total = report.total
    table = _table("side", "errors", "p50", "p95")
    for name, rate, latency in (
        ("production", total.production_error_rate, total.production),
        (f"shadow {report.shadow}", total.shadow_error_rate, total.shadow),
    ):
        p50, p95 = figures.milliseconds(latency.p50_seconds), figures.milliseconds(latency.p95_seconds)
        table.add_row(name, figures.share(rate), p50, p95)
    return table


def _routes(accounts: tuple[Account, ...]) -> Table:
    table = _table("route", "calls", "coverage", "agreement (95 % interval)")
    for account in accounts:
        agreement = figures.interval(account.agreement)
        table.add_row(
            Text(figures.printable(account.route)),
            f"{account.eligible:,}",
            figures.share(account.coverage),
            agreement,
        )
    return table


def _books(report: ShadowReport) -> Table:
    """Buckets as rows, the total and at most three routes as columns, a sum at the foot."""
    accounts = [report.total]
    if 1 < len(report.routes) <= _ROUTE_COLUMNS:
        accounts += report.routes
    headings = [figures.printable(account.route) or "calls" for account in accounts]
    table = _table("bucket", *headings)
    for bucket in report.total.buckets:
        table.add_row(bucket, *(f"{account.buckets[bucket]:,}" for account in accounts))
    if any(account.unaccounted for account in accounts):
        table.add_row(_UNACCOUNTED, *(f"{account.unaccounted:,}" for account in accounts))
    table.add_section()
    table.add_row("= eligible", *(f"{account.eligible:,}" for account in accounts), style="bold")
    for skip in report.total.skipped:
        if report.total.skipped[skip]:
            table.add_row(f"beside them: {skip}", *(f"{account.skipped[skip]:,}" for account in accounts))
    return table


def _differences(report: ShadowReport) -> Table:
    table = _table("difference", "times")
    for change in report.label_changes:
        pair = f"production {change.production}, shadow {change.shadow}"
        table.add_row(Text(figures.printable(pair)), f"{change.count:,}")
    for difference in report.differences:
        if difference.path != _WHOLE or not report.label_changes:
            path = "the whole prediction" if difference.path == _WHOLE else difference.path
            table.add_row(Text(figures.printable(path)), f"{difference.count:,}")
    return table


def _show_disagreements(console: Console, report: ShadowReport) -> None:
    total = figures.counted(report.total.disagree, "disagreement")
    console.print(Text(f"\nThe most divergent of {total}", style="italic"))
    for disagreement in report.disagreements:
        delta = "" if disagreement.delta is None else f", delta {disagreement.delta:.4g}"
        request = f"{disagreement.request_id}, {figures.moment(disagreement.ts_us)}{delta}"
        console.print(Text(figures.printable(request)))
        for side, prediction in (
            ("production", disagreement.production_prediction),
            ("shadow", disagreement.shadow_prediction),
        ):
            line = Text(figures.printable(f"{side}: {prediction}"), no_wrap=True, overflow="ellipsis")
            console.print(Padding(line, (0, 0, 0, 2)))
