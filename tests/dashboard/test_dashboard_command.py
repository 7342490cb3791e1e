"""`shadow-mw dashboard` as a user starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
import uvicorn

from shadow_mw.cli import main

COMMAND = [sys.executable, "-m", "shadow_mw", "dashboard"]


def test_it_prints_its_address_and_answers_there_until_it_is_stopped(day):
    with subprocess.Popen(
        [*COMMAND, "--store", str(day), "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as command:
        try:
            line = command.stderr.readline()
            assert line.startswith("shadow-mw dashboard: http://127.0.0.1:")
            url, answer = line.split(": ")[1].strip(), None
            while answer is None or answer.status_code == 202:  # each waits a while by itself
                answer = httpx.get(url, timeout=60)
            assert answer.status_code == 200
            assert "forest-v8" in answer.text
            assert "server" not in answer.headers
        finally:
            command.send_signal(signal.SIGTERM)
            _, errors = command.communicate(timeout=30)
    assert "Traceback" not in errors


def test_its_address_takes_calls_as_soon_as_it_is_printed(day, monkeypatch):
    def connect(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        (listener,) = sockets
        with listener:
            socket.create_connection(listener.getsockname(), timeout=5).close()

    monkeypatch.setattr(uvicorn.Server, "run", connect)
    assert main(["dashboard", "--store", str(day), "--port", "0"]) == 0


def refused(*options: str, **environment: str) -> str:
    done = subprocess.run(
        [*COMMAND, *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("shadow-mw: ")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "mirror.example"])
def test_on_any_other_address_it_does_not_start_without_a_token(host):
    assert "SHADOW_DASHBOARD_TOKEN" in refused("--host", host)


def test_a_weak_token_is_refused():
    assert "too short" in refused("--host", "0.0.0.0", SHADOW_DASHBOARD_TOKEN="hunter2")
    assert "too short" in refused("--token", "hunter2")


def test_a_port_in_use_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "choose another with --port" in refused("--port", str(taken.getsockname()[1]))


def test_a_wrong_setting_is_a_sentence():
    assert "SHADOW_TRACE_UI" in refused(SHADOW_TRACE_UI="javascript:alert({trace_id})")
    assert "SHADOW_GATE_MIN_AGREEMENT" in refused(SHADOW_GATE_MIN_AGREEMENT="2")
