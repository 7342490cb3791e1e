"""The public surface: what is exported, what importing costs, what stands in the docs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import shadow_mw
from shadow_mw import exceptions
from shadow_mw.keywords import Keywords
from shadow_mw.settings import Settings, variable

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import generate  # noqa: E402 (the page generator lies in docs/, which is no package)


def test_exported_names():
    assert set(shadow_mw.__all__) == {
        "CircuitOpen",
        "Comparison",
        "Judgement",
        "MissingExtraError",
        "Pair",
        "PayloadError",
        "SettingsError",
        "ShadowAddressRefused",
        "ShadowAnswerTooLarge",
        "ShadowError",
        "ShadowMWError",
        "ShadowMiddleware",
        "ShadowModelError",
        "ShadowProtocolError",
        "ShadowStatusError",
        "ShadowTimeout",
        "ShadowUnreachable",
        "ShadowWSGIMiddleware",
        "Statistics",
        "StoreError",
        "Tally",
        "UsageError",
        "__version__",
        "drain",
        "instrument",
        "request_id",
        "shadow",
        "statistics",
    }


def test_importing_it_imports_nothing_that_only_the_worker_needs():
    code = "import sys, json, shadow_mw; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.split(".")[0] for name in json.loads(out.stdout)}
    assert loaded.isdisjoint({"httpx", "pybreaker", "duckdb", "grpc", "rich", "numpy", "jmespath"})
    assert not [name for name in json.loads(out.stdout) if name.startswith("opentelemetry.sdk")]


def test_generated_pages_are_up_to_date():
    for name, make in generate.PAGES.items():
        assert (ROOT / "docs" / name).read_text() == make(), f"run: python docs/generate.py ({name})"


def test_every_setting_error_and_field_is_described():
    settings_page = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"`{variable(name)}`" in settings_page
        assert field.description
        assert field.description.endswith(".")
    errors_page = (ROOT / "docs" / "errors.md").read_text()
    for name in vars(exceptions):
        if isinstance(vars(exceptions)[name], type):
            assert f"**`{name}`**" in errors_page
            assert re.search(rf"\b{name}\b", exceptions.__doc__ or ""), f"{name} is missing in the tree"


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_version_is_in_one_place():
    assert re.fullmatch(r"\d+\.\d+\.\d+", shadow_mw.__version__)


def test_every_setting_is_a_keyword():
    only_in_code = ["shadow"]
    assert sorted(Keywords.__annotations__) == sorted([*Settings.model_fields, *only_in_code])
