"""What every test starts from: no settings of the machine's own, and a store in a folder of its own."""

from __future__ import annotations

import os

import pytest

_OWN = ("SHADOW_", "OTEL_")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(_OWN):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SHADOW_STORE", str(tmp_path / "store"))
    # What is mirrored must not depend on how fast this machine is; the tests of the governor say otherwise.
    monkeypatch.setenv("SHADOW_MAX_ADDED_SECONDS", "0")
    # The tests of the mirror process ask for it; the others look at a worker in their own process.
    monkeypatch.setenv("SHADOW_QUEUE", "inline:")


def pytest_sessionfinish(session, exitstatus):
    """On the build machine nothing may be skipped: a skip there is a promise that nobody checked."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def no_exporters(monkeypatch: pytest.MonkeyPatch) -> None:
    """For hypothesis: exporters draw random numbers on their threads, which it takes for a strategy's."""
    for signal in ("TRACES", "METRICS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
