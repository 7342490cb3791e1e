from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow_mw.compare.choice import make_comparator
from shadow_mw.compare.ignored import IGNORED, IgnoredPaths
from shadow_mw.exceptions import SettingsError
from shadow_mw.protocols import Pair

TOKENS = {
    "a": "/a",
    "b": "/b",
    "[0]": "/0",
    "[1]": "/1",
    "*": "/[^/]+",
    "[*]": "/[^/]+",
    "**": "(?:/[^/]+)*",
}
tokens = st.sampled_from(list(TOKENS))
patterns = st.lists(tokens, min_size=1, max_size=5).filter(lambda pattern: set(pattern) != {"**"})
ways = st.lists(st.sampled_from(["a", "b", "c", 0, 1, 2]), max_size=6)


def is_ignored(texts: list[str], parts: list[str | int]) -> bool:
    ignored = IgnoredPaths(texts)
    state = ignored.start
    for part in parts:
        if state is not IGNORED:
            state = ignored.enter(state, part)
    return state is IGNORED


@given(chosen=st.lists(patterns, max_size=3), parts=ways)
@settings(deadline=None)
def test_patterns_match_like_regular_expressions(chosen: list[list[str]], parts: list[str | int]) -> None:
    texts = ["".join(t if t.startswith("[") else "." + t for t in pattern).lstrip(".") for pattern in chosen]
    way = "".join(f"/{part}" for part in parts)
    expected = any(re.match("".join(map(TOKENS.get, p)) + "(?:/.*)?$", way) for p in chosen)  # type: ignore[arg-type]  # every token is a key
    assert is_ignored(texts, parts) is expected


@pytest.mark.parametrize(
    ("pattern", "production", "shadow"),
    [
        ("id", {"id": 1}, {"id": 2}),
        ("id", {"id": 1}, {}),
        ("$.id", {}, {"id": {"a": [1]}}),
        ("meta.created_at", {"meta": {"created_at": 1, "x": 2}}, {"meta": {"created_at": 5, "x": 2}}),
        ("items[*].id", {"items": [{"id": 1}, {"id": 2}]}, {"items": [{"id": 3}, {"id": 4}]}),
        ("items[1]", {"items": [1, 2]}, {"items": [1, 3]}),
        ("items[*]", {"items": [1, 2]}, {"items": []}),
        ("*.ms", {"a": {"ms": 1}, "b": {"ms": 2}}, {"a": {"ms": 3}, "b": {"ms": 4}}),
        (
            "**.timestamp",
            {"timestamp": 1, "a": [{"timestamp": 2}]},
            {"timestamp": 3, "a": [{"timestamp": 4}]},
        ),
        ('["a.b"][0]', {"a.b": [1]}, {"a.b": [2]}),
        ("$id", {"$id": 1}, {"$id": 2}),
        ("[0]", [1], [2]),
    ],
)
def test_ignored_differences_do_not_count(pattern: str, production: object, shadow: object) -> None:
    for name in ("exact", "close"):
        without = make_comparator(name, rtol=0, atol=0, ignore=())
        assert without.compare(Pair(production, shadow)).verdict == "disagree"
        judgement = make_comparator(name, rtol=0, atol=0, ignore=[pattern]).compare(Pair(production, shadow))
        assert (judgement.verdict, judgement.delta or 0) == ("agree", 0)


def test_what_is_not_ignored_still_counts() -> None:
    exact = make_comparator("exact", rtol=0, atol=0, ignore=["items[*].id", "id"])
    pair = Pair({"id": 1, "items": [{"id": 1, "x": 1}]}, {"id": 2, "items": [{"id": 2, "x": 2}]})
    assert exact.compare(pair).diff_paths == ("$.items[0].x",)


@pytest.mark.parametrize(
    "pattern", ["", "a..b", "a[", "a[x]", "a[-1]", "a]", ".", "$", "**", "foo*", "a['b']", '["\\x"]']
)
def test_a_bad_pattern_names_the_setting_and_the_mend(pattern: str) -> None:
    with pytest.raises(SettingsError, match=r"SHADOW_IGNORE: .*items\[\*\]\.id"):
        make_comparator("label", rtol=0, atol=0, ignore=[pattern])
