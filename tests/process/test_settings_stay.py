"""Settings are read once: what becomes of the environment afterwards is nothing to an app that runs."""

from __future__ import annotations

import os
import signal

import pytest
from process_tools import comparisons

LATER = {
    "SHADOW_TARGETS": "nowhere=ftp://nowhere.invalid",
    "SHADOW_ROUTES": "no route",
    "SHADOW_ENABLED": "perhaps",
    "SHADOW_TIMEOUT_SECONDS": "soon",
    "SHADOW_QUEUE": "carrier-pigeon:",
    "SHADOW_STORE": "ftp://nowhere.invalid",
    "SHADOW_MAX_BODY_BYTES": "1",
    "SHADOW_NO_SUCH_SETTING": "1",
    "OTEL_TRACES_EXPORTER": "no such exporter",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "no such protocol",
    "OTEL_BSP_SCHEDULE_DELAY": "soon",
}


@pytest.mark.fault("configuration", "mirror-killed")
def test_what_changes_after_the_start_touches_neither_the_app_nor_a_mirror_process_that_comes_later(
    make_app, runtime, shadow, tmp_path, monkeypatch
):
    app = make_app(shadow.url)
    app.ask(times=3)
    assert app.drained()["compared"] == 3
    for name, value in LATER.items():
        monkeypatch.setenv(name, value)
    app.ask(times=3)
    assert app.drained()["compared"] == 6
    first = runtime.mirror()
    os.kill(first, signal.SIGKILL)
    assert runtime.other_mirror(first)
    app.ask(times=3)
    counts = app.drained()
    assert len(shadow.asked) == 9
    assert counts["compared"] == 3, "the second one counts from its own start"
    assert len(comparisons(tmp_path / "store")) == 9
