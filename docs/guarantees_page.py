"""Writes `docs/guarantees.md`: the rows of `faults.py`, each with the tests that are marked with its key."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from faults import FAULTS, NOT_TESTED, Fault

ROOT = Path(__file__).parents[1]
_MARKER = "pytest.mark.fault"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def guarantees_page() -> str:
    """One table for each whose fault it is."""
    found = proofs()
    parts = [_HEAD]
    for group, faults in FAULTS.items():
        parts.append(f"\n## {group}\n\n| fault | what you will see | how it is tested |\n|---|---|---|\n")
        parts.extend(_row(fault, found.get(fault.key, [])) for fault in faults)
    return "".join(parts)


@cache
def proofs() -> dict[str, list[tuple[Path, str]]]:
    """By the key of a fault, the tests that prove it: file and function."""
    found: dict[str, list[tuple[Path, str]]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if _MARKER in text else ():
            if isinstance(node, _FUNCTIONS):
                for key in _keys(node):
                    found.setdefault(key, []).append((path.relative_to(ROOT), node.name))
    return found


def _keys(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == _MARKER:
            yield from map(ast.literal_eval, decorator.args)


def _row(fault: Fault, tests: list[tuple[Path, str]]) -> str:
    links = [f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})" for path, name in tests]
    proof = " · ".join(links) or f"**not tested yet**: {NOT_TESTED.get(fault.key, '')}"
    return f"| {fault.what} | {fault.sees} | {proof} |\n"


_HEAD = """# Guarantees

What may go wrong beside production, and what you will see of it. In every row **production's caller gets the same
answer as without the mirror**, and waits for nothing; so the second column tells only the rest: the place in the
[closed books](records.md#the-closed-books), the line in the log, the way back. [Security](security.md) is about those
who mean harm.

This page is read off the tests: each link is a test that fails where the row no longer holds. They run against real
servers, processes and sockets, with both clients for HTTP shadows where the client matters.
"""
