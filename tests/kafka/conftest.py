"""Brokers for tests: one for all that do it no harm, and one a file for those that do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from broker import Broker, running
from broker_site import runtime, shadow, site, start

__all__ = ["runtime", "shadow", "site", "start"]


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A broker that is shared: each test has topics and groups of its own."""
    yield from running(Broker)


@pytest.fixture(scope="module")
def victim() -> Iterator[Broker]:
    """A broker that may be killed and frozen, and runs again at the end of each test."""
    yield from running(Broker)
