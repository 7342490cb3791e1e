"""Each block of docs/frameworks.md stands in an example that is typed, and the page names what is tested."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "frameworks.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
#: The ones of Ray are in an example that the page says is not run.
SOURCES = {path: path.read_text() for path in (ROOT / "examples").rglob("*.py")}


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_each_block_is_part_of_an_example(block: str) -> None:
    lines = block.strip().splitlines()
    assert any(all(f"{line}\n" in source for line in lines) for source in SOURCES.values())


def test_each_example_of_the_table_is_there() -> None:
    named = set(re.findall(r"\(\.\./examples/(\w+)/\)", PAGE))
    folders = {path.name for path in (ROOT / "examples").iterdir() if (path / "README.md").exists()}
    assert named <= folders
    assert len(named) == 12


def test_the_versions_are_the_installed_ones() -> None:
    installer = ROOT / ".ci" / "install-frameworks"
    if not installer.exists():
        pytest.skip(
            "the versions are in .ci/install-frameworks, which a source archive does not have: use a clone"
        )
    pinned = dict(re.findall(r'echo "(\w+)(?:\[\w+\])?==([\d.]+)', installer.read_text()))
    told = re.search(r"makes: (.*?)\.\n", PAGE, re.DOTALL)
    assert told is not None
    assert {name.lower(): version for name, version in re.findall(r"(\w+) ([\d.]+)", told[1])} == pinned
