"""The gate over HTTP: limits from a query, and an answer that Argo Rollouts and Flagger understand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from shadow_mw.analysis.criteria import Criteria, load_criteria
from shadow_mw.analysis.decision import Decision
from shadow_mw.exceptions import SettingsError

_UNITS_US = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_SPAN = re.compile(r"(\d{1,6})([smhd])")
#: Flagger goes on at 2xx and waits or rolls back at everything else; Argo Rollouts reads the body.
STATUS = {"promote": 200, "hold": 409, "not enough data": 425}


def read_criteria(query: Mapping[str, str], defaults: Criteria) -> Criteria:
    """The criteria that a query names (`min_agreement=0.99`, dashes too), the rest as in `defaults`.

    Raises:
        SettingsError: a limit is no number, or out of its range.

    """
    named = {key.replace("-", "_"): value for key, value in query.items() if value}
    given = {name: named.get(name, getattr(defaults, name)) for name in Criteria.__struct_fields__}
    return load_criteria(given)


def read_last_us(query: Mapping[str, str]) -> int | None:
    """The length of the recent window, `last=24h`, in microseconds; None where none is asked for.

    Raises:
        SettingsError: it is no such length.

    """
    text = query.get("last", "")
    if not text:
        return None
    found = _SPAN.fullmatch(text)
    if found is None or not int(found[1]):
        raise SettingsError(f"last is {text!r}: write a number and s, m, h or d, as in 24h")
    return int(found[1]) * _UNITS_US[found[2]]


def gate_answer(decision: Decision) -> dict[str, Any]:
    """The decision as JSON: `verdict` in words, `result` true for promote alone."""
    return {
        "verdict": decision.verdict,
        "result": decision.verdict == "promote",
        "sentence": decision.sentence,
        "shadow": decision.shadow,
        "criteria": msgspec.to_builtins(decision.criteria),
    }
