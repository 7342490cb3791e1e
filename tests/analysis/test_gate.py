"""`shadow-mw gate` as a build server meets it."""

from __future__ import annotations

import json
import time
from xml.etree import ElementTree as ET

import pytest
from gate_stores import stretch, write_story
from hypothesis import given
from hypothesis import strategies as st
from report_records import START_US, Call

from shadow_mw.analysis.criteria import Criterion
from shadow_mw.analysis.decision import overall
from shadow_mw.cli import main
from shadow_mw.stores.layout import Layout

GOOD = {"agree": 4995, "disagree": 5}
HEALTHY = stretch(GOOD)


def gate(capsys, folder, *flags: str) -> tuple[int, str]:
    code = main(["gate", "--store", str(folder), *flags])
    return code, capsys.readouterr().out


def statuses(output: str) -> dict[str, str]:
    return {one["name"]: one["status"] for one in json.loads(output)["criteria"]}


def test_a_shadow_that_meets_every_criterion_is_promoted(tmp_path, capsys):
    write_story(tmp_path, HEALTHY)
    code, output = gate(capsys, tmp_path)
    assert code == 0
    assert output.startswith("Promote: forest\n")
    assert output.count("holds") == 6


BROKEN = {
    "agreement": (GOOD | {"disagree": 200}, {}),
    "coverage": (GOOD | {"queue_full": 500}, {}),
    "errors": (GOOD | {"shadow_error": 100}, {}),
    "latency": (GOOD, {"shadow_us": 3000}),
}


@pytest.mark.parametrize("criterion", BROKEN)
def test_one_criterion_that_fails_holds_the_shadow(tmp_path, capsys, criterion):
    fates, fields = BROKEN[criterion]
    write_story(tmp_path, stretch(fates), **fields)
    code, output = gate(capsys, tmp_path, "--json")
    assert code == 1
    assert json.loads(output)["verdict"] == "hold"
    assert statuses(output)[criterion] == "fail"


def test_one_segment_holds_the_shadow_though_all_together_agree(tmp_path, capsys):
    write_story(tmp_path, [Call("agree")] * 5000, segments={"country": "de"})
    small = stretch({"agree": 180, "disagree": 20})
    write_story(tmp_path, small, first=6000, segments={"country": "in"})
    code, output = gate(capsys, tmp_path, "--json", "--min-agreement", "0.98")
    assert code == 1
    assert [name for name, status in statuses(output).items() if status == "fail"] == ["segments"]
    assert "country is in" in output
    assert gate(capsys, tmp_path, "--min-agreement", "0.98", "--max-segment-disagreement", "0.2")[0] == 0


def test_a_segment_that_may_be_too_bad_is_open(tmp_path, capsys):
    write_story(tmp_path, [Call("agree")] * 5000, segments={"country": "de"})
    write_story(tmp_path, stretch({"agree": 190, "disagree": 10}), first=6000, segments={"country": "in"})
    code, output = gate(capsys, tmp_path, "--json", "--min-agreement", "0.98")
    assert code == 3
    assert statuses(output)["segments"] == "unknown"


def test_too_few_samples_are_not_enough_data(tmp_path, capsys):
    write_story(tmp_path, [Call("agree")] * 50)
    code, output = gate(capsys, tmp_path, "--json")
    assert code == 3
    assert statuses(output)["samples"] == "unknown"
    assert "not enough data" in output.lower()


def test_a_late_regression_is_seen_in_the_last_stretch(tmp_path, capsys):
    ago = int(time.time()) - START_US // 1_000_000
    write_story(tmp_path, HEALTHY * 4, first=ago - 40_000)
    late = stretch({"agree": 1940, "disagree": 60})
    write_story(tmp_path, late, first=ago - 2_500)
    assert gate(capsys, tmp_path, "--min-agreement", "0.985")[0] == 0
    code, output = gate(capsys, tmp_path, "--json", "--min-agreement", "0.985", "--last", "1h")
    assert code == 1
    assert statuses(output)["recent agreement"] == "fail"
    assert statuses(output)["agreement"] == "pass"


def test_limits_come_from_variables_and_flags_win(tmp_path, capsys, monkeypatch):
    write_story(tmp_path, [Call("agree")] * 500)
    monkeypatch.setenv("SHADOW_GATE_MIN_SAMPLES", "400")
    monkeypatch.setenv("SHADOW_GATE_MAX_ERROR_INCREASE", "0.05")
    assert gate(capsys, tmp_path)[0] == 0
    assert gate(capsys, tmp_path, "--min-samples", "600")[0] == 3


def test_forms_for_build_servers_say_the_same(tmp_path, capsys):
    write_story(tmp_path, stretch(GOOD | {"disagree": 200}))
    suite = ET.fromstring(gate(capsys, tmp_path, "--junit")[1])
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert suite.get("failures") == str(len(failed))
    output = gate(capsys, tmp_path, "--json")[1]
    assert failed == [name for name, status in statuses(output).items() if status == "fail"]
    markdown = gate(capsys, tmp_path, "--markdown")[1]
    assert markdown.startswith("### Hold: forest\n")
    assert all(f"| {name} | fails |" in markdown for name in failed)


MISTAKES = {
    "no such shadow": (["--shadow", "oak"], "no shadow 'oak'; it has forest, pine"),
    "several shadows": ([], "several shadows: name one of forest, pine"),
    "no such route": (["--shadow", "pine", "--route", "GET /"], "no route 'GET /'; it has POST /predict"),
    "a limit out of range": (["--shadow", "pine", "--min-agreement", "99"], "SHADOW_GATE_MIN_AGREEMENT"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_wrong_usage_is_a_sentence_and_exit_code_2(tmp_path, capsys, mistake):
    flags, expected = MISTAKES[mistake]
    write_story(tmp_path, [Call("agree"), Call("agree", shadow="pine")])
    assert main(["gate", "--store", str(tmp_path), *flags]) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.out == ""


def test_a_time_that_is_none_is_wrong_usage(tmp_path, capsys):
    for flags in (["--last", "soon"], ["--since", "yesterday"]):
        with pytest.raises(SystemExit) as ended:
            main(["gate", "--store", str(tmp_path), *flags])
        assert ended.value.code == 2
        assert "write" in capsys.readouterr().err


def test_no_store_and_an_empty_one_have_exit_code_4(tmp_path, capsys):
    assert main(["gate", "--store", str(tmp_path / "none")]) == 4
    Layout(tmp_path / "empty").prepare()
    assert main(["gate", "--store", str(tmp_path / "empty")]) == 4
    assert "the store is empty" in capsys.readouterr().err


criteria = st.builds(
    Criterion,
    name=st.just("any"),
    status=st.sampled_from(["pass", "fail", "unknown"]),
    sentence=st.just("A sentence."),
    value=st.none(),
    low=st.none(),
    high=st.none(),
    limit=st.just(0.0),
    n=st.just(0),
)


@given(found=st.lists(criteria, min_size=1))
def test_promotion_needs_every_criterion_and_one_failure_holds(found):
    verdict = overall(found)
    assert (verdict == "promote") == all(one.status == "pass" for one in found)
    assert (verdict == "hold") == any(one.status == "fail" for one in found)
