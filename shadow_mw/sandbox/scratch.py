"""The scratch folder of a model: the one place where it may write. Its worker makes and removes it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "shadow-mw-model-"
#: A folder that is younger may be somebody's who has not locked it yet.
_YOUNG_SECONDS = 60.0
#: Where libraries put files that they need to write; what the user has set stays.
_LIBRARIES = ("JOBLIB_TEMP_FOLDER", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")


class Scratch:
    """A new folder, locked for as long as its worker lives; a lock that is free marks what a crash left."""

    def __init__(self) -> None:
        """Make the folder.

        Raises:
            OSError: it can't be made.

        """
        self.path = tempfile.mkdtemp(prefix=_PREFIX)
        self._lock = _locked(self.path)

    @property
    def variables(self) -> dict[str, str]:
        """The environment that leads Python and its libraries to the folder."""
        libraries = {name: self.path for name in _LIBRARIES if name not in os.environ}
        return {"TMPDIR": self.path, "TEMP": self.path, "TMP": self.path, **libraries}

    def remove(self) -> None:
        """Remove the folder with all that is in it. Its process has ended by then."""
        _remove(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(path: str) -> int | None:
    """A descriptor that holds the lock of a folder; None where another one does."""
    try:
        import fcntl

        descriptor = os.open(path, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def sweep() -> None:
    """Remove the folders of workers that were killed. Never raises."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            facts = folder.lstat()
            is_ours = facts.st_uid == os.geteuid() and not folder.is_symlink()
            if not is_ours or time.time() - facts.st_ctime < _YOUNG_SECONDS:
                continue
            if (lock := _locked(str(folder))) is not None:
                _remove(str(folder))
                os.close(lock)


def _remove(path: str) -> None:
    """A model may have made folders that can't be listed."""
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = Path(folder, name)
            if not inner.is_symlink():
                with contextlib.suppress(OSError):
                    inner.chmod(0o700)
    shutil.rmtree(path, ignore_errors=True)
