"""`shadow-mw check`: the settings in force, and whether everything they name answers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shadow_mw.settings import Settings

SUMMARY = "print the settings in force and try every target, the store and the OTLP endpoint"
DESCRIPTION = (
    "Print every setting with its value and origin, then try what they name: each target (a marked OPTIONS "
    "request, never a prediction), the broker, the store, the comparator and the OTLP endpoint. Exits with 1 "
    "when something does not answer."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options: there are none, since everything comes from the environment."""
    parser.epilog = "Run it with the environment of the app, in the app's folder."


def run(arguments: argparse.Namespace) -> int:
    """Print settings and findings; the exit code.

    Raises:
        SettingsError: a setting is wrong.

    """
    del arguments
    from shadow_mw.cli.probes import probe_all
    from shadow_mw.settings import load_settings

    _print_strangers()
    settings = load_settings()
    _print_settings(settings)
    _print_inert(settings)
    findings = probe_all(settings)
    for finding in findings:
        print(finding)
    failures = sum(not finding.is_ok for finding in findings)
    if failures:
        print(f"\n{failures} of {len(findings)} checks failed.")
    return 1 if failures else 0


def _print_strangers() -> None:
    from shadow_mw.settings import unknown_variables

    for name, near in unknown_variables().items():
        hint = f": did you mean {near}?" if near else "."
        print(f"Note: {name} is not a setting and has no effect{hint}")


def _print_settings(settings: Settings) -> None:
    from shadow_mw.settings import origin, variable

    names = [variable(field) for field in type(settings).model_fields]
    width = max(map(len, names))
    for (field, facts), name in zip(type(settings).model_fields.items(), names, strict=True):
        value = getattr(settings, field)
        shown = "(set, not shown)" if value and not facts.repr else _shown(value)
        print(f"{name:<{width}}  {origin(field, {}):<11}  {shown}")
    print()


def _shown(value: object) -> str:
    from pydantic import ByteSize

    from shadow_mw import store_urls

    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, ByteSize):
        return f"{int(value)} ({value.human_readable()})"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "(none)"
    return store_urls.shown(str(value)) or "(empty)"


def _print_inert(settings: Settings) -> None:
    if not settings.is_inert:
        return
    why = "SHADOW_TARGETS is not set" if settings.enabled else "SHADOW_ENABLED is 0"
    print(f"The middleware is inert, nothing is mirrored: {why}.\n")
