"""docs/commands.md against the parsers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shadow_mw.cli import make_parser

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))

from commands_page import commands_page  # noqa: E402 (the page generator lies in docs/, which is no package)


def test_the_page_is_up_to_date():
    assert (DOCS / "commands.md").read_text() == commands_page(), "run: python docs/generate.py"


def test_every_command_of_the_help_has_its_options_in_the_page(capsys):
    """By what `--help` prints, not by what the generator reads."""
    page = (DOCS / "commands.md").read_text()
    with pytest.raises(SystemExit):
        make_parser().parse_args(["--help"])
    text = capsys.readouterr().out.split("commands:", 1)[1]
    names = [line.split()[0] for line in text.splitlines() if line.startswith("    ") and line[4] != " "]
    assert {"demo", "report", "gate", "tail", "export", "sql", "labels"} <= set(names) - {"COMMAND"}
    for name in set(names) - {"COMMAND"}:
        section = page.split(f"## `shadow-mw {name}`", 1)[1].split("\n## ", 1)[0]
        with pytest.raises(SystemExit):
            make_parser().parse_args([name, "--help"])
        for word in capsys.readouterr().out.split():
            option = word.strip("[],")
            if option.startswith("--") and option != "--help":
                assert option in section, f"{name} {option}"
