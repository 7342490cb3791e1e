"""What the doctor looks at: single files and their surroundings."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from shadow_mw.exceptions import MissingExtraError
from shadow_mw.stores.columns import literal
from shadow_mw.stores.engine import connect, first_line
from shadow_mw.stores.layout import Layout


class Segment(msgspec.Struct, frozen=True):
    """What is in a segment. Immutable."""

    whole_bytes: int
    """Up to and with the last line feed."""
    torn_bytes: int
    damaged: int
    """Whole lines that hold no record."""


class _Line(msgspec.Struct):
    kind: str


def inspect_segment(path: Path) -> Segment:
    """Read a segment, line by line."""
    decoder = msgspec.json.Decoder(_Line)
    whole = torn = damaged = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                torn = len(line)
                break
            whole += len(line)
            try:
                decoder.decode(line)
            except msgspec.DecodeError:
                damaged += 1
    return Segment(whole, torn, damaged)


def broken_parts(paths: Sequence[Path]) -> list[tuple[Path, str]] | None:
    """Those Parquet files whose end cannot be read, with the reason; None where DuckDB is not installed."""
    try:
        database = connect("Looking into Parquet", Path(os.devnull), threads=1)
    except MissingExtraError:
        return None
    import duckdb

    broken = []
    with contextlib.closing(database):
        for path in paths:
            error = _refusal(database, path, duckdb.Error)
            if error is not None and path.exists():
                broken.append((path, first_line(error)))
    return broken


def _refusal(database: object, path: Path, refused: type[Exception]) -> Exception | None:
    try:
        database.execute(f"SELECT count(*) FROM parquet_metadata({literal(path)})").fetchall()  # type: ignore[attr-defined] # noqa: S608 - DuckDB may be missing; quoted
    except refused as error:
        return error
    return None


def draft_files(layout: Layout) -> list[Path]:
    """What a compaction or an atomic write left half done; right only while no compaction is under way."""
    found = [path for path in layout.tmp.rglob("*") if path.is_file()]
    # write_atomically names its drafts <name>.<pid>-<random>.
    for name in ("FORMAT", layout.journal.name, ".gitignore"):
        found += [path for path in layout.root.glob(f"{name}.*-*") if path.is_file()]
    return found


def too_open(root: Path) -> str:
    """The name of the first place that other users may read, or empty."""
    for path in (root, root / "hot"):
        with contextlib.suppress(OSError):
            if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH):
                return str(path)
        if path == root and not stat.S_IMODE(root.stat().st_mode) & (stat.S_IXGRP | stat.S_IXOTH):
            return ""
    return ""


def file_system(path: Path) -> str:
    """The kind of file system that a path is on, as in `/proc/mounts`; empty where there is none."""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place, best, kind = str(path.resolve()), "", ""
    for line in mounts:
        _, point, found, *_ = line.split(" ")
        if (place + "/").startswith(point.rstrip("/") + "/") and len(point) >= len(best):
            best, kind = point, found
    return kind
