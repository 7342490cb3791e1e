"""The documentation as a site: built with warnings as errors, whole, and with nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import shadow_mw

ROOT = Path(__file__).parents[2]
MKDOCS = Path(sys.executable).with_name("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [MKDOCS, "build", "--strict", "--config-file", ".ci/mkdocs.yml", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_each_page_is_in_the_site_and_in_its_menu(site):
    menu = (site / "index.html").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        if page.stem != "index":
            assert (site / page.stem / "index.html").exists()
            assert f'href="{page.stem}/"' in menu, f"{page.name} is not in the menu"


def test_nothing_is_fetched_from_elsewhere(site):
    for page in site.rglob("*.html"):
        fetched = re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="(https?://[^"]+)"', page.read_text())
        assert not [url for url in fetched if "shadow" not in url], page


def test_the_api_page_has_all_that_is_exported(site):
    page = (site / "api" / "index.html").read_text()
    errors = (site / "errors" / "index.html").read_text()
    for name in shadow_mw.__all__:
        if name != "__version__":
            assert f'id="shadow_mw.{name}"' in page or f"<code>{name}</code>" in errors, name
