"""`shadow-mw report`: what a store says about its shadows."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shadow_mw.cli.scoping import add_scope_arguments
from shadow_mw.cli.where import add_store_argument, store_name
from shadow_mw.store_urls import shown

if TYPE_CHECKING:
    from shadow_mw.cli.reports import Report
    from shadow_mw.protocols import Reader

SUMMARY = "all that a store says of its shadows: the gate's decision, agreement, latency, errors, books"
DESCRIPTION = (
    "Print the gate's decision on every shadow of a store and all that it rests on: agreement with its "
    "intervals, coverage, latencies, errors, segments, the paths that differ and the closed books. The "
    "limits come from SHADOW_GATE_* variables. Exits with 4 when there is no readable store."
)

_FORMS = {
    "json": "as JSON, every figure with its n and interval",
    "markdown": "as Markdown, for a pull request or a build's summary",
    "html": "as one HTML file without anything outside of it",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_store_argument(parser)
    add_scope_arguments(parser)
    forms = parser.add_mutually_exclusive_group()
    for form, meaning in _FORMS.items():
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, help=meaning)
    parser.add_argument("--output", metavar="FILE", type=Path, help="write into a file instead of stdout")


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the exit code."""
    from shadow_mw.assembly.stores import open_reader

    store = store_name(arguments.store)
    with contextlib.closing(open_reader(store)) as reader:
        text = _FORMATS[arguments.form or "text"](reader, arguments, shown(store))
    if text is None:
        return 0
    if arguments.output is None:
        sys.stdout.write(text)
    else:
        arguments.output.write_text(text, encoding="utf-8")
    return 0


def print_report(folder: Path) -> None:
    """Print the whole report of the store in a folder, as the demo does at its end.

    Raises:
        StoreError: the store could not be read.
        MissingExtraError: DuckDB or rich is not installed.

    """
    from shadow_mw.assembly.stores import open_reader
    from shadow_mw.cli.forms.terminal import show_report
    from shadow_mw.cli.reports import all_scopes, read_report

    with contextlib.closing(open_reader(folder)) as reader:
        show_report(read_report(reader, all_scopes(reader)), str(folder))


def _read(reader: Reader, arguments: argparse.Namespace) -> Report:
    from shadow_mw.cli.reports import read_report, scopes

    return read_report(reader, scopes(reader, arguments))


def _as_text(reader: Reader, arguments: argparse.Namespace, place: str) -> str | None:
    from shadow_mw.cli.forms.terminal import show_report

    report = _read(reader, arguments)
    if arguments.output is None:
        show_report(report, place)
    else:
        with arguments.output.open("w", encoding="utf-8") as file:
            show_report(report, place, file)
    return None


def _as_json(reader: Reader, arguments: argparse.Namespace, _place: str) -> str:
    import msgspec

    encoded = msgspec.json.encode(_read(reader, arguments))
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _as_markdown(reader: Reader, arguments: argparse.Namespace, place: str) -> str:
    from shadow_mw.cli.forms.markdown import markdown

    return markdown(_read(reader, arguments), place)


def _as_html(reader: Reader, arguments: argparse.Namespace, place: str) -> str:
    from shadow_mw.cli.forms.html import html

    return html(reader, _read(reader, arguments), place)


_FORMATS = {"text": _as_text, "json": _as_json, "markdown": _as_markdown, "html": _as_html}
