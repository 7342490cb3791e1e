"""Servers that run for a whole module, with and without the one line, and their shadow."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from server_process import MASTERS, SERVERS, Pair, Server
from stub_shadow import Reply, StubShadow

ROUTES = "POST /predict, GET /predict, HEAD /predict"
PAIRED = SERVERS | MASTERS


@pytest.fixture(scope="module")
def shadow() -> Iterator[StubShadow]:
    with StubShadow(lambda asked: Reply(body=b"" if asked.method == "HEAD" else b'{"y": 6}')) as stub:
        yield stub


@pytest.fixture(scope="module")
def pairs(shadow: StubShadow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    """All kinds of servers at once, so that their starts overlap."""
    folder = tmp_path_factory.mktemp("servers")
    # Any two answers can be compared so, whatever shape the first ones of a route had.
    settings = {"SHADOW_TARGETS": shadow.url, "SHADOW_ROUTES": ROUTES, "SHADOW_COMPARE": "exact"}
    found = {
        name: Pair(
            Server(command, folder / f"{number}-bare", BARE="1"),
            Server(command, folder / f"{number}-mirrored", **settings),
        )
        for number, (name, command) in enumerate(PAIRED.items())
    }
    yield found
    for pair in found.values():
        pair.bare.kill()
        pair.mirrored.kill()


@pytest.fixture(params=PAIRED)
def pair(pairs: dict[str, Pair], request: pytest.FixtureRequest) -> Pair:
    return pairs[request.param]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers that end with the module at the latest."""
    started: list[Server] = []

    def make(command: list[str], **options: object) -> Server:
        server = Server(command, tmp_path_factory.mktemp("server"), **options)  # type: ignore[arg-type]  # options are Server's own
        started.append(server)
        return server

    yield make
    for server in started:
        server.kill()
