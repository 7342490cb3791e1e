"""Files that are whole or absent, also after a power cut."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: Windows would turn each line feed into two bytes without it.
BINARY: int = getattr(os, "O_BINARY", 0)
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | BINARY


def write_all(fd: int, data: bytes) -> None:
    """Write every byte: one `os.write` may be short without an error, as on a disk that fills up."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_atomically(path: Path, data: bytes) -> None:
    """Put a file in place, with all of the data and mode 0600; an older one is replaced."""
    draft = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        fd = os.open(draft, _NEW, 0o600)
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make a finished file private and make it last."""
    fd = os.open(path, os.O_RDWR | BINARY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    path.chmod(0o600)


def sync_folder(path: Path) -> None:
    """Make the names in a folder last."""
    if os.name == "nt":  # Windows opens no folders
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(path: Path) -> None:
    """Make a folder that only its owner may enter; one that exists is left as it is."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
