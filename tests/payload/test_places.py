"""What paths hide: the places that JMESPath finds, whatever the body, and nothing else."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
from typing import Any

import jmespath
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shadow_mw.fates import parse_entry, split_entries
from shadow_mw.redaction import REDACTED, Redactor

KEY = "0123456789abcdef-key"
CANARY = "canary-7f3a"
BODY: dict[str, Any] = {
    "user": {"email": "a@b", "codes": [1, 2, 3]},
    "items": [{"id": 1, "x": None, "type": "card"}, {"id": 2, "x": 5}],
    "tags": [["p", "q"], "r"],
    "Password": "zz",
}


def hidden(entry: str, value: Any = BODY) -> Any:
    before = copy.deepcopy(value)
    redacted = Redactor(split_entries(entry), KEY)(value)
    assert value == before
    return redacted


@pytest.mark.parametrize(
    ("entry", "change"),
    [
        ("password", {"Password": REDACTED}),
        ("user.email", {"user": {"email": REDACTED, "codes": [1, 2, 3]}}),
        ("user.email=drop", {"user": {"codes": [1, 2, 3]}}),
        ("user.codes[-1], user.codes[0]=drop", {"user": {"email": "a@b", "codes": [None, 2, REDACTED]}}),
        ("user.codes[1:]", {"user": {"email": "a@b", "codes": [1, REDACTED, REDACTED]}}),
        ("*.email", {"user": {"email": REDACTED, "codes": [1, 2, 3]}}),
        ("@.user=mask", {"user": REDACTED}),
        ("items[*].id", {"items": [{"id": REDACTED, "x": None, "type": "card"}, {"id": REDACTED, "x": 5}]}),
        ("items[*].x", {"items": [{"id": 1, "x": REDACTED, "type": "card"}, {"id": 2, "x": REDACTED}]}),
        ("items[*].x | [0]", {"items": [{"id": 1, "x": None, "type": "card"}, {"id": 2, "x": REDACTED}]}),
        (
            "items[?type=='card'].id",
            {"items": [{"id": REDACTED, "x": None, "type": "card"}, {"id": 2, "x": 5}]},
        ),
        ("items[?id==`2` && x > `1`]", {"items": [{"id": 1, "x": None, "type": "card"}, REDACTED]}),
        ("tags[]", {"tags": [[REDACTED, REDACTED], REDACTED]}),
        ("tags[0][1]=drop", {"tags": [["p", None], "r"]}),
        ("tags[0]=hash, tags[0][0]", {"tags": ["hmac:7b8b6c1d", "r"]}),
        ('"Password"', {"Password": REDACTED}),
        ("email=hash, user.email", {"user": {"email": REDACTED, "codes": [1, 2, 3]}}),
        ("PASSWORD=hash, user.nothing, items[7], [0]", {"Password": "hmac:"}),
    ],
)
def test_a_path_hides_what_it_finds(entry: str, change: dict[str, Any]) -> None:
    expected = json.loads(json.dumps({**BODY, **change}))
    found = json.loads(json.dumps(hidden(entry)))
    assert _without_digits(found) == _without_digits(expected)


def _without_digits(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_digits(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_digits(item) for item in value]
    return "hmac:" if isinstance(value, str) and value.startswith("hmac:") else value


def test_a_hash_is_what_anybody_with_the_key_computes() -> None:
    digest = hmac.new(KEY.encode(), b'"a@b"', hashlib.sha256).hexdigest()
    assert hidden("email=hash", {"email": "a@b"}) == {"email": f"hmac:{digest[:16]}"}
    assert hidden("x=hash", {"x": {"b": 1, "a": 2.0}}) == hidden("x=hash", {"x": {"a": 2, "b": 1.0}})
    assert hidden("x=hash", {"x": 1}) != hidden("x=hash", {"x": "1"}) != hidden("x=hash", {"x": True})
    once = hidden("email=hash", {"email": "a@b"})
    assert hidden("email=hash", once) == once, "what is hashed already stays"
    assert Redactor(["x=hash"])({"x": 1}) == {"x": REDACTED}, "without a key it is masked"


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("a=mas", "write KEY or PATH"),
        ("=drop", "write KEY or PATH"),
        ("a || b", "makes a new value"),
        ("keys(@)", "makes a new value"),
        ("[a,b]", "makes a new value"),
        ("{a: b}", "makes a new value"),
        ("items[*].[a,b]", "makes a new value"),
        ("`1`", "makes a new value"),
        ("!a", "makes a new value"),
        ("a.b[", "is not JMESPath"),
        ("a['", "is not JMESPath"),
        ("a[::0]", "step of 0"),
        ('"\\q"', "no quoted name"),
        ("[" * 50_000, "nested too deep"),
    ],
)
def test_what_denotes_no_place_is_refused(entry: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_entry(entry)


def test_commas_in_brackets_and_quotes_part_nothing() -> None:
    text = "a, items[?x=='p,q' || y=='\\'],'].z=hash\n\"k,l\"=drop,items[?contains([`1`,`2`], id)].n"
    assert list(split_entries(text)) == [
        "a",
        " items[?x=='p,q' || y=='\\'],'].z=hash",
        '"k,l"=drop',
        "items[?contains([`1`,`2`], id)].n",
    ]
    assert [str(parse_entry(item)) for item in split_entries(text)][2] == '"k,l"=drop'


def test_where_a_filter_trips_everything_is_hidden() -> None:
    assert hidden("items[?contains(type, 'card')].id", {"items": [{"type": 3}], "other": 1}) == REDACTED


def test_nesting_far_beyond_the_stack() -> None:
    deep: Any = {"password": CANARY}
    for _ in range(50_000):
        deep = [deep]
    for entry in ("a=drop, b", "a[*]", "a.*", "a[]"):
        assert Redactor(split_entries(entry), KEY)({"a": 1, "c": deep}).get("c") is not None
    assert hidden_deep("a=hash", deep) == REDACTED, "what can't be hashed is masked"
    assert hidden_deep("a", deep) == REDACTED


def hidden_deep(entry: str, deep: Any) -> Any:
    return Redactor([entry], KEY)({"a": deep})["a"]


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["p", "q", "[redacted]", ""])
names = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
steps = st.sampled_from(
    [".a", ".b", ".*", "[0]", "[-1]", "[*]", "[1:]", "[::-1]", "[]", "[?a]", "[?b=='p']", "[?@ > `0`]",
     " | [0]", " | @", "[?!a]", "[?length(@) > `1`]"]
)  # fmt: skip
paths = st.tuples(st.sampled_from(["@.a", "@.b", "*", "@", "[*]", "[0]"]), st.lists(steps, max_size=4)).map(
    lambda both: both[0] + "".join(both[1])
)


def found_by(path: str, value: Any) -> list[Any]:
    """What JMESPath itself finds, as the leaves of its result."""
    try:
        return list(leaves(jmespath.search(path, value)))
    except Exception:
        return []


def leaves(value: Any) -> Any:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


@given(path=paths, value=values, data=st.data())
@settings(deadline=None, max_examples=200)
def test_no_value_that_jmespath_finds_survives(path: str, value: Any, data: Any) -> None:
    """Each leaf of the value is made one of its kind first, so that it is known where it went."""
    marked = numbered(value)
    expected = {leaf for leaf in found_by(path, marked) if leaf is not None}
    fate = data.draw(st.sampled_from(["mask", "hash", "drop"]))
    redacted = Redactor([f"{path}={fate}"], KEY)(marked)
    left = set(leaves(redacted))
    assert not expected & left
    if redacted != REDACTED:
        assert {leaf for leaf in leaves(marked) if leaf is not None} - expected <= left


def numbered(value: Any, prefix: str = "leaf") -> Any:
    if isinstance(value, dict):
        return {key: numbered(item, f"{prefix}-{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [numbered(item, f"{prefix}-{number}") for number, item in enumerate(value)]
    return None if value is None else prefix


@given(text=st.text(alphabet="ab.*[]()?@|&!'\"`{}:,=<>\\ 0-1\n", max_size=25) | paths, value=values)
@example(text="`x`", value={})
@settings(deadline=None, max_examples=200)
def test_any_text_is_refused_with_a_sentence_or_hides_without_an_error(text: str, value: Any) -> None:
    try:
        redactor = Redactor(split_entries_of(text), KEY)
    except ValueError:
        return
    redactor(value)
    list(redactor.hidden(value))
    assert [parse_entry(str(parse_entry(item))) for item in split_entries_of(text)] == [
        parse_entry(item) for item in split_entries_of(text)
    ]


def split_entries_of(text: str) -> list[str]:
    return [item for item in split_entries(text) if item.strip()]
