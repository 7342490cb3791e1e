"""Reads `docs/commands.md` off the parsers of the command line; `docs/generate.py` writes it."""

from __future__ import annotations

import argparse

from shadow_mw.cli import make_parser

#: Beside 0 for done: what the exit codes of a command say, where it has codes of its own.
_EXITS = {
    "demo": "1: production failed to answer a call",
    "gate": "0: promote · 1: hold · 3: not enough data",
    "check": "1: something does not answer",
    "doctor": "1: something must be mended",
    "sql": "1: the question is wrong",
    "purge": "1: not confirmed · 3: somebody still writes to a file that holds such records",
}


def commands_page() -> str:
    """A table of all commands, then each with its options."""
    commands = _commands()
    rows = [
        f"| [`{name}`](#shadow-mw-{name}) | {_cell(summary)} | {_EXITS.get(name, '')} |"
        for name, (summary, _) in commands.items()
    ]
    parts = [_HEAD + "\n".join(rows) + "\n" + _CODES]
    parts += [_section(name, parser) for name, (_, parser) in commands.items()]
    return "".join(parts)


def _commands() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """Each command's summary and parser."""
    (found,) = (action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    summaries = {choice.dest: choice.help or "" for choice in found._choices_actions}
    return {name: (summaries[name], parser) for name, parser in found.choices.items()}


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    lines = [f"\n## `shadow-mw {name}`\n", f"{parser.description}\n"]
    if parser.epilog:
        lines.append(f"{parser.epilog}\n")
    rows = [_row(action) for action in parser._actions if action.dest != "help"]
    if rows:
        lines += ["| option | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(action: argparse.Action) -> str:
    value = ""
    if action.nargs != 0:
        value = action.metavar or ("|".join(action.choices) if action.choices else action.dest.upper())
    names = ", ".join(f"{option} {value}".strip() for option in action.option_strings) or value
    return f"| `{_cell(names)}` | {_cell((action.help or '').replace('%%', '%'))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_HEAD = """# Commands

`shadow-mw COMMAND --help` says the same. Settings come from `SHADOW_*` variables ([settings](settings.md));
`shadow-mw check` prints them all. Where a command works on a store, it is `--store`, else `SHADOW_STORE`, else
`.shadow`: a folder, or the URL of a server ([stores](stores.md)).

| command | what it does | exit codes of its own |
|---|---|---|
"""

_CODES = """
Exit codes are the same for all commands, but for those above:

| code | meaning |
|---|---|
| 0 | done |
| 1 | it failed, or a setting is wrong: a sentence on stderr says what to mend |
| 2 | wrong usage |
| 4 | the store cannot be read, or it is not there; for `gate` also an empty one |
| 130 | ended by Ctrl-C; commands that are meant to be ended so (`tail`, `dashboard`, `worker`, `demo`) end with 0 |

A reader of stdout that goes away, as `head` does, ends a command with 1 and without a word.
"""
