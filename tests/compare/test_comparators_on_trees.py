from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from json_trees import changed_trees, trees

from shadow_mw.compare.choice import make_comparator
from shadow_mw.protocols import Comparator, Pair


def comparator(name: str, *ignore: str) -> Comparator:
    return make_comparator(name, rtol=1e-5, atol=1e-8, ignore=ignore)


@pytest.mark.parametrize("name", ["exact", "close"])
@given(tree=trees)
@settings(deadline=None)
def test_a_copy_agrees(name: str, tree: Any) -> None:
    judgement = comparator(name).compare(Pair(tree, copy.deepcopy(tree)))
    assert (judgement.verdict, judgement.diff_paths) == ("agree", ())


@given(tree=trees)
@settings(deadline=None)
def test_a_copy_has_the_same_labels_if_any(tree: Any) -> None:
    judgement = comparator("label").compare(Pair(tree, copy.deepcopy(tree)))
    assert judgement.verdict == ("incomparable" if judgement.reason else "agree")
    for label in (judgement.production_label, judgement.shadow_label):
        assert label is None or label.encode().decode() == label


@pytest.mark.parametrize("name", ["exact", "close"])
@given(change=changed_trees())
@settings(deadline=None)
def test_one_change_is_reported_at_its_path(name: str, change: tuple[Any, Any, str]) -> None:
    tree, other, path = change
    for pair in (Pair(tree, other), Pair(other, tree)):
        judgement = comparator(name).compare(pair)
        assert (judgement.verdict, judgement.diff_paths) == ("disagree", (path,))


@pytest.mark.parametrize("name", ["exact", "close"])
@given(change=changed_trees())
@settings(deadline=None)
def test_a_reported_path_can_be_ignored(name: str, change: tuple[Any, Any, str]) -> None:
    tree, other, path = change
    assert comparator(name, path).compare(Pair(tree, other)).verdict == "agree"


@pytest.mark.parametrize("name", ["exact", "close"])
@pytest.mark.parametrize(
    ("production", "shadow", "paths"),
    [
        ({"a": 1}, {"a": 1.0}, ()),
        ({"a": 1}, {"a": True}, ("$.a",)),
        ({"a": 0}, {"a": False}, ("$.a",)),
        ({"a": 1}, {"a": "1"}, ("$.a",)),
        ({"a": None}, {}, ("$.a",)),
        ({}, {"a": None}, ("$.a",)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ()),
        ([1, 2], [1, 2, 3], ("$[2]",)),
        ([1, 2, 3], [1], ("$[1]", "$[2]")),
        ([], {}, ("$",)),
        ({"a": []}, {"a": {}}, ("$.a",)),
        (None, None, ()),
        ("a", "b", ("$",)),
        ({"a b": {"größe": [0]}}, {"a b": {"größe": [1]}}, ('$["a b"].größe[0]',)),
    ],
)
def test_rules_of_json(name: str, production: Any, shadow: Any, paths: tuple[str, ...]) -> None:
    judgement = comparator(name).compare(Pair(production, shadow))
    assert judgement.diff_paths == paths
    assert judgement.verdict == ("disagree" if paths else "agree")


@pytest.mark.parametrize("name", ["exact", "close"])
def test_at_most_twenty_paths_are_kept(name: str) -> None:
    judgement = comparator(name).compare(Pair(["a"] * 30, ["b"] * 30))
    assert judgement.diff_paths == tuple(f"$[{index}]" for index in range(20))


@pytest.mark.parametrize("name", ["exact", "close"])
@pytest.mark.parametrize("ignore", [(), ("**.x",)])
def test_nesting_far_beyond_the_stack_is_compared(name: str, ignore: tuple[str, ...]) -> None:
    def nested(leaf: Any) -> Any:
        value = leaf
        for level in range(20_000):
            value = {"a": value} if level % 2 else [value]
        return value

    assert comparator(name, *ignore).compare(Pair(nested(1), nested(1))).verdict == "agree"
    judgement = comparator(name, *ignore).compare(Pair(nested(1), nested("b")))
    assert judgement.verdict == "disagree"
    assert judgement.diff_paths[0].startswith("$.a[0].a[0]")
    assert len(judgement.diff_paths[0]) <= 256


def test_exact_compares_bytes() -> None:
    assert comparator("exact").compare(Pair(b"\x00", b"\x00")).verdict == "agree"
    assert comparator("exact").compare(Pair(b"\x00", b"\x01")).verdict == "disagree"
    assert comparator("exact").compare(Pair("a", b"a")).verdict == "disagree"
