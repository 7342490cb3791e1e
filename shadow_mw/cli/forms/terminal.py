"""The report as tables, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

from shadow_mw import figures
from shadow_mw.cli import sentences
from shadow_mw.cli.sections import sections
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
    from shadow_mw.cli.reports import Report, ShadowReport
    from shadow_mw.cli.sections.section import Section
    from shadow_mw.questions import Listed

_STYLES = {"": "", "pass": "green", "fail": "red", "unknown": "yellow", "strong": "bold"}
_VERDICTS = {"promote": "bold green", "hold": "bold red", "not enough data": "bold yellow"}
#: It keeps a number and its unit on one line; whoever searches in a terminal types a space.
_WIDEST = 10_000
_GAP = "\u00a0"


def show_report(report: Report, place: str, file: TextIO | None = None) -> None:
    """Print the report; without colour where that is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False, file=file)
    if not report.shadows:
        console.print(f"The store at {place} is empty: no predict call has been mirrored into it yet.")
        return
    for shadow in report.shadows:
        _show_shadow(console, shadow)


def _show_shadow(console: Console, report: ShadowReport) -> None:
    decision, analysis = report.decision, report.analysis
    console.print(_text(decision.sentence, _VERDICTS[decision.verdict]))
    console.print()
    console.print(_text(sentences.overview(analysis)))
    for sentence in sentences.notes(analysis):
        console.print(_text(f"Note: {sentence}", "yellow"))
    for section in sections(report):
        _show_section(console, section)
    if report.disagreements:
        _show_exchanges(console, report)
    if span := sentences.stretch(analysis):
        console.print(f"\n{span}")
    console.print()


def _show_section(console: Console, section: Section) -> None:
    console.print()
    console.print(_text(section.title, "italic"))
    console.print(_table(section))
    for note in section.notes:
        console.print(_text(note))


def _table(section: Section) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=any(section.head))
    for place, heading in enumerate(section.head):
        is_text = place < section.texts
        table.add_column(_text(heading), justify="left" if is_text else "right", overflow="fold")
    for row in section.rows:
        table.add_row(*map(_text, row.cells), style=_STYLES[row.tone])
    return table


def _show_exchanges(console: Console, report: ShadowReport) -> None:
    total = figures.counted(report.analysis.agreement.disagree, "disagreement")
    console.print()
    console.print(_text(f"The most divergent of {total}", "italic"))
    for one in report.disagreements:
        console.print(_text(headline(one)))
        for side in ("production", "shadow"):
            prediction = f"{side}: {getattr(one, f'{side}_prediction')}"
            line = Text(figures.printable(prediction), no_wrap=True, overflow="ellipsis")
            console.print(Padding(line, (0, 0, 0, 2)))


def show_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print the rows of a query as a table; what is piped is as wide as it needs to be."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not rows:
        console.print("No rows.")
        return
    if not console.is_terminal:
        console.width = _WIDEST
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, value in rows[0].items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        table.add_column(_text(name), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text("" if value is None else str(value)) for value in row.values()))
    console.print(table)


def headline(one: Listed) -> str:
    """Which exchange it was, and how far apart the predictions are."""
    delta = "" if one.delta is None else f", delta {one.delta:.4g}"
    return f"{one.request_id}, {figures.moment(one.ts_us)}{delta}"


def _text(text: str, style: str = "") -> Text:
    return Text(figures.printable(text.replace(_GAP, " ")), style=style)
