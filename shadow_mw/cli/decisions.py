"""A decision in the forms that people and build servers read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import msgspec

from shadow_mw.figures import printable

if TYPE_CHECKING:
    from shadow_mw.analysis.criteria import Criterion
    from shadow_mw.analysis.decision import Decision

_MARKS = {"pass": "holds", "fail": "fails", "unknown": "open"}


def text(decision: Decision) -> str:
    """The verdict, then a line a criterion."""
    width = max(len(criterion.name) for criterion in decision.criteria)
    lines = [decision.verdict.capitalize() + ": " + printable(decision.shadow)]
    lines += [
        f"  {_MARKS[criterion.status]:<5}  {criterion.name:<{width}}  {criterion.sentence}"
        for criterion in decision.criteria
    ]
    return "\n".join(lines) + "\n"


def markdown(decision: Decision) -> str:
    """A heading and a table, as a comment on a pull request."""
    lines = [
        f"### {decision.verdict.capitalize()}: {_cell(decision.shadow)}",
        "",
        "| criterion | | |",
        "|---|---|---|",
    ]
    lines += [
        f"| {criterion.name} | {_MARKS[criterion.status]} | {_cell(criterion.sentence)} |"
        for criterion in decision.criteria
    ]
    return "\n".join(lines) + "\n"


def as_json(decision: Decision) -> str:
    """The whole decision."""
    return msgspec.json.format(msgspec.json.encode(decision), indent=2).decode() + "\n"


def junit(decision: Decision) -> str:
    """A test suite with a case a criterion: what fails is a failure, what is open an error."""
    cases = decision.criteria
    suite = Element(
        "testsuite",
        name=f"shadow-mw gate {printable(decision.shadow)}",
        tests=str(len(cases)),
        failures=str(sum(case.status == "fail" for case in cases)),
        errors=str(sum(case.status == "unknown" for case in cases)),
    )
    for case in cases:
        _add_case(suite, case)
    indent(suite)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(suite, encoding="unicode") + "\n"


def _add_case(suite: Element, criterion: Criterion) -> None:
    case = SubElement(suite, "testcase", classname="shadow-mw.gate", name=criterion.name)
    if criterion.status == "fail":
        SubElement(case, "failure", message=criterion.sentence)
    elif criterion.status == "unknown":
        SubElement(case, "error", message=f"not enough data: {criterion.sentence}")
    else:
        SubElement(case, "system-out").text = criterion.sentence


def _cell(text_: str) -> str:
    """Text that stays in its cell and is not taken for markup."""
    escaped = printable(text_).replace("\\", "\\\\")
    for character in "|<>`*_[]":
        escaped = escaped.replace(character, "\\" + character)
    return escaped


FORMS: Mapping[str, Callable[[Decision], str]] = {
    "text": text,
    "json": as_json,
    "junit": junit,
    "markdown": markdown,
}
