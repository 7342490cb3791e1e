from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from broker_site import runtime, shadow, site, start
from sqs_servers import (
    HOW_ELASTICMQ,
    REGION,
    Service,
    StubSQS,
    find_elasticmq,
    running_elasticmq,
    running_moto,
)

__all__ = ["runtime", "shadow", "site", "start"]


@pytest.fixture(scope="session", autouse=True)
def _some_credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
        patch.setenv("AWS_REGION", REGION)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        yield


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_moto(tmp_path_factory.mktemp("moto")) as service:
        yield service


@pytest.fixture(scope="session")
def elasticmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    jars = find_elasticmq()
    if jars is None:
        pytest.skip(HOW_ELASTICMQ)
    with running_elasticmq(jars, tmp_path_factory.mktemp("elasticmq")) as service:
        yield service


@pytest.fixture(params=["moto", "elasticmq"])
def service(request: pytest.FixtureRequest) -> Service:
    return request.getfixturevalue(request.param)


@pytest.fixture
def make_stub() -> Iterator[Callable[..., StubSQS]]:
    stubs: list[StubSQS] = []

    def make(answer: Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]) -> StubSQS:
        stubs.append(StubSQS(answer))
        return stubs[-1]

    yield make
    for stub in stubs:
        stub.close()
