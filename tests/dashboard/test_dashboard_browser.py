"""The pages in a real Chromium: what they show, that they live, and that nothing in them comes alive."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from dashboard_records import write_records
from report_records import Call, comparison, tallies

from shadow_mw.dashboard import board, dashboard
from shadow_mw.records import Comparison, Tally

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}</textarea></title></pre><!--"
BIDI = "safe\u202egnp.exe\u2066\u200b\u0000\ud800\u0007"
BIG = "x" * 5_000_000
DEEP = "[" * 50_000 + "]" * 50_000


def now_us() -> int:
    return time.time_ns() // 1000


LOADED_US = now_us()


def books(calls: list[Call]) -> list[Tally]:
    """The books of some calls of this minute."""
    return [msgspec.structs.replace(tally, ts_us=now_us()) for tally in tallies(calls)]


def hostile(number: int, production: str, shadow: str, **fields: object) -> Comparison:
    facts = {
        "ts_us": LOADED_US - 1000 * number,
        "request_id": EVIL[:200] + str(number),
        "trace_id": "javascript:alert(3)",
        "route": f"POST /{EVIL}",
        "instance": EVIL,
        "service": BIDI,
        "comparator": EVIL,
        "diff_paths": (f"$.{EVIL}", BIDI),
        "error": EVIL,
        "error_type": EVIL,
        "reason": EVIL,
        "production_label": EVIL,
        "shadow_label": BIDI,
        "segments": {EVIL: BIDI, "<b>": "</td>"},
        "features": json.dumps({EVIL: BIDI}),
        "production_prediction": production,
        "shadow_prediction": shadow,
    }
    return comparison(Call("disagree", shadow="<u>evil</u>"), number, **(facts | fields))


@pytest.fixture
def hostile_store(tmp_path) -> Path:
    records = [
        hostile(0, json.dumps({"a": EVIL, EVIL: 1}), json.dumps({"a": BIDI, EVIL: 2})),
        hostile(1, EVIL, BIDI),
        hostile(2, json.dumps(BIG), json.dumps("y")),
        hostile(7, "{}", "[]", features=BIG),
        hostile(3, DEEP, DEEP.replace("[]", "[1]"), features=DEEP),
        hostile(4, json.dumps(list(range(200_000))), json.dumps(list(range(1, 200_001)))),
        hostile(5, "NaN", "Infinity", delta=float("nan")),
        hostile(6, "", '{"a": 1e999, "a": 2}'),
    ]
    calls = [Call("disagree", shadow="<u>evil</u>", route=f"POST /{EVIL}")] * len(records)
    write_records(tmp_path / "store", [*records, *books(calls)])
    return tmp_path / "store"


def links(page) -> list[str]:
    return page.eval_on_selector_all("a[href*='/exchange/']", "all => all.map(one => one.href)")


def test_hostile_records_stay_text(hostile_store, serve, open_page):
    url = serve(dashboard(str(hostile_store), trace_ui="https://traces.test/{trace_id}")).url
    page = open_page(url)
    assert "<u>evil</u>" in page.inner_text("h1")
    assert page.locator("main script, main img, main u, main b:has(script)").count() == 0
    found = links(page)
    assert len(found) == 8
    for link in [*found, f"{url}/exchanges?only=all"]:
        page.goto(link)
        assert page.locator("main script, main img, main u").count() == 0
        hrefs = page.eval_on_selector_all("a", "all => all.map(one => one.protocol)")
        assert set(hrefs) <= {"http:", "https:"}
    assert open_page.complaints == []


def test_marks_of_direction_are_shown_and_do_nothing(hostile_store, serve, open_page):
    page = open_page(serve(dashboard(str(hostile_store))).url)
    page.goto(links(page)[0])
    text = page.inner_text("main")
    assert "\u202e" not in text
    assert r"safe\u202egnp.exe" in text


def test_five_megabytes_are_cut_and_said_to_be(hostile_store, serve, open_page):
    page = open_page(serve(dashboard(str(hostile_store))).url)
    page.goto(links(page)[2])
    assert "more characters" in page.inner_text("main")
    assert len(page.content()) < 100_000


def test_the_page_draws_its_charts_and_fits(day_url, open_page):
    page = open_page(day_url)
    assert page.locator(".chart canvas").count() == 3
    assert page.locator("svg.shape path").count() == 4
    for width in (1280, 768, 390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(100)  # the observer of sizes redraws in a later frame, which gives no event
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width


def test_one_exchange_fits_a_phone(day_url, open_page):
    page = open_page(f"{day_url}/exchanges?only=disagree", viewport={"width": 390, "height": 800})
    page.goto(links(page)[0])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (
        page.get_by_role("link", name="Open the trace")
        .get_attribute("href")
        .startswith("http://traces.test/")
    )


def test_a_choice_reloads_with_it_in_the_address(day_url, open_page):
    page = open_page(day_url)
    page.locator("select[name=shadow]").select_option("linear-v3")
    page.wait_for_url("**/?shadow=linear-v3")
    page.locator("select[name=range]").select_option("24h")
    page.wait_for_url("**/?shadow=linear-v3&range=24h")
    assert "linear-v3" in page.inner_text("h1")


def test_without_scripts_everything_is_there(day_url, open_page):
    page = open_page(day_url, java_script_enabled=False)
    page.locator("select[name=shadow]").select_option("linear-v3")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**shadow=linear-v3**")
    assert "linear-v3" in page.inner_text("h1")
    page.locator("#agreement-over-time summary").click()
    assert page.locator("#agreement-over-time tbody tr").count() > 10


@pytest.mark.parametrize(("scheme", "other"), [("light", "Dark"), ("dark", "Light")])
def test_the_theme_is_the_system_s_until_it_is_chosen(day_url, open_page, scheme, other):
    page = open_page(day_url, color_scheme=scheme)
    before = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    page.get_by_role("button", name=other).click()
    after = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert before != after
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == after


@pytest.fixture
def growing(tmp_path, serve) -> Iterator[tuple[Path, str]]:
    return tmp_path / "store", serve(dashboard(str(tmp_path / "store"))).url


def test_it_fills_by_itself(growing, open_page):
    store, url = growing
    page = open_page(url)
    assert page.inner_text("h1") == "Nothing is mirrored yet"
    calls = [Call("agree")] * 30
    write_records(
        store, [*(comparison(call, n, ts_us=now_us()) for n, call in enumerate(calls)), *books(calls)]
    )
    page.wait_for_selector("#verdict", timeout=30_000)
    page.evaluate("window.isSamePage = true")
    page.locator("#books .plain").first.wait_for()
    more = [comparison(Call("disagree"), 100, ts_us=now_us()), *books([Call("disagree")])]
    write_records(store, more)
    page.locator("#agreement", has_text="1 disagree").wait_for()
    assert page.evaluate("window.isSamePage")
    assert "Mirrored right now" in page.inner_text("#now")


def test_a_page_that_takes_long_comes_by_itself(day, serve, open_page, monkeypatch):
    monkeypatch.setattr(board, "PATIENCE_SECONDS", 0.0)
    page = open_page(serve(dashboard(str(day))).url)
    assert page.inner_text("h1") == "Counting"
    monkeypatch.setattr(board, "PATIENCE_SECONDS", 100.0)
    page.locator("#verdict").wait_for()


def test_what_was_opened_and_focused_stays_so(growing, open_page):
    store, url = growing
    calls = [Call("agree")] * 30
    start = now_us() - 200_000_000
    records = [comparison(call, n, ts_us=start + n * 5_000_000) for n, call in enumerate(calls)]
    write_records(store, [*records, *books(calls)])
    page = open_page(url)
    summary = page.locator("#agreement-over-time summary")
    summary.click()
    summary.focus()
    write_records(store, [comparison(Call("disagree"), 100, ts_us=now_us()), *books([Call("disagree")])])
    page.locator("#agreement", has_text="1 disagree").wait_for()
    assert page.locator("#agreement-over-time details").get_attribute("open") is not None
    assert page.evaluate("document.activeElement.closest('#agreement-over-time') !== null")
    assert page.locator("#agreement-over-time canvas").count() == 1


def test_a_pause_stops_the_asking(day_url, open_page):
    page = open_page(day_url)
    page.get_by_role("button", name="Pause").click()
    assert page.inner_text("#live") == "paused"
    page.get_by_role("button", name="Resume").click()
    page.locator("#live", has_text="live").wait_for()


def test_it_can_be_walked_with_the_keyboard(day_url, open_page):
    page = open_page(day_url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.evaluate(
        """() => { const link = document.querySelector('#disagreements a'); link.focus();
                   return getComputedStyle(link).outlineStyle !== 'none'; }"""
    )


def test_its_structure_can_be_read_aloud(day_url, open_page):
    for path in ("/", "/exchanges", "/nope"):
        page = open_page(day_url)
        if path == "/nope":
            page.goto(f"{day_url}/exchanges?until=2001-01-01T00:00")
        else:
            page.goto(day_url + path)
        levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(one => Number(one.tagName[1]))")
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
        assert page.locator("main").count() == page.locator("header").count() == 1
        assert page.locator("table:not(:has(caption)):not(.u-legend)").count() == 0
        assert page.locator("thead th:not([scope]), tbody th:not([scope]):not(.u-legend th)").count() == 0
        assert page.locator("[role=img]:not([aria-label])").count() == 0
        assert page.evaluate(
            "[...document.querySelectorAll('select, input')].every(one => one.labels.length)"
        )
        ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
        assert len(ids) == len(set(ids))


def test_it_prints_on_white_without_the_controls(day_url, open_page):
    page = open_page(day_url, color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator(".pickers").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert len(page.pdf()) > 10_000
