from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from guard_site import Site, running_aws, running_site

DOORS = ["fastapi", "flask"]


@pytest.fixture(scope="session", autouse=True)
def _some_credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIATESTING")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        yield


@pytest.fixture(scope="session")
def aws_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_aws(tmp_path_factory.mktemp("moto") / "server.log") as url:
        yield url


@pytest.fixture(autouse=True)
def _empty_bucket(request: pytest.FixtureRequest) -> None:
    if "aws_url" not in request.fixturenames and not {"blocking", "recording", "closed", "off"} & set(
        request.fixturenames
    ):
        return
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=request.getfixturevalue("aws_url"))
    client.create_bucket(Bucket="guarded")
    for one in client.list_objects_v2(Bucket="guarded").get("Contents", []):
        client.delete_object(Bucket="guarded", Key=one["Key"])
    client.close()


@pytest.fixture(scope="module", params=DOORS)
def blocking(request, aws_url, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site") / "one"
    with running_site(request.param, folder, aws_url, SHADOW_GUARD="block") as site:
        yield site


@pytest.fixture(scope="module", params=DOORS)
def recording(request, aws_url, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site") / "one"
    with running_site(request.param, folder, aws_url, SHADOW_GUARD="record") as site:
        yield site


@pytest.fixture(scope="module", params=DOORS)
def off(request, aws_url, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site") / "one"
    with running_site(request.param, folder, aws_url) as site:
        yield site


@pytest.fixture(scope="module", params=DOORS)
def closed(request, aws_url, tmp_path_factory) -> Iterator[Site]:
    """The whole process under watch."""
    folder = tmp_path_factory.mktemp("site") / "one"
    variables = {"SHADOW_GUARD": "block", "SHADOW_GUARD_SCOPE": "process"}
    with running_site(request.param, folder, aws_url, **variables) as site:
        yield site
