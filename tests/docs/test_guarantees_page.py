"""docs/guarantees.md and docs/security.md against the rows of docs/faults.py and the markers of the tests."""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))

from faults import FAULTS, NOT_TESTED  # noqa: E402 (the page generator lies in docs/, which is no package)
from guarantees_page import guarantees_page, proofs  # noqa: E402

KEYS = [fault.key for faults in FAULTS.values() for fault in faults]


def test_the_page_is_up_to_date():
    assert (DOCS / "guarantees.md").read_text() == guarantees_page(), "run: python docs/generate.py"


def test_every_marker_names_a_row():
    assert {key: tests for key, tests in proofs().items() if key not in KEYS} == {}


def test_every_row_has_a_test_or_says_that_it_has_none():
    assert len(KEYS) == len(set(KEYS))
    assert [key for key in KEYS if key not in proofs()] == list(NOT_TESTED)
    assert len(NOT_TESTED) < 6
    page = guarantees_page()
    assert page.count("**not tested yet**") == len(NOT_TESTED)


def test_a_marker_stands_on_a_test():
    """On a fixture or a helper it would prove nothing."""
    assert [name for tests in proofs().values() for _, name in tests if not name.startswith("test_")] == []


def test_what_the_page_on_security_names_as_proof_is_a_test():
    links = re.findall(r"\[([^\]]+)\]\(\.\./(tests/[^)]+)\)", (DOCS / "security.md").read_text())
    assert len(links) > 30
    for words, path in links:
        definition = rf"^ *(async )?def test_{words.replace(' ', '_')}\("
        assert re.search(definition, (DOCS.parent / path).read_text(), re.MULTILINE), (path, words)
