"""The end of the demo: what one saw, the report, and where to look."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from shadow_mw.analysis.analysis import Analysis, analyse
from shadow_mw.analysis.choice import chosen_shadow
from shadow_mw.figures import counted, interval, milliseconds
from shadow_mw.scope import Scope
from shadow_mw.stores.reader import open_reader

if TYPE_CHECKING:
    from shadow_mw.demo.session import Session

_FAULTS = "slow|down|errors|wrong"


def tell_ending(session: Session, show_report: Callable[[Path], None]) -> None:
    """Print what one saw, then the report, then where to look.

    Raises:
        StoreError: there is no store: production's log says why.

    """
    caller, latency = session.caller, session.caller.latency()
    quantiles = f"p50 {milliseconds(latency.p50_seconds)}, p95 {milliseconds(latency.p95_seconds)}"
    say(f"\nProduction answered {caller.answered:,} of {counted(caller.sent, 'predict call')} ({quantiles}).")
    if not caller.sent:
        say(f"Nothing was sent, so there is nothing to report. Logs: {session.folder}")
        return
    if session.plan.fault:
        say(_fault_sentence(session.plan.fault, _analysis(session.store)))
    say("")
    show_report(session.store)
    say("\n".join(_where_to_look(session)))


def _analysis(store: Path) -> Analysis:
    with open_reader(store) as reader:
        return analyse(reader, Scope(shadow=chosen_shadow(reader, None)))


def _fault_sentence(fault: str, analysis: Analysis) -> str:
    if fault == "wrong":
        return f"Meanwhile the shadow answered nonsense: agreement is {interval(analysis.agreement.share)}."
    total = analysis.account
    failed = total.buckets["shadow_error"] + total.buckets["shadow_timeout"]
    what = {"slow": "answered too late", "down": "refused connections", "errors": "answered 500"}[fault]
    kept = total.buckets["circuit_open"]
    breaker = f"its breaker opened and kept {counted(kept, 'call')} from it" if kept else "its breaker held"
    return f"Meanwhile the shadow {what}: {counted(failed, 'call')} failed, then {breaker}."


def _where_to_look(session: Session) -> list[str]:
    lines = [
        "\nWhere to look",
        f"  store and logs  {session.folder}",
        f"  the report      shadow-mw report --store {session.store}",
        f"  the dashboard   shadow-mw dashboard --store {session.store}",
    ]
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if endpoint:
        service = os.environ.get("OTEL_SERVICE_NAME", "shadow-mw-demo")
        lines.append(
            f"  the spans       go to {_without_credentials(endpoint)}: in Jaeger choose the service "
            f"{service} and the tag request.id=demo-000001"
        )
    else:
        lines.append("  the spans       set OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 to send them")
    lines.append(f"  a broken shadow shadow-mw demo --shadow-fault {_FAULTS}")
    return lines


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def say(text: str) -> None:
    """Print a sentence at once, piped or not."""
    print(text, flush=True)  # noqa: T201 the demo talks to a person
