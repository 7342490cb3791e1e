"""One Jaeger for all tests that look at it: each has a service of its own there."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from broker_site import runtime, start
from jaeger import HOW, Jaeger, program
from loans import Loans
from process_tools import Program
from stub_shadow import Reply, StubShadow

__all__ = ["runtime", "start"]

SERVER = Path(__file__).with_name("traced_server.py")


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaeger]:
    if program() is None:
        pytest.skip(HOW)
    with Jaeger(tmp_path_factory.mktemp("jaeger")) as jaeger:
        jaeger.wait()
        jaeger.wait(4317)
        yield jaeger


@pytest.fixture
def service() -> str:
    """A service that no other test knows."""
    return f"loans-{os.urandom(4).hex()}"


@pytest.fixture
def approving() -> Iterator[StubShadow]:
    """A shadow that approves of every loan, which production does up to 1,000."""
    with StubShadow(lambda _: Reply(body=b'{"label": "approve"}')) as stub:
        yield stub


@pytest.fixture
def serve(start: Callable[..., Program]) -> Callable[..., Loans]:
    """Starts an app; `how` is that of the server."""

    def make(framework: str, how: str, target: str, **environment: str) -> Loans:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {"SHADOW_TARGETS": f"challenger={target}", "SHADOW_ROUTES": "POST /decide", **environment}
        return Loans(start(str(SERVER), framework, str(port), how, port=port, **settings))

    return make
