"""The gate over HTTP: limits from a query, and an answer that Argo Rollouts and Flagger understand."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from shadow_mw.analysis.criteria import Criteria, load_criteria
from shadow_mw.analysis.decision import Decision
from shadow_mw.exceptions import SettingsError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LENGTH = re.compile(r"(\d{1,6})([smhdw])")
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


def read_last_seconds(query: Mapping[str, str]) -> float | None:
    """The length of the second window, as in `last=24h`; None where none is asked for.

    Raises:
        SettingsError: it is no such length.

    """
    text = query.get("last", "")
    if not text:
        return None
    found = _LENGTH.fullmatch(text)
    if found is None or not int(found[1]):
        raise SettingsError(f"last is {text!r}: write 90s, 30m, 24h, 7d or 2w")
    return float(found[1]) * _UNITS[found[2]]


def gate_answer(decision: Decision) -> bytes:
    """The decision as JSON: `verdict` in words, `result` true for promote alone; no bound is null."""
    return msgspec.json.encode(
        {
            "verdict": decision.verdict,
            "result": decision.verdict == "promote",
            "sentence": decision.sentence,
            "shadow": decision.shadow,
            "criteria": decision.criteria,
        }
    )
