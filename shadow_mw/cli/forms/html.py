"""The report as one HTML file: nothing outside of it is loaded, and every value is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shadow_mw import __version__, figures
from shadow_mw.analysis.criteria import load_criteria
from shadow_mw.cli import sentences
from shadow_mw.cli.forms.charts import Charts, charts
from shadow_mw.cli.sections import sections
from shadow_mw.dashboard import words
from shadow_mw.exceptions import MissingExtraError

if TYPE_CHECKING:
    from shadow_mw.cli.reports import Report, ShadowReport
    from shadow_mw.protocols import Reader

TONES = {"promote": "pass", "hold": "fail", "not enough data": "unknown"}


def html(reader: Reader, report: Report, place: str) -> str:
    """The whole report as a page.

    Raises:
        StoreError: the store could not be read.
        MissingExtraError: Jinja2 is not installed.

    """
    template = _template()
    views = [_view(reader, shadow) for shadow in report.shadows]
    text: str = template.render(views=views, place=place, version=__version__)
    # A lone surrogate cannot be written; `visible` shows those that come from a record as escapes.
    return text.encode("utf-8", "replace").decode()


def _template() -> Any:
    try:
        import jinja2
    except ImportError:
        raise MissingExtraError("The report as HTML", "dashboard") from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    return environment.get_template("report.html")


def _finalized(value: object) -> object:
    """Whatever is printed: nothing in it may hide, or turn the direction of what follows."""
    if hasattr(value, "__html__"):
        return value
    return words.visible(value) if isinstance(value, str) else value


def _view(reader: Reader, report: ShadowReport) -> dict[str, Any]:
    analysis = report.analysis
    return {
        "shadow": report.shadow,
        "decision": report.decision,
        "tone": TONES[report.decision.verdict],
        "overview": sentences.overview(analysis),
        "notes": sentences.notes(analysis),
        "stretch": sentences.stretch(analysis),
        "sections": sections(report),
        "charts": _charts(reader, report),
        "exchanges": [(one, figures.moment(one.ts_us)) for one in report.disagreements],
        "gate": words.limit(load_criteria({}).min_agreement),
        "confidence": words.limit(analysis.confidence),
    }


def _charts(reader: Reader, report: ShadowReport) -> Charts:
    analysis = report.analysis
    span = None
    if analysis.first_us is not None and analysis.last_us is not None:
        span = (analysis.first_us, analysis.last_us)
    gate = load_criteria({}).min_agreement
    return charts(reader, analysis.period.scope, span, gate, analysis.confidence)
