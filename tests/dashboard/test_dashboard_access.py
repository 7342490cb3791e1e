"""Who may look, by which way, and what every response carries."""

from __future__ import annotations

import pytest
from dashboard_server import Visitor
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.dashboard import dashboard
from shadow_mw.dashboard.access import Access, is_loopback, without_token
from shadow_mw.exceptions import SettingsError

TOKEN = "0123456789abcdef-secret"


@pytest.fixture
def guarded(day):
    return dashboard(str(day), token=TOKEN)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8400", "localhost", "localhost:8400", "[::1]:8400", "app.localhost:1"]
)
def test_this_machine_may_look_by_its_own_names(day, host):
    assert Visitor(dashboard(str(day)), host).get("/healthz").status_code == 200
    assert Visitor(dashboard(str(day)), host).get("/exchanges").status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8400", "10.0.0.7"]
)
def test_a_foreign_name_that_was_rebound_to_this_machine_sees_nothing(day, host):
    answer = Visitor(dashboard(str(day)), host).get("/")
    assert answer.status_code == 403
    assert "SHADOW_DASHBOARD_TOKEN" in answer.text


def test_another_machine_sees_nothing_without_a_token(day):
    assert Visitor(dashboard(str(day)), peer="10.0.0.9").get("/").status_code == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_what_comes_through_a_proxy_is_not_from_this_machine(client, header):
    assert client.get("/", headers={header: "127.0.0.1"}).status_code == 403


def test_a_token_opens_it_from_anywhere_and_leaves_the_address_bar(guarded):
    visitor = Visitor(guarded, "mirror.example", peer="203.0.113.5")
    assert visitor.get("/").status_code == 401
    welcome = visitor.get(f"/exchanges?only=failed&token={TOKEN}")
    assert (welcome.status_code, welcome.headers["location"]) == (303, "/exchanges?only=failed")
    cookie = welcome.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert visitor.get("/exchanges?only=failed").status_code == 200


def test_the_cookie_is_for_https_only_where_the_page_is(guarded):
    visitor = Visitor(guarded, "mirror.example")
    visitor.base_url = "https://mirror.example"
    assert "Secure" in visitor.get(f"/?token={TOKEN}").headers["set-cookie"]


def test_a_bearer_opens_the_api(guarded):
    visitor = Visitor(guarded, "mirror.example")
    assert visitor.get("/api/gate?shadow=forest-v8").status_code == 401
    for headers, query in (({"Authorization": f"Bearer {TOKEN}"}, ""), ({}, f"&token={TOKEN}")):
        assert visitor.get(f"/api/gate?shadow=forest-v8{query}", headers=headers).status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "é" * 20])
def test_a_wrong_token_opens_nothing(guarded, token):
    visitor = Visitor(guarded, "mirror.example")
    assert visitor.get("/", params={"token": token}).status_code == 401
    assert visitor.get("/", headers={"Cookie": f"shadow_dashboard={token}".encode()}).status_code == 401


def test_health_tells_nothing_and_needs_nothing(guarded):
    assert Visitor(guarded, "mirror.example", peer="10.0.0.1").get("/healthz").text == "ok\n"


def test_a_token_that_can_be_guessed_is_refused(day):
    with pytest.raises(SettingsError, match="too short"):
        dashboard(str(day), token="hunter2")


def test_the_token_is_not_in_a_repr():
    assert TOKEN not in repr(Access(TOKEN))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/exchanges", "/api/analysis", "/static/style.css"])
def test_it_only_reads(client, method, path):
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/", "/exchanges", "/nope", "/static/style.css", "/api/gate", "/exchange/nope"]
)
def test_every_response_has_strict_headers(client, path):
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_a_refusal_has_them_too(client):
    assert (
        "default-src 'none'"
        in client.get("/", headers={"Host": "evil.example"}).headers["content-security-policy"]
    )


@given(st.text(max_size=60))
def test_no_name_is_taken_for_loopback_by_accident(name):
    if is_loopback(name):
        bare = name.strip("[]").lower()
        assert (
            bare == "localhost"
            or bare.endswith(".localhost")
            or bare.startswith(("127.", "::1", "0", ":", "::"))
        )


@given(st.text(alphabet="/\\.a?=&é", max_size=30))
def test_the_way_back_never_leads_to_another_host(path):
    scope = {"path": "/" + path, "query_string": b"token=x&a=b"}
    target = without_token(scope)
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))
    assert target.endswith("?a=b")
