"""The report: the decision on each shadow of a store, and all that it rests on."""

from __future__ import annotations

import argparse
import time

import msgspec

from shadow_mw.analysis.analysis import Analysis, analyse
from shadow_mw.analysis.choice import chosen_shadow, shadow_names
from shadow_mw.analysis.criteria import Criteria, load_criteria
from shadow_mw.analysis.decision import Decision, decide
from shadow_mw.analysis.restraint import held_back_now
from shadow_mw.exceptions import SettingsError
from shadow_mw.protocols import Reader
from shadow_mw.questions import Listed, listing, pulses, seen
from shadow_mw.scope import Scope

LISTED = 5
"""How many of the most divergent exchanges are listed."""


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """All about one shadow, with the gate's decision. Immutable."""

    shadow: str
    decision: Decision
    analysis: Analysis
    held_back: str = ""
    """What is mirrored at this moment and why it is not all, as a sentence; empty where it is all."""
    disagreements: tuple[Listed, ...]
    """The most divergent, then the latest; at most five."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a store says of its shadows, in the order of their names. Immutable."""

    shadows: tuple[ShadowReport, ...]


def read_report(reader: Reader, scopes: tuple[Scope, ...]) -> Report:
    """The report over some scopes, each held against the criteria of the settings.

    Raises:
        SettingsError: a `SHADOW_GATE_*` variable is wrong.
        StoreError: the store could not be read.
        MissingExtraError: numpy or scipy is not installed.

    """
    criteria = load_criteria({})
    return Report(shadows=tuple(_shadow_report(reader, scope, criteria) for scope in scopes))


def scopes(reader: Reader, arguments: argparse.Namespace) -> tuple[Scope, ...]:
    """The scopes that `--shadow --route --since --until` name: one a shadow; none for an empty store.

    Raises:
        SettingsError: there is no such shadow or route.
        StoreError: the store could not be read.

    """
    names = shadow_names(reader)
    if names and arguments.shadow is not None:
        names = (chosen_shadow(reader, arguments.shadow, arguments.route),)
    elif names and arguments.route is not None:
        on_route = {one.shadow for one in seen(reader) if one.route == arguments.route}
        names = tuple(name for name in names if name in on_route)
        if not names:
            raise SettingsError(f"no shadow has a route {arguments.route!r}")
    return tuple(
        Scope(shadow=name, route=arguments.route, since_us=arguments.since, until_us=arguments.until)
        for name in names
    )


def all_scopes(reader: Reader) -> tuple[Scope, ...]:
    """Every shadow with all that the store has of it.

    Raises:
        StoreError: the store could not be read.

    """
    return tuple(Scope(shadow=name) for name in shadow_names(reader))


def _shadow_report(reader: Reader, scope: Scope, criteria: Criteria) -> ShadowReport:
    analysis = analyse(reader, scope, confidence=criteria.confidence)
    own = [pulse for pulse in pulses(reader) if pulse.shadow == scope.shadow]
    return ShadowReport(
        shadow=scope.shadow,
        decision=decide(analysis, criteria),
        analysis=analysis,
        held_back=held_back_now(own, int(time.time() * 1e6)),
        disagreements=listing(reader, analysis.period.scope, only="disagree", order="delta", limit=LISTED),
    )
