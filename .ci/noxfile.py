"""The verbs of the project, the same on every machine: `nox -f .ci/noxfile.py -s VERB`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["check"]
nox.options.error_on_missing_interpreters = os.environ.get("CI") == "true"

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
# The rooms whose tests need no server that `.ci/run` would have to install, and that touch every dependency.
ROOMS = [
    "tests/breaker",
    "tests/compare",
    "tests/payload",
    "tests/requests",
    "tests/settings",
    "tests/shadows",
    "tests/stores",
    "tests/telemetry",
    "tests/worker",
]


@nox.session
def check(session: nox.Session) -> None:
    """Style, types, the floors of the house, the pages of `docs/`."""
    session.chdir(ROOT)
    session.install("-e", ".[test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("python", "-m", "pytest", "-q", "tests/house", "tests/docs")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """What needs no server but those that the tests start; the rest is skipped by name."""
    session.chdir(ROOT)
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", *session.posargs, env={"CI": ""})


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """The rooms' tests with the oldest versions that `pyproject.toml` allows."""
    session.chdir(ROOT)
    session.install("--resolution", "lowest-direct", "-e", ".[test]")
    session.run("python", "-m", "pytest", *(session.posargs or ROOMS), env={"CI": ""})


@nox.session
def examples(session: nox.Session) -> None:
    """Type the README of each example, or of those that are named, where only what it says is installed."""
    session.chdir(ROOT)
    session.install("-e", ".[test]")
    for name in session.posargs or _examples_with_an_install_line():
        commands = _environment_of(session, name)
        # There, a skipped test is a failed one.
        environment = {"CI": "true", "EXAMPLES_COMMANDS": str(commands)}
        session.run("python", "-m", "pytest", "tests/examples", "-k", name.split("_")[0], env=environment)


def _examples_with_an_install_line() -> list[str]:
    pages = sorted(ROOT.glob("examples/*/README.md"))
    return [page.parent.name for page in pages if "pip install" in page.read_text()]


def _environment_of(session: nox.Session, example: str) -> Path:
    """The commands of an empty environment after the install line of an example's README."""
    folder = ROOT / "examples" / example
    environment = Path(session.create_tmp()).resolve() / example
    (line,) = re.findall(r"pip install [^`\n]+", (folder / "README.md").read_text())
    session.run("python", "-m", "venv", "--clear", str(environment), silent=True)
    with session.chdir(folder):
        session.run(str(environment / "bin" / "pip"), *shlex.split(line)[1:], external=True)
    return environment / "bin"


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the source archive and the wheel in `dist/`, and test what is in the wheel."""
    session.chdir(ROOT)
    session.install("build")
    session.run("python", "-m", "build", "--outdir", "dist", ".")
    built = max(ROOT.joinpath("dist").glob("*.whl"), key=lambda path: path.stat().st_mtime)
    session.install(f"shadow-mw[test] @ {built.as_uri()}")
    # Not `python -m pytest`: that would find the package in the checkout.
    session.run("pytest", *(session.posargs or [*ROOMS, "tests/package", "tests/door"]), env={"CI": ""})


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation in `site/`, where a warning is an error."""
    session.chdir(ROOT)
    session.install("-e", ".[docs]")
    session.run(
        "mkdocs", "build", "--strict", "--config-file", ".ci/mkdocs.yml", "--site-dir", str(ROOT / "site")
    )


@nox.session
def sbom(session: nox.Session) -> None:
    """Write `dist/sbom.cdx.json`: what an installation with all extras of a production host pulls in."""
    session.chdir(ROOT)
    session.install(".[fast,kafka,sqs,postgres,clickhouse,encryption,text,dashboard]")
    python = str(Path(session.bin) / "python")
    ROOT.joinpath("dist").mkdir(exist_ok=True)
    tool = session.create_tmp()
    session.run("python", "-m", "venv", tool, silent=True)
    session.run(f"{tool}/bin/pip", "install", "-q", "cyclonedx-bom>=5", external=True)
    session.run(
        f"{tool}/bin/cyclonedx-py",
        "environment",
        python,
        "--pyproject",
        "pyproject.toml",
        "--output-format",
        "JSON",
        "--output-file",
        "dist/sbom.cdx.json",
        external=True,
    )  # fmt: skip  the command reads as it is typed
