"""Fates: what is to happen to which values, as `password, card=mask, user.email=hash, debug=drop` says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import get_args

import msgspec

from shadow_mw.places import Fate, Path

#: The later one counts where two are said of one place.
FATES: tuple[Fate, ...] = get_args(Fate)

_CLOSING = {"[": "]", "(": ")", "{": "}"}
_KEY = re.compile(r"""[^\s.\[\]*?"'`(){}|&!<>=,@][^.\[\]*?"'`(){}|&!<>=,]*""")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)+"')


class Entry(msgspec.Struct, frozen=True):
    """One item of the list: a key, or a path, and its fate. Immutable."""

    key: str
    """In lower case; empty where there is a path."""
    path: str
    fate: Fate

    def __str__(self) -> str:
        """As it stands in the setting."""
        name = self.path or (
            self.key if _KEY.fullmatch(self.key) else json.dumps(self.key, ensure_ascii=False)
        )
        return name if self.fate == "mask" else f"{name}={self.fate}"


def parse_entry(text: str) -> Entry:
    """One item: a key's name, which may be quoted, or a JMESPath that denotes places; then perhaps `=fate`.

    Raises:
        ValueError: it is neither, or its fate is not known.

    """
    name, fate = _parted(text)
    if _KEY.fullmatch(name):
        return Entry(name.lower(), "", fate)
    if _QUOTED.fullmatch(name):
        return Entry(_unquoted(name).lower(), "", fate)
    Path(name)
    return Entry("", name, fate)


def split_entries(text: str) -> Iterator[str]:
    """The items between commas and newlines, but for those that stand in brackets or quotes."""
    begin = 0
    for position, character in _outside(text):
        if character in ",\n":
            yield text[begin:position]
            begin = position + 1
    yield text[begin:]


def _parted(text: str) -> tuple[str, Fate]:
    equals = [position for position, character in _outside(text) if character == "="]
    if not equals:
        return text.strip(), "mask"
    name, fate = text[: equals[-1]].strip(), text[equals[-1] + 1 :].strip().lower()
    if not name or fate not in FATES:
        raise ValueError(
            f"{text.strip()!r} does not say what happens: write KEY or PATH, then nothing or =mask, =hash or "
            "=drop, as in user.email=hash"
        )
    return name, fate


def _unquoted(name: str) -> str:
    try:
        return str(json.loads(name))
    except ValueError:
        raise ValueError(f"{name} is no quoted name of a key: write it as JSON has it") from None


def _outside(text: str) -> Iterator[tuple[int, str]]:
    """The characters that stand in no brackets and in no quotes of JMESPath, with their positions."""
    closing: list[str] = []
    quote = ""
    is_escaped = False
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote and not is_escaped else quote
            is_escaped = character == "\\" and not is_escaped
        elif character in "\"'`":
            quote = character
        elif character in _CLOSING:
            closing.append(_CLOSING[character])
        elif closing and character == closing[-1]:
            closing.pop()
        elif not closing:
            yield position, character
