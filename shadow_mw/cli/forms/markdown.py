"""The report as Markdown: a comment on a pull request, a build server's summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadow_mw import figures
from shadow_mw.cli import sentences
from shadow_mw.cli.sections import sections

if TYPE_CHECKING:
    from shadow_mw.cli.reports import Report, ShadowReport
    from shadow_mw.cli.sections.section import Row, Section
    from shadow_mw.questions import Listed

_MARKUP = "\\|<>`*_[]&~#$!"
_GAP = "\u00a0"


def markdown(report: Report, place: str) -> str:
    """The whole report; what came from records is escaped, so that none of it is taken for markup."""
    if not report.shadows:
        return f"The store at {escaped(place)} is empty: no predict call has been mirrored into it yet.\n"
    return "\n".join("\n".join(_shadow(one)) + "\n" for one in report.shadows)


def escaped(text: str) -> str:
    """Text on one line that is not taken for markup, also inside a cell."""
    found = figures.printable(text.replace(_GAP, " "))
    return "".join(f"\\{character}" if character in _MARKUP else character for character in found)


def _shadow(report: ShadowReport) -> list[str]:
    decision, analysis = report.decision, report.analysis
    lines = [f"## {decision.verdict.capitalize()}: {escaped(report.shadow)}", ""]
    lines += [escaped(sentences.overview(analysis)), ""]
    lines += [f"> {escaped(sentence)}\n" for sentence in sentences.notes(analysis)]
    for section in sections(report):
        lines += _section(section)
    if report.disagreements:
        lines += ["### The most divergent disagreements", "", *_exchanges(report.disagreements), ""]
    return [*lines, escaped(sentences.stretch(analysis))]


def _section(section: Section) -> list[str]:
    marks = "|".join("---" if place < section.texts else "---:" for place in range(len(section.head)))
    lines = [f"### {escaped(section.title)}", "", _line(section.head), f"|{marks}|"]
    lines += [_row(row) for row in section.rows]
    lines.append("")
    return lines + [f"{escaped(note)}\n" for note in section.notes]


def _row(row: Row) -> str:
    if row.tone != "strong":
        return _line(row.cells)
    return "| " + " | ".join(f"**{escaped(cell)}**" for cell in row.cells) + " |"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(map(escaped, cells)) + " |"


def _exchanges(listed: tuple[Listed, ...]) -> list[str]:
    lines = ["| request | when | delta | production | shadow |", "|---|---|---:|---|---|"]
    for one in listed:
        delta = "" if one.delta is None else f"{one.delta:.4g}"
        moment = figures.moment(one.ts_us)
        lines.append(_line((one.request_id, moment, delta, one.production_prediction, one.shadow_prediction)))
    return lines
