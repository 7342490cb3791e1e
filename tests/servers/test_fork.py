"""A forked child mirrors by itself; nothing is counted twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from server_process import NOISE, Server
from stub_shadow import Asked, Reply, StubShadow

FORKS = {"before_first_use": 3, "after_first_use": 6, "while_under_way": 4, "in_a_grandchild": 4}


@pytest.mark.fault("forks")
@pytest.mark.parametrize("name", FORKS)
def test_each_exchange_is_mirrored_and_booked_once(start: Callable[..., Server], name: str) -> None:
    with StubShadow() as shadow:

        def wait_for_the_child(asked: Asked) -> Reply:
            if asked.body in (b"1", b"2"):
                shadow.wait_for(3)
            return Reply(body=asked.body)

        if name == "while_under_way":
            shadow.answer = wait_for_the_child
        process = start(["forking", name], SHADOW_TARGETS=shadow.url, SHADOW_ROUTES="POST /predict")
        assert process.wait() == 0, process.log
        asked = sorted(int(one.body) for one in shadow.asked)
    comparisons, tally = process.records()
    everything = list(range(1, FORKS[name] + 1))
    assert asked == everything
    assert sorted(int(one["features"]) for one in comparisons) == everything
    assert len({one["record_id"] for one in comparisons}) == len(everything)
    assert tally["eligible"] == tally["compared"] == len(everything)
    assert not NOISE.search(process.log), process.log
