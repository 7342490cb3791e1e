from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_records import comparisons, ids

from shadow_mw.exceptions import StoreError
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.segments import SegmentStore

Mount = Callable[..., None]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a small disk in memory on a folder, which goes at the end."""
    mounted: list[Path] = []

    def mount_(folder: Path, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", ",".join(["size=256k", *options]), "tmpfs", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this system does not let us mount a disk (needs root)")
        mounted.append(folder)

    yield mount_
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(folder)], check=True)


def write_until_refused(store: SegmentStore) -> list[str]:
    """The ids that were acknowledged before the disk was full."""
    kept: list[str] = []
    for batch in range(1_000):
        records = comparisons(f"b{batch:03}", 7)
        try:
            store.write(records)
        except StoreError:
            return kept
        kept += [record.record_id for record in records]
    raise AssertionError("the disk never was full")


@pytest.mark.fault("disk")
def test_a_full_disk_loses_nothing_and_is_forgotten_once_there_is_room(
    make_store, folder: Path, mount: Mount
) -> None:
    mount(folder)
    ballast = folder / ".ballast"
    ballast.write_bytes(bytes(100_000))
    store = make_store()
    kept = write_until_refused(store)
    assert kept
    assert ids(folder) == kept
    with pytest.raises(StoreError, match=f"cannot write to the store at {folder}: No space left on device"):
        store.write(comparisons("refused", 7))
    assert ids(folder) == kept

    ballast.unlink()
    store.write(comparisons("later", 7))
    store.close()
    assert ids(folder) == sorted([*kept, *(f"later-{number}" for number in range(7))])


def test_a_disk_that_is_full_from_the_start_is_no_store_yet(make_store, folder: Path, mount: Mount) -> None:
    mount(folder)
    ballast = folder / ".ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    store = make_store()
    with pytest.raises(StoreError, match="No space left on device"):
        store.write(comparisons("refused", 1))
    ballast.unlink()
    store.write(comparisons("later", 1))

    assert ids(folder) == ["later-0"]


def test_a_full_disk_stops_a_compaction_and_nothing_else(make_store, folder: Path, mount: Mount) -> None:
    mount(folder)
    store = make_store()
    kept = write_until_refused(store)
    store.close()
    with pytest.raises(StoreError, match="cannot compact"):
        compact(folder)
    assert ids(folder) == kept

    remount(folder, "size=1m")
    assert compact(folder).comparisons == len(kept)
    assert ids(folder) == kept


@pytest.mark.fault("disk")
def test_a_read_only_disk_is_a_store_error_and_can_be_read(make_store, folder: Path, mount: Mount) -> None:
    mount(folder)
    store = make_store()
    remount(folder, "ro")
    with pytest.raises(StoreError, match="Read-only file system"):
        store.write(comparisons("refused", 1))
    remount(folder, "rw")
    store.write(comparisons("a", 1))
    store.close()
    compact(folder)
    store.write(comparisons("b", 1))
    store.close()
    remount(folder, "ro")

    assert ids(folder) == ["a-0", "b-0"]
    with pytest.raises(StoreError, match="Read-only file system"):
        store.write(comparisons("refused", 1))
    with pytest.raises(StoreError, match=r"cannot compact the store at .*: Read-only file system"):
        compact(folder)


def test_a_copy_without_its_lock_files_can_be_read_from_a_read_only_disk(
    make_store, folder: Path, mount: Mount
) -> None:
    mount(folder)
    store = make_store()
    store.write(comparisons("a", 1))
    store.close()
    for lock in folder.glob("*.lock"):
        lock.unlink()
    remount(folder, "ro")

    assert ids(folder) == ["a-0"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file size limit")
def test_a_write_that_stops_half_way_leaves_no_half_batch(start_child, folder: Path) -> None:
    child = start_child("file_size_limit", folder, 30_000)
    lines = child.communicate()[0].splitlines()
    kept = [line.split() for line in lines if not line.startswith("refused")]

    assert child.returncode == 0
    assert any("File too large" in line for line in lines)
    assert len(kept) > 2
    assert ids(folder) == sorted(f"{batch}-{number}" for batch, size in kept for number in range(int(size)))
