"""Brokers for tests: one for all that do it no harm, and one a file for those that do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import HOW, Broker, jars
from broker_site import runtime, shadow, site, start

__all__ = ["runtime", "shadow", "site", "start"]


def _broker() -> Iterator[Broker]:
    if jars() is None:
        pytest.skip(HOW)
    with tempfile.TemporaryDirectory(prefix="smwk", dir="/tmp") as folder:
        broker = Broker(Path(folder))
        try:
            broker.start()
            yield broker
        finally:
            broker.kill()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A broker that is shared: each test has topics and groups of its own."""
    yield from _broker()


@pytest.fixture(scope="module")
def victim() -> Iterator[Broker]:
    """A broker that may be killed and frozen, and runs again at the end of each test."""
    yield from _broker()
