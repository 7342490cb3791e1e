"""Segments: which slices of the features an exchange belongs to."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_trees import trees

from shadow_mw.redaction import Redactor
from shadow_mw.segments import segments_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("NL", "NL"),
        ("", "(empty)"),
        (True, "true"),
        (None, "null"),
        (0, "0"),
        (-0.0, "0"),
        (1, "1 to 2"),
        (1.99, "1 to 2"),
        (3, "2 to 5"),
        (10, "10 to 20"),
        (-3, "-5 to -2"),
        (-2, "-5 to -2"),
        (0.03, "0.02 to 0.05"),
        (1e-9, "0 to 0.000001"),
        (123_456, "100000 to 200000"),
        (10**400, "5000000000000 or more"),
        (-math.inf, "-5000000000000 or less"),
        (math.nan, "NaN"),
        ("self-employed", "self-employed"),
        ("New York", "New York"),
        ("v1.2", "v1.2"),
    ],
)
def test_a_scalar_field_is_a_segment(value: Any, text: str) -> None:
    assert segments_of({"field": value}) == {"field": text}


@pytest.mark.parametrize(
    "features",
    [
        {"session": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"},
        {"digest": "9f86d081884c7d659a2feaa0"},
        {"account": "00418276"},
        {"iban": "NL91ABNA0417164300"},
        {"mail": "a.person@example.org"},
        {"when": "2026-01-31T12:00:00Z"},
        {"call": "+31 20 123 4567"},
        {"page": "https://example.org/x"},
        {"user_id": 418_276},
        {"customerId": 5},
        {"id": 5},
        {"last_name": "Jansen"},
        {"a" * 61: "a name that is data"},
        {"comment": "a text that is longer than forty characters is none"},
        {"nested": {"a": 1}, "list": [1, 2]},
        [{"country": "NL"}],
        ["NL", "BE"],
        "text",
        b"bytes",
        None,
    ],
)
def test_what_names_one_thing_or_is_no_scalar_is_left_out(features: Any) -> None:
    assert segments_of(features) == {}


def test_redacted_values_never_appear() -> None:
    features = Redactor(["token", "plan"])({"token": "gold", "plan": "gold", "country": "NL"})
    assert segments_of(features) == {"country": "NL"}
    assert segments_of(features, {"plan": "plan", "token": "token"}) == {}


def test_at_most_twelve_and_sorted() -> None:
    found = segments_of({f"f{index:02}": "x" for index in reversed(range(40))})
    assert list(found) == [f"f{index:02}" for index in range(12)]


def test_paths_name_the_segments() -> None:
    features = {"user": {"country": "NL", "age": 44, "tags": ["a", "b"]}, "user_id": "u-1", "text": "x" * 99}
    paths = {"country": "user.country", "age": "user.age", "tags": "length(user.tags)", "who": "user_id"}
    assert segments_of(features, paths) == {
        "age": "20 to 50",
        "country": "NL",
        "tags": "2 to 5",
        "who": "u-1",
    }
    assert segments_of(features, {"none": "no.such", "all": "user", "odd": "length(user.age)"}) == {}
    assert segments_of(features, {"text": "text"}) == {"text": "x" * 39 + "…"}


def test_a_batch_has_the_segments_that_a_path_finds() -> None:
    features = {"instances": [{"country": "NL"}, {"country": "BE"}], "client": "web"}
    assert segments_of(features["instances"]) == {}
    assert segments_of(features, {"client": "client", "country": "instances[*].country"}) == {"client": "web"}


@given(features=trees)
@settings(deadline=None)
def test_anything_gives_few_short_texts(features: Any) -> None:
    for paths in (None, {"a": "@", "b": "a", "c": "[0]"}):
        found = segments_of(features, paths)
        assert len(found) <= 12
        for name, text in found.items():
            assert text
            assert len(text.encode()) <= 400
            assert name.encode().decode() == name


@given(low=st.floats(allow_nan=False), high=st.floats(allow_nan=False))
@settings(deadline=None)
def test_bins_do_not_overlap(low: float, high: float) -> None:
    middle = min(max(low / 2 + high / 2, min(low, high)), max(low, high))  # halves of the least are 0
    ends = [segments_of({"x": value})["x"] for value in sorted([low, high])]
    if ends[0] == ends[1]:
        assert segments_of({"x": middle})["x"] == ends[0]
