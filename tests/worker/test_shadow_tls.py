"""Certificates are checked: a shadow that can't prove who it is gets no request."""

from __future__ import annotations

import datetime as dt
import ssl

import anyio
import pytest
import trustme
from stub_shadow import StubShadow

from shadow_mw.exceptions import ShadowUnreachable
from shadow_mw.records import CapturedRequest
from shadow_mw.shadows.http import HTTPShadow
from shadow_mw.targets import Target

REQUEST = CapturedRequest(
    exchange_id="e", request_id="r", ts_us=0, method="POST", route="POST /p", path="/p", body=b"secret"
)


def served_with(certificate: trustme.LeafCert) -> StubShadow:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    shadow = StubShadow()
    shadow._server.socket = context.wrap_socket(
        shadow._server.socket, server_side=True, do_handshake_on_connect=False
    )
    return shadow


def ask(url: str) -> None:
    async def main() -> None:
        shadow = HTTPShadow(Target("s", url), max_body_bytes=1000, max_connections=1)
        try:
            with anyio.fail_after(20):
                await shadow.ask(REQUEST, {})
        finally:
            await shadow.aclose()

    anyio.run(main)


@pytest.fixture
def authority(monkeypatch, tmp_path):
    """An authority that the shadow's client trusts, as it trusts the public ones."""
    authority = trustme.CA()
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setattr("certifi.where", lambda: str(bundle))
    return authority


def test_a_trusted_certificate_is_taken(authority):
    with served_with(authority.issue_cert("127.0.0.1")) as shadow:
        ask(shadow.url.replace("http:", "https:"))
        assert [asked.body for asked in shadow.asked] == [b"secret"]


def test_a_foreign_expired_or_misnamed_certificate_is_refused(authority):
    past = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    for certificate in (
        trustme.CA().issue_cert("127.0.0.1"),
        authority.issue_cert("127.0.0.1", not_before=past, not_after=past + dt.timedelta(days=1)),
        authority.issue_cert("other.example"),
    ):
        with served_with(certificate) as shadow:
            with pytest.raises(ShadowUnreachable, match="certificate"):
                ask(shadow.url.replace("http:", "https:"))
            assert shadow.asked == []
