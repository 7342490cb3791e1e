"""Behind every server, whatever the queue and however the shadows are, the wire carries the same bytes."""

from __future__ import annotations

import itertools
import shutil
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from odd_answers import ODD
from odd_wsgi_answers import ODD_WSGI
from server_process import MASTERS, SERVERS, WSGI_SERVERS, Server
from stub_shadow import Reply, StubShadow
from wire_requests import answers_of, asking

from shadow_mw.records import BUCKETS

ROUTES = "POST /predict, GET /predict, HEAD /predict"
#: The name of a server, and of a way to mirror; no way is without the mirror.
Way = tuple[str, str]
COMMANDS = SERVERS | MASTERS | WSGI_SERVERS
#: How an app may be mirrored.
QUEUES = {
    "process:": {"SHADOW_QUEUE": "process:"},
    "process:, sync": {"SHADOW_QUEUE": "process:", "SHADOW_MODE": "sync"},
    "inline:": {"SHADOW_QUEUE": "inline:"},
}
#: The other servers are asked with `inline:` by the tests of their rooms.
EVERY_WAY = (*MASTERS, "gunicorn, gevent", "uwsgi", "granian, wsgi")
WAYS = [
    *((name, "process:") for name in COMMANDS),
    *((name, "inline:") for name in EVERY_WAY),
    *((name, "process:, sync") for name in (*MASTERS, "granian, wsgi")),
]
#: What is sent of a body before it turns out too short, or breaks off, depends on their timing.
UNSURE = {"granian": ("too-short",), "granian, wsgi": ("too-short", "breaks")}
#: What a shadow may say that is no answer.
GARBAGE = (
    b"",
    b"\0\xff" * 500,
    b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n{{{{",
    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnone",
    b"HTTP/1.1 700 What\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n",
)


@pytest.fixture(scope="module")
def targets() -> Iterator[str]:
    """Four shadows: one that answers, one that is dead, one that never answers, one that talks nonsense."""
    garbage = itertools.cycle(GARBAGE)
    with (
        StubShadow(lambda asked: Reply(body=b"" if asked.method == "HEAD" else b"[1]")) as healthy,
        StubShadow(lambda asked: Reply(raw=next(garbage))) as nonsense,
        socket.create_server(("127.0.0.1", 0), backlog=1024) as slow,
        socket.socket() as dead,
    ):
        dead.bind(("127.0.0.1", 0))  # bound, so that nobody else takes it, and never listening
        for stub in (healthy, nonsense):
            stub._server.socket.listen(1024)
        silent = [f"http://127.0.0.1:{one.getsockname()[1]}" for one in (slow, dead)]
        yield f"healthy={healthy.url}, garbage={nonsense.url}, slow={silent[0]}, dead={silent[1]}"


@pytest.fixture(scope="module")
def servers(targets: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Way, Server]]:
    """Every server without the mirror and with it in each way; all start at once."""
    folder = tmp_path_factory.mktemp("servers")
    sockets = tempfile.mkdtemp(prefix="smw", dir="/tmp")
    common = {
        "SHADOW_TARGETS": targets,
        "SHADOW_ROUTES": ROUTES,
        "SHADOW_TIMEOUT_SECONDS": "4",
        "XDG_RUNTIME_DIR": sockets,
    }
    found = {
        (name, ""): Server(COMMANDS[name], folder / f"bare-{number}", BARE="1")
        for number, name in enumerate(COMMANDS)
    }
    for number, (name, queue) in enumerate(WAYS):
        found[name, queue] = Server(COMMANDS[name], folder / str(number), **common, **QUEUES[queue])
    yield found
    for server in found.values():
        server.kill()
    shutil.rmtree(sockets)


@pytest.fixture(scope="module")
def answers(servers: dict[Way, Server]) -> dict[Way, dict[str, Any]]:
    """What each server answers; several are asked at once."""
    with ThreadPoolExecutor(4) as pool:
        return dict(
            zip(
                servers,
                pool.map(lambda way: answers_of(servers[way], requests(way[0])), servers),
                strict=True,
            )
        )


@pytest.fixture(scope="module")
def books(servers: dict[Way, Server], answers: dict[Way, Any]) -> dict[Way, dict[str, dict[str, int]]]:
    """What became of the exchanges, by shadow; all servers have asked their shadows meanwhile."""
    return {way: books_of(server) for way, server in servers.items() if way[1]}


def requests(name: str) -> dict[str, bytes]:
    queries = [*ODD_WSGI] if name in WSGI_SERVERS else [*ODD, "stream", "refuse", "skim", "fail", "fail-late"]
    asked = asking([query for query in queries if query not in ("", "gated")])
    if name == "wsgiref":  # it waits for the end of a body that has no length
        del asked["chunked upload"], asked["a wrong length"]
    return {what: request for what, request in asked.items() if what not in UNSURE.get(name, ())}


def books_of(server: Server) -> dict[str, dict[str, int]]:
    """What became of the exchanges, by shadow."""
    answer = server.get("/statistics")
    assert answer["is_drained"]
    sums: dict[str, dict[str, int]] = {}
    for shadow in [one for mirror in answer["mirrors"] for one in mirror["shadows"]]:
        counts = sums.setdefault(shadow["shadow"], {})
        for route in shadow["routes"].values():
            for word, count in route.items():
                counts[word] = counts.get(word, 0) + count
    return sums


@pytest.mark.fault("hangs", "garbage", "refuses", "half-read", "unread", "raises", "raises-late")
@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_the_shadows_are_not_seen_on_the_wire(
    servers: dict[Way, Server], answers: dict[Way, dict[str, Any]], way: Way
) -> None:
    mirrored, bare = answers[way], answers[way[0], ""]
    assert {name: (bare[name], mirrored[name]) for name in bare if mirrored[name] != bare[name]} == {}
    assert sum(b" 200" in answer[:20] for answer in bare.values() if isinstance(answer, bytes)) > 15
    assert "production is not affected" not in servers[way].log


@pytest.mark.fault("hangs", "garbage", "refuses")
@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_the_books_close_whatever_the_shadow_is_like(
    books: dict[Way, dict[str, dict[str, int]]], way: Way
) -> None:
    found = books[way]
    sums = {shadow: sum(counts.get(bucket, 0) for bucket in BUCKETS) for shadow, counts in found.items()}
    eligible = found["healthy"]["eligible"]
    assert sums == dict.fromkeys(("healthy", "garbage", "slow", "dead"), eligible)
    assert eligible > 25
    assert found["healthy"].get("compared", 0) + found["healthy"].get("incomparable", 0) > 15
    assert {shadow for shadow, counts in found.items() if "shadow_timeout" in counts} == {"slow"}
    assert {shadow for shadow, counts in found.items() if "shadow_error" in counts} == {"garbage", "dead"}
    answered = {shadow for shadow, counts in found.items() if "compared" in counts}
    assert answered - {"garbage"} == {"healthy"}
