"""Production, its sidecar and the shadow of examples/kubernetes, run as processes with what the files say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from clean_environment import clean_environment, commands_path
from kubernetes_manifests import FOLDER, Object, containers, environment, of_kind, one
from process_fixtures import runtime
from process_tools import Runtime, comparisons, processes, until
from terminals import free_ports

__all__ = ["runtime"]

LOAN = {"income": 1000, "payment": 355}


class Node:
    """One machine that runs containers as processes, on ports and in folders of the test's own."""

    def __init__(self, folder: Path, runtime: Runtime) -> None:
        self.store = folder / "store"
        ports = dict(zip(("8000", "8001", "9464"), map(str, free_ports(3)), strict=True))
        self.url = f"http://127.0.0.1:{ports['8000']}"
        self._changes = {
            "http://challenger.loans-shadow.svc.cluster.local": "http://127.0.0.1",
            "/run/shadow": str(runtime.path),
            "0.0.0.0": "127.0.0.1",
            "secret": str(self.store),
            **ports,
        }
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, container: Object, maps: list[Object]) -> subprocess.Popen[bytes]:
        kept = clean_environment()
        given = {name: self._here(value) for name, value in environment(container, maps).items()}
        with self._log(container).open("wb") as log:
            process = subprocess.Popen(
                [self._here(word) for word in (*container["command"], *container.get("args", ()))],
                cwd=FOLDER,
                env={**kept, **given, "PATH": commands_path(), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def says(self, container: Object, text: str, times: int = 1) -> None:
        log = self._log(container)
        until(lambda: log.read_text().count(text) >= times, lambda: f"{text!r} in {log.read_text()}")

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _log(self, container: Object) -> Path:
        return self._folder / f"{container['name']}.log"

    def _here(self, text: str) -> str:
        for written, other in self._changes.items():
            text = text.replace(written, other)
        return text


@pytest.fixture
def node(tmp_path: Path, runtime: Runtime) -> Iterator[Node]:
    node = Node(tmp_path, runtime)
    yield node
    node.close()


def children(pid: int) -> list[int]:
    found = []
    for other in processes():
        status = Path(f"/proc/{other}/status")
        if status.exists() and f"PPid:\t{pid}\n" in status.read_text():
            found.append(other)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the worker in /proc")
@pytest.mark.fault("sidecar-ends")
def test_a_sidecar_whose_worker_is_killed_goes_on_and_ends_with_its_pod(node: Node) -> None:
    (shadow,) = containers(one("Deployment", "challenger"))
    app, sidecar = containers(one("Deployment", "loans", "production-sidecar"))
    maps = of_kind("ConfigMap", "production-sidecar")
    node.start(shadow, [])
    node.says(shadow, "Uvicorn running")
    loop = node.start(sidecar, maps)
    node.says(sidecar, "shadow-mw worker listens at")
    node.start(app, maps)
    node.says(app, "Uvicorn running")

    def ask() -> None:
        for _ in range(10):
            assert httpx.post(f"{node.url}/decide", json=LOAN).json()["label"] == "decline"

    ask()
    until(lambda: len(comparisons(node.store)) == 10, "ten comparisons")
    (worker,) = children(loop.pid)
    os.kill(worker, signal.SIGKILL)
    node.says(sidecar, "shadow-mw worker listens at", times=2)
    assert loop.poll() is None
    ask()
    until(lambda: len(comparisons(node.store)) == 20, "ten more comparisons")
    loop.terminate()
    assert loop.wait(60) == 0
    assert {json.dumps(found.get("verdict")) for found in comparisons(node.store)} == {'"disagree"'}
