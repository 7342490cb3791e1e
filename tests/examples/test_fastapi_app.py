"""The example does what its README says, when its commands are run as they stand there."""

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

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app"
_DEADLINE_SECONDS = 60.0


def shell_blocks() -> list[str]:
    """The README's commands, block by block, on ports that are free here."""
    text = (EXAMPLE / "README.md").read_text()
    for written in ("8000", "8001"):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            text = text.replace(written, str(probe.getsockname()[1]))
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@contextmanager
def running(block: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that a user starts in a terminal and ends with Ctrl-C."""
    *settings, command = block.strip().splitlines()
    script = "\n".join([*settings, f"exec {command}"])
    with (folder / f"{shlex.split(command)[1]}.log").open("wb") as log:
        process = subprocess.Popen(["sh", "-c", script], cwd=folder, env=terminal(), stdout=log, stderr=log)
    try:
        wait_until_it_listens(int(command.rpartition(" ")[2]), process, folder)
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(_DEADLINE_SECONDS)


def terminal() -> dict[str, str]:
    """The environment of a user's terminal, with this Python's commands on the path."""
    kept = clean_environment()
    return {**kept, "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])}


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, [log.read_text() for log in folder.glob("*.log")]
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens on {port}")


def send(curl: str) -> dict[str, object]:
    """Do what a `curl` line does, on machines that have none."""
    words = shlex.split(curl)
    url = next(word for word in words if word.startswith("http"))
    headers = dict([words[words.index("-H") + 1].split(": ")])
    answer = httpx.post(
        url, content=words[words.index("-d") + 1], headers=headers, trust_env=False, timeout=30
    )
    answer.raise_for_status()
    return answer.json()


def reported(command: str, folder: Path) -> dict[str, Any]:
    """What the report says of the one shadow, once both requests are in the books."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        words = [*shlex.split(command.strip()), "--json"]
        seen = subprocess.run(words, cwd=folder, env=terminal(), capture_output=True, text=True, check=False)
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
    with running(challenger, folder), running(production, folder):
        answers = [send(line) for line in requests.strip().splitlines()]
        shadow = reported(report, folder)
    analysis = shadow["analysis"]
    account, agreement = analysis["account"], analysis["agreement"]
    assert [answer["label"] for answer in answers] == ["setosa", "virginica"]
    assert shadow["shadow"] == "tree"
    assert (account["eligible"], agreement["agree"], agreement["disagree"]) == (2, 1, 1)
    assert (account["unaccounted"], account["coverage"]["rate"]) == (0, 1.0)
    changes = analysis["distribution"]["changes"]
    assert changes == [{"production": "virginica", "shadow": "versicolor", "count": 1}]
    logs = {log.name: log.read_text() for log in folder.glob("*.log")}
    assert "shadow_mw mirrors all of POST /predict to tree=" in logs["app:app.log"]
    assert "Traceback" not in "".join(logs.values())


def test_the_example_has_one_added_line_and_three_variables() -> None:
    lines = (EXAMPLE / "app.py").read_text().splitlines()
    added = [line for line in lines if "ShadowMiddleware" in line or "shadow_mw" in line]
    assert added == [
        "from shadow_mw import ShadowMiddleware",
        "app.add_middleware(ShadowMiddleware)  # the one line",
    ]
    assert (
        sum(line.startswith("export SHADOW_") for block in shell_blocks() for line in block.splitlines()) == 3
    )
    assert "shadow_mw" not in re.sub(
        r'""".*?"""', "", (EXAMPLE / "challenger.py").read_text(), flags=re.DOTALL
    )
