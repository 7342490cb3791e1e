"""Which store a command works on."""

from __future__ import annotations

import argparse
from pathlib import Path

from shadow_mw.exceptions import StoreError


def add_store_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--store PATH` to a command."""
    parser.add_argument(
        "--store", metavar="PATH", help="the folder of the store (default: SHADOW_STORE, else .shadow)"
    )


def store_folder(given: str | None) -> Path:
    """The folder that was given, else that of the settings in force.

    Raises:
        SettingsError: nothing was given, and the settings are wrong.
        StoreError: the settings say that there are no records.

    """
    return Path(given or _store_setting())


def _store_setting() -> str:
    from shadow_mw.settings import load_settings

    store = load_settings().store
    if store == "none":
        raise StoreError("SHADOW_STORE is none, so no records are kept: name a store with --store PATH")
    return store
