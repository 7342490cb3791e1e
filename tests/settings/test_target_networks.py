"""`SHADOW_TARGET_NETWORKS` and what is written in `SHADOW_TARGETS`."""

from __future__ import annotations

import logging

import pytest

from shadow_mw import ShadowMiddleware
from shadow_mw.exceptions import SettingsError
from shadow_mw.settings import load_settings


def settings(targets: str, networks: str, **more: str):
    return load_settings(targets=targets, target_networks=networks, routes="POST /predict", **more)


@pytest.mark.fault("foreign-network")
@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://10.1.2.3:9000", "10.1.2.3"),
        ("https://10.1.2.3", "10.1.2.3"),
        ("http://167838211", "10.1.2.3"),
        ("http://0x0a010203", "10.1.2.3"),
        ("http://012.1.02.3", "10.1.2.3"),
        ("http://10.66051", "10.1.2.3"),
        ("http://[::ffff:10.1.2.3]", "::ffff:10.1.2.3"),
        ("http://[fd00::1]", "fd00::1"),
        ("http://[::]", "::"),
        ("http://0.0.0.0:9000", "0.0.0.0"),
        ("http://0", "0.0.0.0"),
        ("http://169.254.169.254", "where clouds keep credentials"),
    ],
)
def test_an_address_elsewhere_is_refused_at_the_start(url, address):
    with pytest.raises(SettingsError) as caught:
        settings(f"forest={url}", "127.0.0.0/8, ::1, 192.168.0.0/16")
    assert address in str(caught.value)
    with pytest.raises(SettingsError):
        settings("http://127.0.0.1", "127.0.0.0/8, ::1, 192.168.0.0/16", control=url)
    if "credentials" not in address:
        assert "which is not in SHADOW_TARGET_NETWORKS (127.0.0.0/8, ::1/128, 192.168.0.0/16)" in str(
            caught.value
        )
        assert settings(url, "").targets


@pytest.mark.parametrize(
    ("url", "networks"),
    [
        ("http://10.1.2.3", "10.0.0.0/8"),
        ("http://[::ffff:10.1.2.3]", "10.0.0.0/8"),
        ("http://[fd00::1]", "10.0.0.0/8\nfd00::/8"),
        ("http://127.0.0.1", "127.0.0.1"),
        ("http://a.name", "10.0.0.0/8"),
        ("python:models:predict", "10.0.0.0/8"),
    ],
)
def test_what_is_inside_is_taken(url, networks):
    assert settings(url, networks).targets[0].url == url


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        ("10.0.0.1/8", "'10.0.0.1/8' is not a network, but an address in one: write 10.0.0.0/8"),
        ("local", "'local' is not a network: write 10.0.0.0/8, fd00::/8 or one address"),
        ("10.0.0.0/33", "is not a network"),
    ],
)
def test_a_network_that_is_none_is_refused_with_a_sentence(networks, says):
    with pytest.raises(SettingsError) as caught:
        settings("http://10.1.2.3", networks)
    assert "SHADOW_TARGET_NETWORKS" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_told"),
    [
        ("http://8.8.8.8", True),
        ("http://134744072", True),
        ("http://[2001:4860:4860::8888]", True),
        ("http://[::ffff:8.8.8.8]", True),
        ("https://8.8.8.8", False),
        ("http://10.1.2.3", False),
        ("http://127.0.0.1", False),
        ("http://100.64.0.1", False),
        ("http://[fd00::1]", False),
        ("http://a.name", False),
    ],
)
def test_what_is_sent_in_the_clear_through_public_networks_is_one_warning(caplog, url, is_told):
    with caplog.at_level(logging.WARNING, "shadow_mw"):
        ShadowMiddleware(None, targets=f"forest={url}", routes="POST /predict")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == is_told, lines
    assert all(f"the shadow forest at {url} is asked in the clear" in line for line in lines)
