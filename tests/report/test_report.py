"""The report in all its forms, over real stores whose story is known."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from html.parser import HTMLParser

import pytest
from gate_stores import stretch, told, write_story
from report_records import START_US, Call, comparison, write_records

from shadow_mw.cli import main
from shadow_mw.records import Tally, Truth
from shadow_mw.stores.layout import Layout

FATES = {"agree": 1900, "disagree": 40, "incomparable": 5, "shadow_error": 20, "production_error": 4}


def report(capsys, folder, *flags: str) -> str:
    assert main(["report", "--store", str(folder), *flags]) == 0
    return capsys.readouterr().out


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def story(tmp_path):
    """A shadow with labels, truths, segments, paths and a control; the figures are known."""
    records = []
    for number, call in enumerate(stretch(FATES)):
        if call.fate not in ("agree", "disagree"):
            records.append(told(call, number))
            continue
        is_wrong = call.fate == "disagree"
        fields = {
            "production_label": "8",
            "shadow_label": "3" if is_wrong else "8",
            "production_score": 0.9,
            "shadow_score": 0.2 if is_wrong else 0.9,
            "segments": {"country": "in" if is_wrong else "de"},
            "diff_paths": ("$.label",) if is_wrong else (),
            "delta": 0.7 if is_wrong else 0.0,
            "production_prediction": '{"label": 8}',
            "shadow_prediction": '{"label": 3}',
        }
        records.append(told(call, number, **fields))
        records.append(told(Call("agree"), number, role="control", shadow="control"))
        records.append(Truth(ts_us=START_US, request_id=f"request-{number}", truth="8", value=8.0))
    write_records(tmp_path, records)
    write_records(tmp_path, [books(stretch(FATES))])
    return tmp_path


def books(calls: list[Call]) -> Tally:
    counts: dict[str, int] = {}
    for call in calls:
        for word in call.words():
            counts[word] = counts.get(word, 0) + 1
    return Tally(ts_us=START_US, route="POST /predict", shadow="forest", counts=counts)


SAID = (
    "1,940",
    "97.94 %",
    "Where country is in",
    "Noise floor: over 1,940 requests",
    "production with its own twin",
    "$.label",
    "regression",
    "Against the truth",
    "Cohen's kappa of the labels",
    "stability index (PSI) of the scores",
    "production answered",
    "McNemar's exact test",
    "shadow_error",
    "The most divergent",
    "request-",
)


def test_every_form_says_the_same(story, capsys):
    """The figures of the text stand in the Markdown and in the page, to the digit."""
    markdown = report(capsys, story, "--markdown").replace("\\", "")
    page = seen(report(capsys, story, "--html"))
    text = plain(report(capsys, story))
    for words in SAID:
        assert words in text, words
        assert words in plain(markdown), words
        assert words in page, words
    for number in set(re.findall(r"\d[\d,.]* %", text)):
        assert number in page


def test_the_decision_is_the_gates(story, capsys):
    (shadow,) = json.loads(report(capsys, story, "--json"))["shadows"]
    assert main(["gate", "--store", str(story), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == shadow["decision"]


def test_limits_of_the_decision_come_from_variables(tmp_path, capsys, monkeypatch):
    write_story(tmp_path, [Call("agree")] * 500)
    assert report(capsys, tmp_path).startswith("Not enough data")
    monkeypatch.setenv("SHADOW_GATE_MIN_SAMPLES", "400")
    monkeypatch.setenv("SHADOW_GATE_MAX_ERROR_INCREASE", "0.05")
    assert report(capsys, tmp_path).startswith("Promote forest: all 6 criteria hold.")


def test_a_change_of_the_comparator_is_said(tmp_path, capsys):
    write_story(tmp_path, [Call("disagree")] * 30, comparator="exact")
    write_story(tmp_path, [Call("agree")] * 20, first=60, comparator="close")
    text = plain(report(capsys, tmp_path))
    assert "the count began anew at 2026-09-21 14:14:20 UTC, and 30 comparisons before" in text


def test_dropped_records_are_said(tmp_path, capsys):
    counts = {"eligible": 5, "compared": 5, "agree": 5, "records_dropped": 3}
    tally = Tally(ts_us=START_US, route="POST /predict", shadow="forest", counts=counts)
    write_records(tmp_path, [*(comparison(Call("agree"), n) for n in range(2)), tally])
    assert "The store could not keep 3 comparisons" in plain(report(capsys, tmp_path))


def test_what_retention_took_is_said(tmp_path, capsys):
    counts = {"eligible": 5, "compared": 5, "agree": 5}
    tally = Tally(ts_us=START_US, route="POST /predict", shadow="forest", counts=counts)
    write_records(tmp_path, [comparison(Call("agree")), tally])
    text = plain(report(capsys, tmp_path))
    assert "The store holds 1 of the 5 comparisons in the books" in text


def test_one_shadow_route_and_stretch_of_time(tmp_path, capsys):
    write_story(tmp_path, [Call("agree")] * 120)
    write_story(tmp_path, [Call("agree", shadow="pine", route="POST /other")] * 60)

    def found(*flags: str) -> dict[str, int]:
        shadows = json.loads(report(capsys, tmp_path, "--json", *flags))["shadows"]
        return {one["shadow"]: one["analysis"]["agreement"]["agree"] for one in shadows}

    assert found() == {"forest": 120, "pine": 60}
    assert found("--shadow", "pine") == {"pine": 60}
    assert found("--shadow", "forest", "--route", "POST /predict") == {"forest": 120}
    assert found("--route", "POST /other") == {"pine": 60}
    later = datetime.fromtimestamp(START_US / 1e6 + 60, timezone.utc).isoformat()
    assert found("--since", later) == {"forest": 60, "pine": 0}
    assert found("--until", later) == {"forest": 60, "pine": 60}


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--shadow", "oak"], "no shadow 'oak'; it has forest"),
        (["--route", "GET /"], "no shadow has a route 'GET /'"),
    ],
)
def test_a_name_that_is_not_there_is_a_sentence(tmp_path, capsys, flags, sentence):
    write_story(tmp_path, [Call("agree")])
    assert main(["report", "--store", str(tmp_path), *flags]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("form", [[], ["--json"], ["--markdown"], ["--html"]])
def test_output_goes_into_a_file(tmp_path, capsys, form):
    write_story(tmp_path / "store", [Call("agree")] * 3)
    printed = report(capsys, tmp_path / "store", *form)
    assert report(capsys, tmp_path / "store", *form, "--output", str(tmp_path / "out")) == ""
    assert (tmp_path / "out").read_text() == printed


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path, capsys):
    write_story(tmp_path / "store", [Call("agree")])
    out = str(tmp_path / "none" / "out")
    assert main(["report", "--store", str(tmp_path / "store"), "--json", "--output", out]) == 1
    assert out in capsys.readouterr().err


@pytest.mark.parametrize("form", [[], ["--markdown"], ["--html"]])
def test_an_empty_store_is_said_to_be_empty_in_every_form(tmp_path, capsys, form):
    Layout(tmp_path / "store").prepare()
    assert "is empty" in report(capsys, tmp_path / "store", *form)


HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x1b[2J|`*{{ 7*7 }}"


def hostile_store(folder) -> None:
    records = [
        told(
            Call("disagree"),
            number,
            delta=9.0,
            request_id=f"{HOSTILE}{number}",
            production_prediction=HOSTILE,
            shadow_prediction=HOSTILE,
            production_label=HOSTILE,
            shadow_label="x",
            diff_paths=(f"$.{HOSTILE}",),
            segments={HOSTILE: HOSTILE},
        )
        for number in range(40)
    ]
    write_records(folder, [*records, told(Call("agree", route=f"POST /{HOSTILE}"), 99)])


class Page(HTMLParser):
    """What a page holds: its tags, its text, whatever it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.words.append(data)


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    return page


def seen(html: str) -> str:
    return plain(" ".join(parsed(html).words).replace("\u00a0", " "))


def test_the_page_stands_alone_and_escapes_everything(tmp_path, capsys):
    hostile_store(tmp_path)
    html = report(capsys, tmp_path, "--html")
    page = parsed(html)
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "base", "form", "a"})
    names = {name for name, _ in page.attributes}
    assert names.isdisjoint({"src", "href", "srcset", "xlink:href", "background", "data"})
    assert not [name for name in names if name.startswith("on")]
    assert "url(" not in html
    assert "@import" not in html
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "<script>alert(1)</script>" in "".join(page.words)
    assert "{{ 7*7 }}" in "".join(page.words)


def test_what_a_record_holds_is_no_markup_in_markdown(tmp_path, capsys):
    hostile_store(tmp_path)
    text = report(capsys, tmp_path, "--markdown")
    assert "<script>" not in text.replace("\\<", "")
    tables = [line for line in text.splitlines() if line.startswith("| ") and "alert" in line]
    assert tables
    assert not [line for line in tables if re.search(r"(?<!\\)`", line)]
    assert "\x1b" not in text


def test_the_page_draws_agreement_and_both_latencies(tmp_path, capsys):
    write_story(tmp_path, stretch({"agree": 1900, "disagree": 100}))
    html = report(capsys, tmp_path, "--html")
    assert html.count("<svg") == 3
    for shape in ("band", "line", "gate", "area-production", "area-shadow", "median-shadow"):
        assert f'class="{shape}"' in html
    assert not re.search(r"\b(nan|inf|None)\b", "".join(re.findall(r' d="([^"]*)"', html)))


def test_a_page_of_one_record_has_no_charts_and_no_nonsense(tmp_path, capsys):
    write_records(tmp_path, [told(Call("agree"), 0)])
    html = report(capsys, tmp_path, "--html")
    assert "<svg" not in html
    assert not re.search(r"\b(nan|None)\b", seen(html))
