"""The Flask example does what its README says, when its commands are run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from clean_environment import clean_environment

EXAMPLE = Path(__file__).parents[2] / "examples" / "flask_app"
_DEADLINE_SECONDS = 60.0


def shell_blocks() -> list[str]:
    """The README's commands, block by block, on ports that are free here."""
    text = (EXAMPLE / "README.md").read_text()
    for written in ("8000", "8001"):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            text = text.replace(written, str(probe.getsockname()[1]))
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def terminal(folder: Path) -> dict[str, str]:
    """The environment of a user's terminal, with this Python's commands on the path."""
    kept = clean_environment()
    path = os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])
    # gunicorn puts its control socket there; two of them must not share it with a third on this machine.
    return {**kept, "PATH": path, "XDG_RUNTIME_DIR": str(folder)}


@contextmanager
def running(block: str, folder: Path, name: str) -> Iterator[Path]:
    """A server that a user starts in a terminal and ends with Ctrl-C; gives its log."""
    *settings, command = block.strip().splitlines()
    log_file = folder / f"{name}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", "\n".join([*settings, f"exec {command}"])],
            cwd=folder,
            env=terminal(folder),
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_it_listens(int(command.rpartition(":")[2]), process, log_file)
        yield log_file
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_DEADLINE_SECONDS)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)  # another process gives no event to wait for
        else:
            return
    raise AssertionError(f"nothing listens on {port}")


def send(curl: str) -> dict[str, float]:
    """Do what a `curl` line does, on machines that have none."""
    words = shlex.split(curl)
    headers = dict([words[words.index("-H") + 1].split(": ")])
    body = words[words.index("-d") + 1]
    answer = httpx.post(words[2], content=body, headers=headers, trust_env=False, timeout=30)
    return answer.raise_for_status().json()


def reported(command: str, folder: Path) -> dict[str, Any]:
    """What the report says of the one shadow, once both requests are in the books."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        words = [*shlex.split(command.strip()), "--json"]
        seen = subprocess.run(
            words, cwd=folder, env=terminal(folder), capture_output=True, text=True, check=False
        )
        shadows = json.loads(seen.stdout)["shadows"] if seen.returncode == 0 else []
        if shadows and shadows[0]["analysis"]["account"]["eligible"] == 2:
            return shadows[0]
        time.sleep(0.2)
    raise AssertionError(f"the report has no two requests: {seen.stdout} {seen.stderr}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns(".shadow", "__pycache__"))
    return tmp_path / "example"


def test_the_example_shows_where_its_models_differ(folder: Path) -> None:
    challenger, production, requests, report = shell_blocks()
    with running(challenger, folder, "challenger") as first, running(production, folder, "app") as second:
        answers = [send(line) for line in requests.strip().splitlines()]
        shadow = reported(report, folder)
    assert [round(answer["progression"], 1) for answer in answers] == [201.0, 279.9]
    account, agreement = shadow["analysis"]["account"], shadow["analysis"]["agreement"]
    assert (shadow["shadow"], account["eligible"]) == ("neighbours", 2)
    assert (agreement["agree"], agreement["disagree"]) == (1, 1)
    assert (account["unaccounted"], account["coverage"]["rate"]) == (0, 1.0)
    assert "shadow_mw mirrors all of POST /predict to neighbours=" in second.read_text()
    assert "Traceback" not in first.read_text() + second.read_text()


def test_the_example_has_one_added_line_and_three_variables() -> None:
    added = [line for line in (EXAMPLE / "app.py").read_text().splitlines() if "shadow" in line.lower()]
    assert added == [
        "from shadow_mw import ShadowWSGIMiddleware",
        "app.wsgi_app = ShadowWSGIMiddleware(app.wsgi_app)  # the one line",
    ]
    exports = [line for line in "".join(shell_blocks()).splitlines() if line.startswith("export SHADOW_")]
    assert len(exports) == 3
