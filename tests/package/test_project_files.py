"""What a contributor meets around the code: forms, workflows and verbs, each by its own checker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
GITHUB = ROOT / ".github"
VERBS = re.compile(r"nox -f \.ci/noxfile\.py -s ((?:[a-z]+)(?: [a-z]+)*)")
CACHED = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shadow_mw" / "bin" / "actionlint"
ACTIONLINT = shutil.which("actionlint") or (str(CACHED) if CACHED.exists() else None)
FORMS = {
    "vendor.github-workflows": "workflows/*.yml",
    "vendor.dependabot": "dependabot.yml",
    "vendor.github-issue-forms": "ISSUE_TEMPLATE/[!c]*.yml",
    "vendor.github-issue-config": "ISSUE_TEMPLATE/config.yml",
}


@pytest.mark.parametrize("schema", FORMS)
def test_each_file_follows_its_schema(schema):
    files = sorted(map(str, GITHUB.glob(FORMS[schema])))
    assert files
    checked = subprocess.run(
        [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, *files],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(ACTIONLINT is None, reason="no actionlint; to run this: .ci/install-actionlint")
def test_the_workflows_are_sound():
    checked = subprocess.run(
        [ACTIONLINT, *map(str, GITHUB.glob("workflows/*.yml"))], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout


def test_workflows_and_contributors_use_verbs_that_there_are():
    source = (ROOT / ".ci" / "noxfile.py").read_text()
    verbs = set(re.findall(r"^def ([a-z]\w*)\(session", source, re.MULTILINE))
    named = set()
    for page in [*GITHUB.glob("workflows/*.yml"), GITHUB / "CONTRIBUTING.md"]:
        for words in VERBS.findall(page.read_text()):
            named |= set(words.split())
    assert named == verbs


def test_each_python_that_we_claim_is_tested():
    claimed = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text()
    )
    workflow = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text())
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == claimed
    assert f"PYTHONS = {claimed}".replace("'", '"') in (ROOT / ".ci" / "noxfile.py").read_text()


def test_the_rooms_of_the_verbs_are_there():
    source = (ROOT / ".ci" / "noxfile.py").read_text()
    rooms = re.findall(r'"(tests/\w+)"', source)
    assert len(rooms) > 5
    for room in rooms:
        assert list((ROOT / room).glob("test_*.py")), room


def test_links_of_the_pages_lead_somewhere():
    for page in GITHUB.glob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
