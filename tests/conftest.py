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
