"""The mirror process of a host: elected without races, started on first use, found by its socket."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shadow_mw.boundary import tell
from shadow_mw.exceptions import SettingsError
from shadow_mw.forks import ForkLock
from shadow_mw.queue_urls import KAFKA_PREFIX

try:
    import fcntl
except ImportError:  # Windows
    HAVE_LOCKS = False
else:
    HAVE_LOCKS = True

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 10.0
_ATTEMPTS = 6
_BACKLOG = 512
#: How long to wait after the system refused us a process, a file or a socket.
_REFUSED_PAUSE_SECONDS = 5.0
_CONNECT_SECONDS = 1.0
_LONGEST_PATH_BYTES = 103
#: What it reads from the environment beside the settings: telemetry, and the clients of brokers.
_ITS_VARIABLES = ("OTEL_", "AWS_", KAFKA_PREFIX)
#: Held while a connection or a process is made, and by a fork: a child that inherits the lock's descriptor
#: would hold the lock, and one that inherits the pipe's would keep the process waiting for its settings.
_making = ForkLock()


class MirrorProcess:
    """The reach of `process:`: the process that all server processes of an app on this host share.

    Whoever gets the lock starts it, and hands the lock and the listening socket down to it. So the lock is
    held exactly as long as it lives, and a connection made right after the start waits in its backlog.
    """

    def __init__(
        self, blueprint: Mapping[str, Any], environment: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        """Tell it the settings in `blueprint`; apps with the same blueprint and folder share a process.

        Each process has the variables of this moment, as the settings are of it; `environment` is asked for
        more when one is started.

        Raises:
            SettingsError: there is no private folder for the socket.

        """
        self._blueprint = json.dumps(blueprint, sort_keys=True).encode()
        self._folder = private_folder() / _key(self._blueprint)
        if len(os.fsencode(self._socket_path)) > _LONGEST_PATH_BYTES:
            raise SettingsError(f"SHADOW_QUEUE: {self._socket_path} is too long for a socket's path")
        self._environment = environment
        self._variables = dict(os.environ)
        self._child = 0
        self._exit_code: int | None = None
        self._failures = 0
        self._is_anothers_turn = False
        self._is_refused = False
        self.is_impossible = False

    def __repr__(self) -> str:
        """Where its socket is."""
        return f"MirrorProcess({str(self._socket_path)!r})"

    @staticmethod
    def is_possible() -> bool:
        """True where a child process with a unix socket can be had."""
        return HAVE_LOCKS and hasattr(os, "posix_spawn") and hasattr(socket, "AF_UNIX") and bool(_python())

    def connect(self) -> socket.socket | None:
        """A connection to the mirror process, started if there is none."""
        with _making:
            self._reap()
            with contextlib.suppress(OSError):
                return _connected(self._socket_path)
            return self._connected_to_new()

    def _connected_to_new(self) -> socket.socket | None:
        was_refused, self._is_refused = self._is_refused, False
        try:
            self._is_anothers_turn = not self._start()
            return None if self._is_anothers_turn else _connected(self._socket_path)
        except (PermissionError, NotImplementedError) as error:
            tell(
                logging.WARNING,
                "no mirror process can be started here (%s): using inline: instead of process:",
                error,
            )
            self.is_impossible = True
        except OSError as error:
            if not was_refused:
                tell(logging.WARNING, "the mirror process could not be started, will try again: %s", error)
            self._is_refused = True
        return None

    @property
    def is_coming(self) -> bool:
        """True unless there can be none: whose turn it is starts it within moments."""
        return not self.is_impossible

    def pause_seconds(self, held_seconds: float) -> float | None:
        """A pause that doubles with each start in a row that came to nothing; None after six of them."""
        if self.is_impossible:
            return None
        if held_seconds >= _HEALTHY_SECONDS:
            self._failures = 0
        if not held_seconds and self._is_refused:
            return _REFUSED_PAUSE_SECONDS
        if not held_seconds and self._is_anothers_turn:
            return _FIRST_PAUSE_SECONDS
        self._failures += 1
        if self._failures >= _ATTEMPTS:
            tell(
                logging.ERROR,
                "mirroring is off: the mirror process ended %d times in a row; its last words: %s",
                self._failures,
                self._last_words() or f"none (exit code {self._exit_code})",
            )
            return None
        return float(min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS))

    @property
    def _socket_path(self) -> Path:
        return self._folder / "mirror.sock"

    @property
    def _lock_path(self) -> Path:
        return self._folder / "mirror.lock"

    @property
    def _log_path(self) -> Path:
        return self._folder / "mirror.log"

    def _start(self) -> bool:
        """Start the process; False while another starts it, or an old one still drains."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(self._lock_path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            if not self._is_elected(lock):
                return False
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
                self._socket_path.unlink(missing_ok=True)
                listener.bind(str(self._socket_path))
                listener.listen(_BACKLOG)
                self._spawn(listener.fileno(), lock)
            return True
        finally:
            os.close(lock)

    def _is_elected(self, lock: int) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The process that ended last takes its files with it: a lock on a deleted file elects nobody.
            return os.path.samestat(os.fstat(lock), os.stat(self._lock_path))
        except OSError:
            return False

    def _spawn(self, listener: int, lock: int) -> None:
        python = _python()
        assert python is not None
        with contextlib.ExitStack() as stack:
            blueprint, feed = os.pipe()
            log = os.open(self._log_path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
            null = os.open(os.devnull, os.O_WRONLY)
            for descriptor in (blueprint, feed, log, null):
                stack.callback(os.close, descriptor)
            self._child = os.posix_spawn(
                python,
                [python, "-m", "shadow_mw.process", str(self._folder)],
                {**self._variables, "PYTHONPATH": _module_path(), **self._environment()},
                file_actions=_handed_down(stack, (blueprint, null, log, listener, lock)),
                setpgroup=0,  # a Ctrl-C at the terminal is the app's
                setsigmask=(),  # an app may block SIGTERM in its threads
            )
            os.write(feed, self._blueprint)

    def _reap(self) -> None:
        if not self._child:
            return
        with contextlib.suppress(ChildProcessError):
            ended, status = os.waitpid(self._child, os.WNOHANG)
            if not ended:
                return
            self._exit_code = os.waitstatus_to_exitcode(status)
        self._child = 0

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log_path.read_text(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""


def remove_traces(folder: Path) -> None:
    """Delete the files of a mirror process that ends well; the caller still holds the lock."""
    for name in ("mirror.sock", "mirror.log", "mirror.lock"):
        (folder / name).unlink(missing_ok=True)
    folder.rmdir()


def private_folder() -> Path:
    """A folder for sockets that only this user can look into.

    Raises:
        SettingsError: it belongs to somebody else or can't be made.

    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    base = Path(runtime) if runtime and os.access(runtime, os.W_OK) else Path(tempfile.gettempdir())
    folder = base / f"shadow_mw-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise SettingsError(f"SHADOW_QUEUE: no folder for the mirror's socket: {error}") from None
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or not folder.is_dir() or folder.is_symlink():
        raise SettingsError(f"SHADOW_QUEUE: {folder} must be a folder of this user alone (mode 0700)")
    return folder


def _key(blueprint: bytes) -> str:
    """What makes two apps share a mirror process: settings, variables, working folder and interpreter."""
    variables = sorted(item for item in os.environ.items() if item[0].startswith(_ITS_VARIABLES))
    parts = (blueprint, repr(variables).encode(), os.getcwd().encode(), sys.prefix.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_CONNECT_SECONDS)
    try:
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _handed_down(stack: contextlib.ExitStack, descriptors: tuple[int, ...]) -> list[tuple[int, ...]]:
    """File actions that give a child these descriptors as 0, 1, 2, …, and no other."""
    actions: list[tuple[int, ...]] = []
    first_other = len(descriptors)
    for target, descriptor in enumerate(descriptors):
        # A copy above all targets, for the original may have the number that another is to get.
        copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, first_other)
        stack.callback(os.close, copy)
        actions.append((os.POSIX_SPAWN_DUP2, copy, target))
    # A server leaves its listening socket open for its children; ours would hold the port beyond its end.
    return actions + [(os.POSIX_SPAWN_CLOSE, one) for one in _inheritable() if one >= first_other]


def _inheritable() -> list[int]:
    """The descriptors of this process that a child would get, but for those above a limit that came later.

    By the limit glibc judges whether a descriptor can be one, and spawns nothing for one beyond it.
    """
    found = []
    limit = os.sysconf("SC_OPEN_MAX")
    with contextlib.suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with contextlib.suppress(OSError):
                if int(name) < limit and os.get_inheritable(int(name)):
                    found.append(int(name))
    return found


def _module_path() -> str:
    return os.pathsep.join(path or os.getcwd() for path in sys.path)


def _python() -> str | None:
    """The interpreter; under an embedding server `sys.executable` may be the server."""
    candidates = (sys.executable, str(Path(sys.prefix) / "bin" / "python3"))
    return next(
        (path for path in candidates if path and "python" in Path(path).name and os.access(path, os.X_OK)),
        None,
    )
