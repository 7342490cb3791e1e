"""Style, types and floors: what a reviewer would otherwise have to look at."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "shadow_mw").rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def passes(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing():
    passes(sys.executable, "-m", "ruff", "check", ".")
    passes(sys.executable, "-m", "ruff", "format", "--check", ".")


@pytest.mark.timeout(300)
def test_mypy_strict_finds_nothing():
    passes(sys.executable, "-m", "mypy")


def test_a_room_imports_only_from_the_floors_below_it():
    passes(
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as run; sys.exit(run())",
    )


def lengths() -> list[tuple[int, str]]:
    """How many lines each function has below its signature and docstring."""
    found = []
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, FUNCTIONS):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                size = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                found.append((size, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"))
    return sorted(found)


def test_functions_are_small():
    sizes = [size for size, _ in lengths()]
    assert statistics.median(sizes) <= 7
    assert statistics.quantiles(sizes, n=10)[-1] <= 22
    assert [name for size, name in lengths() if size > 40] == []


def test_a_file_is_one_room():
    long = {path.name: len(path.read_text().splitlines()) for path in PACKAGE}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


def test_every_ignore_carries_its_reason():
    for path in PACKAGE:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for mark in ("# noqa", "# type: ignore"):
                if mark in line:
                    reason = line.split(mark, 1)[1].partition(" ")[2].strip()
                    assert len(reason) > 10, f"{path.name}:{number} says not why"
