"""A shadow's name and its certificate: what a name server or an authority does wrong costs that shadow."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from fault_proxy import HEALTHY, FaultProxy
from mirrored_app import MirroredApp
from process_tools import comparisons
from stub_shadow import StubShadow

Mirror = Callable[..., MirroredApp]
SLOW_NAME = "slow.example"


@pytest.fixture
def hanging_name(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """A name whose server does not answer; counts who has begun to ask for it."""
    asking, is_over = threading.Semaphore(0), threading.Event()
    look_up = socket.getaddrinfo

    def hang(host: Any, *arguments: Any, **keywords: Any) -> Any:
        if host in (SLOW_NAME, SLOW_NAME.encode()) and not keywords.get("flags"):
            asking.release()
            is_over.wait(100)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return look_up(host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield asking
    is_over.set()


@pytest.mark.fault("name-slow", "slow")
def test_a_name_server_that_does_not_answer_holds_no_other_shadow_up(
    library: str, mirrored: Mirror, shadow: StubShadow, hanging_name: threading.Semaphore
) -> None:
    healthy = shadow.url.replace("127.0.0.1", "localhost")
    app = mirrored(
        f"slow=http://{SLOW_NAME}, healthy={healthy}",
        timeout_seconds=3600,
        max_concurrency=64,
        drain_seconds=0.2,
    )
    app.ask(times=64)
    app.until(lambda counts: counts.get("compared") == 64, "healthy")
    assert hanging_name.acquire(timeout=60)
    assert app.now("slow") == {}
    app.close()
    assert app.now("slow") == {"eligible": 64, "worker_lost": 64}


@pytest.mark.fault("name-slow")
def test_the_deadline_of_a_call_is_over_the_name_too(
    library: str, mirrored: Mirror, hanging_name: threading.Semaphore
) -> None:
    app = mirrored(f"http://{SLOW_NAME}", timeout_seconds=0.5)
    app.ask(times=20)
    assert app.counts() == {"eligible": 20, "shadow_timeout": 20}


@pytest.mark.fault("name-unknown")
def test_a_name_that_nobody_knows_is_unreachable(library: str, mirrored: Mirror) -> None:
    app = mirrored("http://unknown.invalid")
    app.ask(times=3)
    assert app.counts() == {"eligible": 3, "shadow_error": 3}


@pytest.mark.fault("metadata")
def test_a_name_that_comes_to_mean_a_clouds_credentials_is_not_asked(
    library: str, mirrored: Mirror, shadow: StubShadow, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, meant = socket.getaddrinfo, ["127.0.0.1"]

    def rebound(host: Any, *arguments: Any, **keywords: Any) -> Any:
        is_name = host == "rebound.example" and not keywords.get("flags")
        return look_up(meant[0] if is_name else host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    with FaultProxy(shadow.url) as proxy:
        app = mirrored(proxy.url.replace("127.0.0.1", "rebound.example"))
        app.ask(times=2)
        assert app.counts()["compared"] == 2
        meant[0] = "169.254.169.254"
        proxy.set(HEALTHY)  # ends the connections to what the name meant before
        app.ask(times=2)
        assert app.counts() == {"eligible": 4, "compared": 2, "agree": 2, "shadow_error": 2}
    assert len(shadow.asked) == 2


class Rebinding:
    """A name server in other hands: what the name means changes from one question to the next."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *meanings: str) -> None:
        self.meanings = list(meanings)
        self.asked = 0
        look_up = socket.getaddrinfo

        def answer(host: Any, *arguments: Any, **keywords: Any) -> Any:
            if host not in ("rebound.example", b"rebound.example") or keywords.get("flags"):
                return look_up(host, *arguments, **keywords)
            self.asked += 1
            address = self.meanings.pop(0) if len(self.meanings) > 1 else self.meanings[0]
            return look_up(address, *arguments, **keywords)

        monkeypatch.setattr(socket, "getaddrinfo", answer)


def error_types(app: MirroredApp, store: Path) -> list[str]:
    """Those of the records, once all are written."""
    app.close()
    return [one["error_type"] for one in comparisons(store)]


@pytest.fixture
def elsewhere(shadow: StubShadow) -> Iterator[socket.socket]:
    """A listener at the shadow's port of another address, which is to hear nothing."""
    port = int(shadow.url.rpartition(":")[2])
    with socket.create_server(("127.0.0.2", port)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.mark.fault("foreign-network")
def test_a_name_that_comes_to_mean_another_network_is_not_asked(
    library: str,
    mirrored: Mirror,
    shadow: StubShadow,
    elsewhere: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    names = Rebinding(monkeypatch, "127.0.0.2")
    url = shadow.url.replace("127.0.0.1", "rebound.example")
    app = mirrored(url, target_networks="127.0.0.1, 10.0.0.0/8", store=str(tmp_path))
    app.ask(times=2)
    assert app.counts() == {"eligible": 2, "shadow_error": 2}
    names.meanings = ["127.0.0.1"]
    app.ask(times=2)
    assert app.counts() == {"eligible": 4, "compared": 2, "agree": 2, "shadow_error": 2}
    assert sorted(error_types(app, tmp_path)) == [""] * 2 + ["ShadowAddressRefused"] * 2
    with pytest.raises(BlockingIOError):
        elsewhere.accept()


@pytest.mark.fault("foreign-network")
def test_the_address_that_was_checked_is_the_one_that_is_dialled(
    library: str,
    mirrored: Mirror,
    shadow: StubShadow,
    elsewhere: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name means something else as soon as it has been looked up, and nobody asks again."""
    names = Rebinding(monkeypatch, "127.0.0.1", "127.0.0.2")
    app = mirrored(shadow.url.replace("127.0.0.1", "rebound.example"), target_networks="127.0.0.1")
    app.ask()
    assert app.counts() == {"eligible": 1, "compared": 1, "agree": 1}
    assert names.asked == 1
    assert str(shadow.asked[0].header("host")).startswith("rebound.example")
    with pytest.raises(BlockingIOError):
        elsewhere.accept()


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """An authority that the shadow's client trusts, as it trusts the public ones."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "authority.pem"))
    return authority


PAST = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
CERTIFICATES: dict[str, Callable[[trustme.CA], trustme.LeafCert]] = {
    "good": lambda authority: authority.issue_cert("127.0.0.1"),
    "unknown authority": lambda authority: trustme.CA().issue_cert("127.0.0.1"),
    "expired": lambda authority: authority.issue_cert(
        "127.0.0.1", not_before=PAST, not_after=PAST + dt.timedelta(days=1)
    ),
    "another host's": lambda authority: authority.issue_cert("other.example"),
}


@pytest.mark.fault("certificate")
@pytest.mark.parametrize("name", CERTIFICATES)
def test_a_certificate_that_is_wrong_costs_the_call_and_nothing_is_sent(
    library: str, mirrored: Mirror, authority: trustme.CA, name: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CERTIFICATES[name](authority).configure_cert(context)
    stub = StubShadow()
    stub._server.socket = context.wrap_socket(
        stub._server.socket, server_side=True, do_handshake_on_connect=False
    )
    with stub as shadow:
        app = mirrored(shadow.url.replace("http:", "https:"))
        app.ask(times=2)
        expected = {"compared": 2, "agree": 2} if name == "good" else {"shadow_error": 2}
        assert app.counts() == {"eligible": 2, **expected}
        assert len(shadow.asked) == (2 if name == "good" else 0)


@pytest.mark.fault("foreign-network", "certificate")
@pytest.mark.parametrize("issued_to", ["rebound.example", "127.0.0.1"])
def test_a_pinned_address_still_has_to_show_the_certificate_of_the_name(
    library: str,
    mirrored: Mirror,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    issued_to: str,
) -> None:
    named: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _, name, __: named.append(name)
    authority.issue_cert(issued_to).configure_cert(context)
    Rebinding(monkeypatch, "127.0.0.1")
    stub = StubShadow()
    stub._server.socket = context.wrap_socket(
        stub._server.socket, server_side=True, do_handshake_on_connect=False
    )
    with stub as shadow:
        url = shadow.url.replace("http:", "https:").replace("127.0.0.1", "rebound.example")
        app = mirrored(url, target_networks="127.0.0.0/8")
        app.ask()
        is_its_own = issued_to == "rebound.example"
        expected = {"compared": 1, "agree": 1} if is_its_own else {"shadow_error": 1}
        assert app.counts() == {"eligible": 1, **expected}
        assert named == ["rebound.example"]
        assert len(shadow.asked) == is_its_own
