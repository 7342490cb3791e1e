"""Attribute values as an exporter takes them."""

from __future__ import annotations

import enum

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.telemetry.attributes import MAX_BYTES, plain, text, url_attributes


class Word(str, enum.Enum):
    YES = "yes"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (3, 3),
        (0.5, 0.5),
        ("a", "a"),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.datetime64("2020-01-01"), "2020-01-01"),
        (Word.YES, "yes"),
        ([1, 2], "[1, 2]"),
        (np.array([1, 2]), "[1 2]"),
        (None, "None"),
    ],
)
def test_values_turn_plain(value, expected):
    assert plain(value) == expected
    assert type(plain(value)) is type(expected)


@given(st.text(st.characters(), max_size=3000), st.integers(0, 3000))
def test_texts_fit_and_encode(value, characters):
    cut = text(value, characters)
    assert len(cut.encode()) <= MAX_BYTES
    assert len(cut) <= characters
    assert value.encode("utf-8", "replace").startswith(cut.encode())


@pytest.mark.parametrize(
    ("url", "full", "address", "port"),
    [
        ("http://shadow:8001/predict", "http://shadow:8001/predict", "shadow", 8001),
        ("https://shadow/predict?token=s#f", "https://shadow/predict", "shadow", 443),
        ("http://user:pw@shadow/", "http://shadow/", "shadow", 80),
        ("http://[::1]:8001/p", "http://[::1]:8001/p", "::1", 8001),
    ],
)
def test_urls(url, full, address, port):
    assert url_attributes(url) == {"url.full": full, "server.address": address, "server.port": port}


def test_what_is_no_http_url_keeps_its_text_only():
    assert url_attributes("python:models.forest:predict") == {"url.full": "python:models.forest:predict"}


@given(st.text())
def test_no_url_raises(url):
    url_attributes(url)
    url_attributes(f"http://{url}")
