"""The source archive and the wheel, built as for a release and installed as a user would."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from clean_environment import clean_environment

import shadow_mw

ROOT = Path(__file__).parents[2]
NAME = f"shadow_mw-{shadow_mw.__version__}"
pytestmark = pytest.mark.timeout(600)
MIRRORED = """
import asyncio

import httpx

from shadow_mw import ShadowMiddleware
from shadow_mw.testing import drain


async def app(scope, receive, send):
    await receive()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"price": 6.0}'})


async def main():
    shadow = {"candidate": lambda features: {"price": 3.0 * features["rooms"]}}
    mirrored = ShadowMiddleware(app, shadow=shadow)
    transport = httpx.ASGITransport(mirrored)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        for _ in range(5):
            answer = await client.post("/predict", json={"rooms": 2})
            assert answer.json() == {"price": 6.0}


asyncio.run(main())
assert drain()
"""


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both, the wheel made from the archive and not from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    return next(built.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The Python of an environment that has the wheel and what the README says to install with it."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", f"shadow-mw[dashboard] @ {wheel.as_uri()}")
    return python


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in held} == {"shadow_mw", f"{NAME}.dist-info"}
    tracked = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "shadow_mw").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in held if name.startswith("shadow_mw/")} == tracked
    assert "shadow_mw/py.typed" in held


def test_the_archive_holds_what_one_needs_to_build_and_test(built):
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        held = set(archive.getnames())
    for path in (
        "pyproject.toml",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "tests/conftest.py",
        "docs/design.md",
    ):
        assert f"{NAME}/{path}" in held
    assert not [name for name in held if "/.venv" in name or "__pycache__" in name or "/.shadow" in name]


def test_what_is_installed_is_whole(installed, tmp_path):
    script = "import shadow_mw; print(shadow_mw.__version__, shadow_mw.__file__)"
    version, file = run(installed, "-c", script, cwd=tmp_path).split()
    assert version == shadow_mw.__version__
    assert "site-packages" in file
    assert "usage: shadow-mw" in run(installed.with_name("shadow-mw"), "--help", cwd=tmp_path)


def test_a_mirrored_app_runs_on_it(installed, tmp_path):
    """Production answers, a shadow is asked, and the report has the comparison."""
    tmp_path.joinpath("mirrored.py").write_text(MIRRORED)
    settings = {
        "SHADOW_ROUTES": "POST /predict",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
    }
    clean = clean_environment()
    run(installed, "mirrored.py", cwd=tmp_path, env=clean | settings)
    report = run(installed.with_name("shadow-mw"), "report", cwd=tmp_path, env=clean)
    assert "candidate: 5 predict calls; the shadow answered 5 of them" in " ".join(report.split())


def test_the_bill_of_materials_names_what_is_pulled_in(installed, tmp_path):
    bill = tmp_path / "sbom.cdx.json"
    tool = Path(sys.executable).with_name("cyclonedx-py")
    run(
        tool,
        "environment",
        installed,
        "--pyproject",
        ROOT / "pyproject.toml",
        "--output-format",
        "JSON",
        "--output-file",
        bill,
    )  # fmt: skip  the command reads as it is typed
    listed = json.loads(bill.read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["name"] == "shadow-mw"
    names = {component["name"].lower() for component in listed["components"]}
    assert {"starlette", "anyio", "httpx", "opentelemetry-sdk", "pybreaker", "duckdb"} <= names
    assert not names & {"pytest", "mypy", "scikit-learn"}
