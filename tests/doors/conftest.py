"""Real servers for the tests of the doors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stub_shadow import Reply, StubShadow

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "servers"))

from server_process import Server  # noqa: E402 (it lies beside the servers' own tests)

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def stub() -> Iterator[StubShadow]:
    """A shadow that always says 6."""
    with StubShadow(lambda asked: Reply(body=b'{"y": 6.0}')) as shadow:
        yield shadow


@pytest.fixture
def start(tmp_path: Path, stub: StubShadow) -> Iterator[Callable[..., Server]]:
    """Starts commands as a user would, with the settings of a mirror and none of the code."""
    started: list[Server] = []

    def make(*command: str, **environment: str) -> Server:
        settings = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "SHADOW_TARGETS": stub.url,
            "SHADOW_ROUTES": "POST /predict",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            **environment,
        }
        server: Any = Server(list(command), tmp_path / str(len(started)), cwd=HERE, **settings)
        started.append(server)
        return server

    yield make
    for server in started:
        server.kill()
