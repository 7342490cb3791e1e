"""Sentences on what went wrong, without the values that are hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from shadow_mw.redaction import REDACTED

_MAX_CHARS = 300
#: A sentence may have been cut in the middle of a value; so much of it is taken for the value.
_TELLING_CHARS = 8
_FEWEST_CHARS = 4
#: Beyond so many hidden values nothing but the kind of the error is kept.
_MOST_VALUES = 10_000
_RAISED = re.compile(r"(the (?:comparator|model) raised \w+):.*", re.DOTALL)


def sentence(text: str) -> str:
    """Short, and free of lone surrogates, which no record can carry."""
    return text[:_MAX_CHARS].encode("utf-8", "replace").decode()


def kind_of(text: str) -> str:
    """What is said of an error of a model's or comparator's without its own words."""
    return _RAISED.sub(r"\1", text)


def scrubbed(text: str, hidden: Iterable[Any]) -> str:
    """The text with `[redacted]` in place of each hidden value, whole or cut.

    Text of less than four characters and words of JSON are looked for as whole words.
    """
    texts: set[str] = set()
    for value in hidden:
        texts.update(_forms(value))
        if len(texts) > _MOST_VALUES:
            return kind_of(text)
    for form in sorted(texts, key=len, reverse=True):
        if len(form) < _FEWEST_CHARS or form in ("true", "false", "null"):
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", REDACTED, text)
        else:
            text = _without(text, form)
    return text


def _forms(value: Any) -> Iterable[str]:
    """The ways in which a scalar may stand in a sentence."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return {json.dumps(value), str(value)} if value is not None else set()
    plain = {value, " ".join(value.split()), repr(value)[1:-1], json.dumps(value)[1:-1]}
    return plain - {""}


def _without(text: str, form: str) -> str:
    begin = text.find(form[:_TELLING_CHARS])
    while begin >= 0:
        end = begin
        while end < len(text) and end - begin < len(form) and text[end] == form[end - begin]:
            end += 1
        text = text[:begin] + REDACTED + text[end:]
        begin = text.find(form[:_TELLING_CHARS], begin + len(REDACTED))
    return text
