"""The tutorial does what it says when one types only what it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_fixtures import runtime
from process_tools import Runtime, comparisons, until
from terminals import Shells, free_ports

__all__ = ["runtime"]

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
UP = "Uvicorn running"


@pytest.fixture
def terminals(tmp_path: Path, runtime: Runtime) -> Iterator[Shells]:
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "settings.sh").touch()
    with Shells(folder, runtime) as terminals:
        yield terminals


@pytest.mark.timeout(600)
def test_the_tutorial_can_be_typed_line_by_line(terminals: Shells) -> None:
    page = PAGE
    for written, free in zip((8000, 9000), free_ports(2), strict=True):
        page = page.replace(str(written), str(free))
    files = dict(re.findall(r'```python title="(\w+\.py)"\n(.*?)```', page, re.DOTALL))
    for name, text in files.items():
        terminals.folder.joinpath(name).write_text(text)
    assert sorted(files) == ["next_prices.py", "prices.py", "traffic.py"]
    (_install, shadow, production, traffic, report, sql, shadow_2, production_2, again, gate, promote) = (
        re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    )

    terminals.start("shadow", shadow, UP)
    terminals.start("production", production, UP)
    assert "ok   target next" in terminals.said("production")
    assert terminals.run(traffic) == "1,000 answers\n"
    compared(terminals, 1000)
    told = " ".join(terminals.run(report).split())
    assert told.startswith("Hold next. Agreement is 75.00 %")
    assert "Where city is Nice, disagreement is 100.00 %" in told
    assert "coverage 100 %" in told
    assert "The most divergent of 250 disagreements" in told
    pair = terminals.run(sql)
    assert '{"price":75000}' in pair
    assert '{"price":60000}' in pair

    mend(terminals, page)
    for name in ("production", "shadow"):
        terminals.ctrl_c(name)
    keep_exports(terminals, production)
    terminals.start("shadow again", shadow_2, UP)
    terminals.start("production again", production_2, UP)
    assert terminals.run(again) == "1,000 answers\n"
    compared(terminals, 2000)
    assert terminals.run(gate).startswith("Hold: next-2")
    assert terminals.run(promote).startswith("Promote: next-2")
    for name in ("production again", "shadow again"):
        terminals.ctrl_c(name)
        assert "Traceback" not in terminals.said(name)


def compared(terminals: Shells, count: int) -> None:
    store = terminals.folder / ".shadow"
    until(lambda: len(comparisons(store)) == count, lambda: f"comparisons: {len(comparisons(store))}")


def mend(terminals: Shells, page: str) -> None:
    (line,) = re.findall(r'```python title="the mended line"\n(.*)\n```', page)
    model = terminals.folder / "next_prices.py"
    mended, count = re.subn(r"^LEARNT = .*$", line, model.read_text(), flags=re.MULTILINE)
    assert count == 1
    model.write_text(mended)


def keep_exports(terminals: Shells, block: str) -> None:
    """What was exported in the terminal of production is still there when its next block is typed."""
    exports = re.findall(r"^export .*$", block, re.MULTILINE)
    (terminals.folder / "settings.sh").write_text("\n".join(exports) + "\n")
