"""The control: production's own twin is asked too, and its comparisons stand apart."""

from __future__ import annotations

import msgspec
import pytest
from stub_shadow import Reply, StubShadow
from test_worker import Mirrored, app_answering, stored

from shadow_mw import SettingsError, ShadowMiddleware
from shadow_mw.analysis.analysis import analyse
from shadow_mw.scope import Scope
from shadow_mw.stores.reader import open_reader

TARGET = {"targets": "http://127.0.0.1:9", "routes": "POST /predict"}


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_control_is_asked_beside_the_shadow_and_kept_apart(tmp_path, mode):
    as_production = Reply(body=b'{"y": 1}')
    with (
        StubShadow(lambda asked: Reply(body=b'{"y": 2}')) as shadow,
        StubShadow(lambda asked: as_production) as twin,
    ):
        mirrored = Mirrored(app_answering(), shadow.url, control=twin.url, control_rate=1.0, mode=mode)
        mirrored.ask(times=3)
        assert mirrored.counts() == {"eligible": 3, "compared": 3, "disagree": 3}
        assert mirrored.counts("control") == {"eligible": 3, "compared": 3, "agree": 3}
    comparisons, _ = stored(tmp_path)
    roles = sorted((one.shadow, one.role, one.verdict) for one in comparisons)
    assert roles == [("control", "control", "agree")] * 3 + [("shadow", "shadow", "disagree")] * 3
    with open_reader(tmp_path / "store") as reader:
        analysis = analyse(reader, Scope(shadow="shadow"))
    assert analysis.noise is not None
    assert (analysis.noise.pairs, analysis.noise.control.rate, analysis.noise.excess.value) == (3, 1.0, 1.0)


def test_a_control_gets_its_share_and_the_shadow_everything():
    with StubShadow() as shadow, StubShadow() as twin:
        mirrored = Mirrored(
            app_answering(), shadow.url, control=twin.url, control_rate=0.2, queue_size=10_000
        )
        mirrored.ask(times=300)
        assert mirrored.counts()["eligible"] == 300
        # Six standard deviations to either side.
        assert 18 < mirrored.counts("control")["eligible"] < 102


def test_a_control_is_asked_on_its_own_routes_only():
    with StubShadow() as shadow, StubShadow() as twin:
        mirrored = Mirrored(
            app_answering(), shadow.url, control=twin.url, control_rate=1.0, control_routes="POST /other"
        )
        mirrored.ask(times=3)
        assert mirrored.counts()["eligible"] == 3
        assert mirrored.counts("control") == {}
    assert twin.asked == []


def test_a_dead_control_costs_the_shadow_nothing():
    with StubShadow() as shadow:
        mirrored = Mirrored(app_answering(), shadow.url, control="http://127.0.0.1:9", control_rate=1.0)
        mirrored.ask(times=3)
        assert mirrored.counts()["compared"] == 3
        assert mirrored.counts("control") == {"eligible": 3, "shadow_error": 3}


WRONG = {
    "no URL": ({"control": "twin"}, "'twin' is not a target"),
    "a callable": ({"control": "python:models:predict"}, "not a second copy of production"),
    "self without routes": ({"control": "self"}, "SHADOW_CONTROL_ROUTES is not set"),
    "a shadow of that name": ({"targets": "control=http://127.0.0.1:9"}, "no shadow can be called control"),
    "no share": ({"control": "http://127.0.0.1:9", "control_rate": 0.0}, "SHADOW_CONTROL_RATE"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_control_is_refused_at_the_start_with_a_sentence(case):
    keywords, expected = WRONG[case]
    with pytest.raises(SettingsError) as error:
        ShadowMiddleware(app_answering(), **(TARGET | keywords))
    assert expected in str(error.value)
    assert msgspec.json.encode(str(error.value))
