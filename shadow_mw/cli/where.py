"""Which store a command works on."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from shadow_mw.exceptions import StoreError
from shadow_mw.store_urls import is_url, shown

if TYPE_CHECKING:
    from shadow_mw.protocols import Reader


def add_store_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--store STORE` to a command."""
    parser.add_argument(
        "--store",
        metavar="STORE",
        help="the store's folder, postgresql://… or clickhouse://… (default: SHADOW_STORE, else .shadow)",
    )


def store_name(given: str | None) -> str:
    """The store that was given, else that of the settings in force: a folder or a URL.

    Raises:
        SettingsError: nothing was given, and the settings are wrong.
        StoreError: the settings say that there are no records.

    """
    return given or _store_setting()


def store_folder(given: str | None) -> Path:
    """As `store_name`, for what works on the files of the embedded store.

    Raises:
        SettingsError: nothing was given, and the settings are wrong.
        StoreError: the settings say that there are no records, or the store is a server's.

    """
    name = store_name(given)
    if is_url(name):
        raise StoreError(f"{shown(name)} is kept by its server, which needs none of this: name a folder")
    return Path(name)


@contextlib.contextmanager
def opened_store(given: str | None) -> Iterator[Reader]:
    """The store as `store_name` finds it, open for questions.

    Raises:
        SettingsError: nothing was given, and the settings are wrong.
        StoreError: there is no store, or it cannot be read.
        MissingExtraError: the library that reads that kind of store is not installed.

    """
    from shadow_mw.assembly.stores import open_reader

    with contextlib.closing(open_reader(store_name(given))) as reader:
        yield reader


def _store_setting() -> str:
    from shadow_mw.settings import load_settings

    store = load_settings().store
    if store == "none":
        raise StoreError("SHADOW_STORE is none, so no records are kept: name a store with --store STORE")
    return store
