"""A host whose load the test decides, as the kernel would tell it."""

from __future__ import annotations

from pathlib import Path

import pytest
from process_fixtures import runtime, shadow

from shadow_mw import governor
from shadow_mw.assembly import governing
from shadow_mw.host_load import HostLoad

__all__ = ["runtime", "shadow"]


class Host:
    """The files in which a kernel tells its pressure."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "proc/pressure").mkdir(parents=True)
        self.set(0.0)

    def set(self, pressure: float) -> None:
        """Have the host be so busy from now on."""
        fresh = self.root / "fresh"
        fresh.write_text(f"some avg10={100 * pressure:.2f} avg60=0.00 avg300=0.00 total=1\n")
        fresh.replace(self.root / "proc/pressure/cpu")


@pytest.fixture
def host(tmp_path, monkeypatch) -> Host:
    found = Host(tmp_path / "host")
    monkeypatch.setattr(governing, "HostLoad", lambda: HostLoad(found.root))
    monkeypatch.setattr(governor, "RISE", 0.5)  # back within a second or two, and not within twenty
    return found
