from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shadow_mw.redaction import Redactor

CANARY = "canary-7f3a"
redactor = Redactor(["password", "API_key"])
secret_keys = st.sampled_from(["password", "Password", "PASSWORD", "api_key", "Api_Key"])
secrets = st.sampled_from([CANARY, [CANARY], {"x": [{"y": CANARY}]}])
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
innocent = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.lists(innocent, max_size=2), inner).map(lambda both: [*both[0], both[1]]) | st.tuples(
        st.dictionaries(st.text(max_size=5), innocent, max_size=2), st.text(max_size=5), inner
    ).map(lambda three: {**three[0], three[1]: three[2]})


planted = st.recursive(st.tuples(secret_keys, secrets).map(lambda item: dict([item])), wrapped, max_leaves=5)


@given(value=planted)
@settings(deadline=None)
def test_a_planted_canary_is_gone_and_the_input_is_as_it_was(value: Any) -> None:
    before = copy.deepcopy(value)
    redacted = redactor(value)
    assert CANARY not in json.dumps(redacted)
    assert "[redacted]" in json.dumps(redacted)
    assert value == before


@given(value=innocent)
@settings(deadline=None)
def test_the_same_object_comes_back_where_nothing_is_redacted(value: Any) -> None:
    assert Redactor(["a key longer than any"])(value) is value
    assert Redactor([])(value) is value


def test_everything_else_stays_in_order() -> None:
    value = {"b": 1, "password": {"old": 1}, "a": [{"API_KEY": None, "n": [1]}, 2], "passwords": 3}
    expected = {
        "b": 1,
        "password": "[redacted]",
        "a": [{"API_KEY": "[redacted]", "n": [1]}, 2],
        "passwords": 3,
    }
    assert json.dumps(redactor(value)) == json.dumps(expected)


@pytest.mark.parametrize("value", ["password", b"password", None, 3, [], {}])
def test_what_has_no_keys_stays(value: Any) -> None:
    assert redactor(value) is value


def test_nesting_far_beyond_the_stack() -> None:
    value: Any = {"password": CANARY}
    for _ in range(50_000):
        value = [value]
    redacted = redactor(value)
    while isinstance(redacted, list):
        redacted = redacted[0]
    assert redacted == {"password": "[redacted]"}
