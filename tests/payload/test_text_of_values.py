"""The text of a value says the value, whichever encoder wrote it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shadow_mw.payload import encode_text
from shadow_mw.redaction import REDACTED, Redactor

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner), max_leaves=20
)
KEYS = st.sampled_from(["name", "Token", "tOKEN", "\u212aey", "key", "\u017fecret", "secret", "null"])


@given(value=VALUES)
@settings(deadline=None, max_examples=100)
def test_it_can_be_read_back(value: Any) -> None:
    text, is_cut = encode_text(value, 10**9)
    assert not is_cut
    assert json.dumps(json.loads(text)) == json.dumps(value)


@given(
    value=st.recursive(
        SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=20
    )
)
@settings(deadline=None, max_examples=100)
def test_redaction_finds_every_key_in_upper_and_lower_case(value: Any) -> None:
    def expected(item: Any) -> Any:
        if isinstance(item, dict):
            secrets = ("token", "key", "secret")
            return {k: REDACTED if k.lower() in secrets else expected(v) for k, v in item.items()}
        return [expected(child) for child in item] if isinstance(item, list) else item

    redacted = Redactor(["TOKEN", "key", "secret"])(value)
    assert json.dumps(redacted) == json.dumps(expected(value))
