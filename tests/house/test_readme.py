"""What the README tells a new user to do, done."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from clean_environment import clean_environment
from stub_shadow import Reply, StubShadow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            httpx.get(url)
        except httpx.TransportError:
            time.sleep(0.05)  # another process gives no event to wait for
        else:
            return
    pytest.fail("the server did not come up")


def test_it_is_short_and_has_two_setup_commands_of_one_line():
    assert len(README.split()) <= 600
    setup = [block for block in blocks("sh") if "venv" in block]
    assert len(setup) == 2
    assert all(len(block.strip().splitlines()) == 1 for block in setup)


def test_an_app_written_from_it_alone_is_mirrored(tmp_path):
    [code] = blocks("python")
    variables = dict(re.findall(r"export (\w+)='?([^'\n]*)'?", README))
    assert set(variables) == {"SHADOW_TARGETS", "SHADOW_ROUTES", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    assert code.count("ShadowMiddleware)") == 1
    (tmp_path / "main.py").write_text(code)
    port = free_port()
    with StubShadow(lambda asked: Reply(body=b'{"price": 7.0}')) as shadow:
        environment = {
            **clean_environment(),
            "SHADOW_ROUTES": variables["SHADOW_ROUTES"],
            "SHADOW_TARGETS": variables["SHADOW_TARGETS"].replace("http://127.0.0.1:9000", shadow.url),
        }
        command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as server:
            try:
                wait_until_up(f"http://127.0.0.1:{port}/docs", server)
                answer = httpx.post(f"http://127.0.0.1:{port}/predict", json={"rooms": 2})
                assert answer.json() == {"price": 6.0}
                shadow.wait_for(1)
            finally:
                server.send_signal(signal.SIGTERM)
                _, errors = server.communicate(timeout=30)
    assert b"shadow_mw mirrors all of POST /predict to candidate=" in errors
    assert b"Traceback" not in errors
    assert reported(tmp_path, environment)["shadows"][0]["shadow"] == "candidate"


def reported(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """The report, once the mirror process has drained: it outlives the app for a moment."""
    command = [sys.executable, "-m", "shadow_mw", "report", "--json"]
    deadline = time.monotonic() + 30
    while True:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode == 0 and (report := json.loads(done.stdout))["shadows"]:
            return report
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.1)  # another process gives no event to wait for
