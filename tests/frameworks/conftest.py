"""A shadow for all tests of a module, and the apps with and without the one line."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from framework_table import FRAMEWORKS
from stub_shadow import Asked, Reply, StubShadow

from shadow_mw import statistics
from shadow_mw.records import BUCKETS, SKIPS
from shadow_mw.testing import drain

ROUTES = (
    "POST /predict, GET /predict, HEAD /predict, POST /gzip, POST /stream, POST /events, POST /status/{code},"
    "POST /boom, POST /late-boom, POST /file, POST /headers, POST /v1/models/{name}:predict"
)
KNOWN = ("eligible", *BUCKETS, *SKIPS)
_numbers = itertools.count()


@dataclass
class Watch:
    """One mirror, watched from the shadow's end and from the books."""

    shadow: StubShadow
    name: str

    def settings(self, **more: Any) -> dict[str, Any]:
        """Keywords for `ShadowMiddleware`."""
        return {
            "targets": f"{self.name}={self.shadow.url}",
            "compare": "exact",  # any two answers can be compared so, whatever their shapes
            "routes": ROUTES,
            "queue": "inline:",
            "store": "none",
            "max_body_bytes": 4096,
            **more,
        }

    def counts(self) -> dict[str, int]:
        """What every mirror of this name has counted, over all routes."""
        return {word: self.count(word) for word in KNOWN}

    def count(self, word: str) -> int:
        """The count of one word so far, over all mirrors of this name."""
        return sum(
            one.count(word) for mirror in statistics() for one in mirror.shadows if one.shadow == self.name
        )

    def after(self, act: Callable[[], Any]) -> tuple[Any, list[Asked], dict[str, int]]:
        """What `act` returns, what the shadow was asked for it, and what was added to the books."""
        assert drain()
        before = self.counts()
        self.shadow.asked.clear()
        result = act()
        assert drain()
        after = self.counts()
        added = {word: after[word] - before[word] for word in after if after[word] > before[word]}
        return result, list(self.shadow.asked), added


def answer(asked: Asked) -> Reply:
    return Reply(body=b"" if asked.method == "HEAD" else b'{"y": 6}')


@pytest.fixture(scope="module")
def shadow() -> Iterator[StubShadow]:
    with StubShadow(answer) as stub:
        yield stub


@pytest.fixture
def watch(shadow: StubShadow) -> Watch:
    return Watch(shadow, f"watched-{next(_numbers)}")


@dataclass
class Apps:
    """One app twice: as it is, and with the one line."""

    bare: Any
    mirrored: Any
    watch: Watch


@pytest.fixture(scope="module")
def apps(shadow: StubShadow) -> Callable[..., Apps]:
    """Both apps of a framework, made once a module for each choice of settings."""

    @functools.cache
    def make(framework: str, **settings: Any) -> Apps:
        watch = Watch(shadow, f"watched-{next(_numbers)}")
        module = FRAMEWORKS[framework]
        return Apps(module.make(None), module.make(watch.settings(**settings)), watch)

    return make
