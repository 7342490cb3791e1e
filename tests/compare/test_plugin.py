from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shadow_mw.compare.choice import make_comparator
from shadow_mw.exceptions import SettingsError
from shadow_mw.protocols import Comparator, Pair
from shadow_mw.records import Judgement

SOURCE = """
import numpy
from shadow_mw.records import Judgement

def same(production, shadow): return production == shadow
def same_numpy(production, shadow): return numpy.all(numpy.array(production) == numpy.array(shadow))
def word(production, shadow, extra=None): return "incomparable"
def by_route(pair): return pair.route == "/predict"
def full(production, shadow): return Judgement(verdict="disagree", delta=abs(production - shadow))
def plain(production, shadow): return Judgement(
    verdict="disagree", reason="\\ud800" * 999, delta=numpy.float32(0.5), diff_paths=["$.a"] * 99,
    production_label=numpy.int64(7), shadow_label="x" * 999, production_score=numpy.float64("inf"))
def distance(production, shadow): return 0.25
def nothing(production, shadow): pass
def strange(production, shadow): return Judgement(verdict="none")
def broken(production, shadow): raise KeyError("score")
def three(a, b, c): pass
async def later(production, shadow): return True
number = 3
class Team:
    @staticmethod
    def same(production, shadow): return production == shadow
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_verdicts.py").write_text(SOURCE)
    (tmp_path / "my_broken.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(str(tmp_path))


def plugin(function: str) -> Comparator:
    return make_comparator(f"python:my_verdicts:{function}", rtol=0, atol=0, ignore=())


@pytest.mark.parametrize(
    ("function", "verdict"),
    [
        ("same", "disagree"),
        ("Team.same", "disagree"),
        ("same_numpy", "disagree"),
        ("word", "incomparable"),
        ("by_route", "agree"),
        ("full", "disagree"),
    ],
)
def test_the_function_decides(function: str, verdict: str) -> None:
    comparator = plugin(function)
    assert comparator.compare(Pair(1, 2, route="/predict")).verdict == verdict
    assert comparator.name == f"python:my_verdicts:{function}"


def test_a_judgement_keeps_its_delta_unless_it_is_no_number() -> None:
    assert plugin("full").compare(Pair(1, 3)).delta == 2
    assert plugin("full").compare(Pair(1, float("nan"))).delta is None


def test_a_judgement_is_made_fit_for_the_record() -> None:
    judgement = msgspec.json.decode(msgspec.json.encode(plugin("plain").compare(Pair(1, 2))), type=Judgement)
    assert (judgement.delta, judgement.production_label, judgement.production_score) == (0.5, "7", None)
    assert judgement.diff_paths == ("$.a",) * 20
    assert judgement.shadow_label == "x" * 119 + "…"
    assert len(judgement.reason) == 300


@pytest.mark.parametrize("function", ["distance", "nothing", "strange"])
def test_what_is_no_verdict_is_refused_with_the_mend(function: str) -> None:
    with pytest.raises(TypeError, match=rf"python:my_verdicts:{function} returned .* return True or False"):
        plugin(function).compare(Pair(1, 2))


def test_what_the_function_raises_comes_through() -> None:
    with pytest.raises(KeyError, match="score"):
        plugin("broken").compare(Pair(1, 2))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("python:no_such_module_here:f", "No module named"),
        ("python:my_verdicts:missing", "missing"),
        ("python:my_verdicts:number", "not a function"),
        ("python:my_verdicts:three", "one Pair"),
        ("python:my_verdicts:later", "async"),
        ("python:my_broken:f", "no licence"),
        ("python:my_verdicts", "python:module:function"),
        ("python::f", "python:module:function"),
        ("python:my verdicts:f", "cannot be used"),
        ("nearly", "exact, close, label"),
    ],
)
def test_a_wrong_name_is_a_settings_error(name: str, hint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make_comparator(name, rtol=0, atol=0, ignore=())
    assert "SHADOW_COMPARE" in str(caught.value)
    assert hint in str(caught.value)
