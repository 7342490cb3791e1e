"""What the pages say, and that it is what the analysis says."""

from __future__ import annotations

import re
from contextlib import closing

import httpx
import pytest
from dashboard_records import write_records
from dashboard_server import Visitor
from report_records import Call, comparison, tallies
from starlette.applications import Starlette
from starlette.routing import Mount

from shadow_mw.analysis.analysis import analyse
from shadow_mw.analysis.criteria import Criteria
from shadow_mw.analysis.decision import decide
from shadow_mw.assembly.stores import open_reader
from shadow_mw.dashboard import dashboard
from shadow_mw.dashboard.words import counted, percent
from shadow_mw.exceptions import SettingsError
from shadow_mw.records import Truth
from shadow_mw.scope import Scope


def analysis_of(day, **scope):
    with closing(open_reader(str(day))) as reader:
        return analyse(reader, Scope(shadow="forest-v8", **scope))


def test_the_first_page_has_the_verdict_and_every_number_of_the_mission(client, day):
    page = client.get("/").text
    analysis = analysis_of(day)
    decision = decide(analysis, Criteria())
    titles = {"promote": "Promote", "hold": "Hold", "not enough data": "Not enough data on"}
    assert f"{titles[decision.verdict]} <bdi>forest-v8</bdi></h1>" in page
    for criterion in decision.criteria:
        assert criterion.sentence in page.replace("&#39;", "'")
    assert percent(analysis.agreement.share.rate) in page
    [agreement] = [one for one in decision.criteria if one.name == "agreement"]
    assert f"{percent(agreement.low)} to {percent(agreement.high)}, however often" in page
    assert percent(analysis.account.coverage.rate) in page
    assert percent(analysis.errors.shadow.rate) in page
    assert counted(analysis.account.buckets["circuit_open"]) in page
    assert page.index('id="verdict"') < page.index('id="now"') < page.index('id="agreement"')
    assert page.index('id="agreement-over-time"') < page.index('id="disagreements"')


def test_the_books_on_the_page_add_up(client):
    page = client.get("/").text
    books = page[page.index("where every eligible request ended") :]
    body, foot = books[: books.index("</table>")].split("<tfoot>")
    counts = re.findall(r'<td class="number">([\d,]+)</td><td', body)
    assert sum(int(count.replace(",", "")) for count in counts) == 6000
    assert "6,000" in foot


def test_what_is_picked_stays_in_every_link(client):
    query = "shadow=linear-v3&route=POST+%2Fv1%2Frank&range=24h"
    page = client.get(f"/?{query}").text
    assert '<option value="linear-v3" selected>' in page
    assert '<option value="POST /v1/rank" selected>' in page
    assert '<option value="24h" selected>' in page
    links = re.findall(r'href="(/exchange[^"]*)"', page)
    assert len(links) > 5
    assert all(query.replace("&", "&amp;") in link for link in links)


def test_a_route_and_a_time_narrow_what_is_counted(client, day):
    everything, one_route = (
        analysis_of(day, **scope).agreement.share.trials for scope in ({}, {"route": "POST /v1/rank"})
    )
    assert counted(everything) in client.get("/").text
    page = client.get("/?route=POST+%2Fv1%2Frank").text
    assert f"{counted(one_route)} comparisons," in page
    assert f"{counted(everything)} comparisons," not in page
    assert "6,000 eligible" not in client.get("/?range=1h").text
    assert "No verdict yet" in client.get("/?until=2001-01-01T00:00").text


@pytest.mark.parametrize(
    "query",
    [
        "?shadow=nobody",
        "?route=GET+/nowhere",
        "?range=eternity",
        "?since=yesterday&until=9999999999999",
        "?since=9999-12-31T23:59",
        "?shadow=" + "x" * 5000,
        "?shadow=%00%ff%f0",
    ],
)
def test_a_query_of_no_sense_is_no_error(client, query):
    assert client.get(f"/{query}").status_code == 200
    assert client.get(f"/exchanges{query}").status_code == 200


@pytest.mark.parametrize(
    "query", ["before=-1", "before=1e9", "before=" + "9" * 40, "only=%27", "order=;drop"]
)
def test_a_list_of_no_sense_is_no_error(client, query):
    assert client.get(f"/exchanges?{query}").status_code == 200


def test_a_page_that_did_not_change_is_not_sent_again(client):
    first = client.get("/exchanges?only=failed")
    again = client.get("/exchanges?only=failed", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")
    assert "content-security-policy" in again.headers


def test_an_exchange_shows_both_sides_and_leads_to_its_trace(day):
    client = Visitor(dashboard(str(day), trace_ui="https://traces.test/{trace_id}?x"))
    listing = client.get("/exchanges?only=disagree").text
    page = client.get(re.search(r'href="(/exchange/[^"]+)"', listing)[1]).text
    assert "≠ Disagree" in page
    assert re.search(r'<mark class="production"><bdi>&#34;(approve|review)&#34;</bdi></mark>', page)
    assert re.search(r'<mark class="shadow"><bdi>&#34;(approve|review)&#34;</bdi></mark>', page)
    assert re.search(r'href="https://traces.test/[0-9a-f]{32}\?x"', page)
    assert "&#34;country&#34;:" in page
    assert "linear-v3</bdi></a>: " in page


def test_the_list_goes_back_page_by_page_without_a_gap(client):
    seen, path = [], "/exchanges?shadow=linear-v3&only=disagree"
    while path:
        page = client.get(path).text
        seen += re.findall(r'href="/exchange/([^"?]+)', page)
        older = re.search(r'href="([^"]*before=[^"]*)"', page)
        path = "/exchanges" + older[1].replace("&amp;", "&") if older else ""
    disagreements = re.search(r"([\d,]+) disagree\.", client.get("/?shadow=linear-v3").text)[1]
    assert len(seen) == len(set(seen)) == int(disagreements.replace(",", ""))


def test_mounted_under_a_prefix_every_link_stays_inside(day):
    app = Starlette(routes=[Mount("/internal/shadow", dashboard(str(day)))])
    client = Visitor(app)
    for path in ("/internal/shadow/", "/internal/shadow/exchanges"):
        page = client.get(path).text
        links = re.findall(r'(?:href|src)="([^"#?]+)', page)
        assert len(links) > 8
        assert all(link.startswith("/internal/shadow/") for link in links)
    assert client.get("/internal/shadow/static/style.css").status_code == 200
    assert client.get("/internal/shadow/api/gate?shadow=forest-v8").status_code == 200
    assert client.request("POST", "/internal/shadow/api/gate?shadow=forest-v8").status_code in (200, 409, 425)
    assert client.get("/internal/shadow/api/nope").json() == {"error": "There is no such page."}


def test_a_token_works_under_a_prefix(day):
    token = "0123456789abcdef"
    client = Visitor(Starlette(routes=[Mount("/shadow", dashboard(str(day), token=token))]), "app.example")
    welcome = client.get(f"/shadow/?token={token}")
    assert welcome.headers["location"] == "/shadow/"
    assert "Path=/shadow;" in welcome.headers["set-cookie"]
    assert client.get("/shadow/exchanges").status_code == 200


def test_without_a_store_it_says_what_to_do(tmp_path):
    client = Visitor(dashboard(str(tmp_path / "nothing")))
    page = client.get("/")
    assert page.status_code == 200
    assert "Nothing is mirrored yet" in page.text
    assert "ShadowMiddleware" in page.text
    assert client.get("/exchanges").status_code == 200
    answer = client.get("/api/gate")
    assert answer.status_code == 503
    assert "there is no store" in answer.json()["error"].lower()


def test_a_store_that_cannot_be_read_is_a_sentence(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "format").write_text("99")
    client = Visitor(dashboard(str(tmp_path / "store")))
    page = client.get("/")
    assert page.status_code == 503
    assert "This did not work" in page.text
    assert "Traceback" not in page.text


def test_counts_without_a_single_record_are_shown(tmp_path):
    calls = [Call("queue_full")] * 5
    write_records(tmp_path / "store", tallies(calls))
    page = Visitor(dashboard(str(tmp_path / "store"))).get("/").text
    assert "Hold <bdi>forest</bdi>" in page
    assert "not asked: no room in the queue" in page


def test_one_exchange_alone_is_shown(tmp_path):
    call = Call("disagree")
    write_records(tmp_path / "store", [comparison(call, diff_paths=("$.x",)), *tallies([call])])
    client = Visitor(dashboard(str(tmp_path / "store")))
    page = client.get("/").text
    assert "1 comparison, " in page
    tiles = page[page.index('class="tiles"') :]
    assert not re.search(r"\b(inf|nan)\b", tiles)
    assert client.get("/api/analysis").status_code == 200


def test_batches_are_counted_row_by_row_beside_the_exchanges(tmp_path):
    batches = [comparison(Call("agree"), 0, items=10, items_agree=10)]
    batches.append(comparison(Call("disagree"), 1, items=10, items_agree=9))
    write_records(tmp_path / "store", batches)
    page = Visitor(dashboard(str(tmp_path / "store"))).get("/").text
    assert f"Row by row of the batches: {percent(0.95)} of 20." in page


def test_truths_and_a_control_are_shown_once_there_are_some(tmp_path):
    records = []
    for number in range(40):
        fate = "disagree" if number % 10 == 0 else "agree"
        labels = {"production_label": "a", "shadow_label": "b" if fate == "disagree" else "a"}
        records.append(comparison(Call(fate), number, diff_paths=("$.x",), **labels))
        records.append(comparison(Call("agree", shadow="twin"), number, role="control"))
        records.append(Truth(ts_us=1, request_id=f"request-{number}", truth="a"))
    write_records(tmp_path / "store", [*records, *tallies([Call("agree")] * 40)])
    page = Visitor(dashboard(str(tmp_path / "store"))).get("/").text
    assert "Against the truth" in page
    assert "90.00\u00a0%" in page[page.index('id="accuracy"') :]
    assert "agrees with its own twin on 100.00\u00a0% of 40 requests" in page
    assert "beyond noise" in page


def test_there_is_no_dashboard_without_records():
    with pytest.raises(SettingsError, match="SHADOW_STORE is none"):
        dashboard("none")


def test_an_unknown_exchange_is_not_found(client):
    answer = client.get("/exchange/01a205be-0000-7000-8000-000000000000")
    assert answer.status_code == 404
    assert "too old" in answer.text


def test_api_and_page_tell_the_same(client, day):
    answer: httpx.Response = client.get("/api/analysis?shadow=forest-v8")
    found = answer.json()["analysis"]["agreement"]["share"]
    assert found["rate"] == analysis_of(day).agreement.share.rate


def test_the_page_of_an_exchange_says_what_was_not_kept(tmp_path):
    folder = tmp_path / "store"
    kept = {"features_kept": "none", "features": "", "predictions_kept": "hash"}
    hashed = {"production_prediction": "hmac:0123456789abcdef", "shadow_prediction": "hmac:fedcba9876543210"}
    record = comparison(Call("disagree"), 1, **kept, **hashed)
    write_records(folder, [record])
    page = Visitor(dashboard(str(folder))).get(f"/exchange/{record.record_id}").text
    assert "SHADOW_CAPTURE keeps none of these in records." in page
    assert "SHADOW_CAPTURE keeps a hash of these, the same for the same value in records." in page
    assert "hmac:fedcba9876543210" in page
