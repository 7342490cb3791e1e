"""Turning the guard on: rules to patches, and to the audit hook where the whole process is watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from shadow_mw.assembly.announcement import say
from shadow_mw.guard import audit, aws, django, executors, http_clients, loops, sql, sqlite
from shadow_mw.guard.patching import Patches
from shadow_mw.guard.rules import Mode, Reach, Rules, read_rules
from shadow_mw.guard.watch import Watch, watch_process

PATCHES = Patches(
    {
        "aiohttp.connector": http_clients.aiohttp,
        "botocore.client": aws.botocore,
        "django.db.backends.utils": django.django,
        "concurrent.futures.thread": executors.thread_pools,
        "http.client": http_clients.http_client,
        "httpcore._async.connection_pool": http_clients.httpcore_async,
        "httpcore._sync.connection_pool": http_clients.httpcore_sync,
        "sqlite3": sqlite.sqlite3,
        "sqlalchemy": sql.sqlalchemy,
        "urllib3.connectionpool": http_clients.urllib3,
        "uvloop": loops.uvloop,
    }
)


class Engagement:
    """The guard of one app, turned on. Immutable, thread-safe."""

    __slots__ = ("_rules",)

    def __init__(self, rules: Rules) -> None:
        """Put the patches in; the process is watched from its first request on, see `arm`."""
        self._rules = rules
        PATCHES.install()
        if rules.scope == "process":
            audit.add_hook()
        whose = "this process" if rules.scope == "process" else "marked requests"
        say(f"shadow_mw guards a shadow: it {rules.mode}s the writes of {whose}")

    def __repr__(self) -> str:
        """The rules."""
        return f"Engagement({self._rules!r})"

    @property
    def is_for_process(self) -> bool:
        """True where all requests are watched, and whatever else the process does."""
        return self._rules.scope == "process"

    def arm(self) -> None:
        """Begin to watch the whole process, where the scope says so: the app has started."""
        if self.is_for_process:
            watch_process(self._rules)

    def watch(self) -> Watch:
        """A watch for one request."""
        return Watch(self._rules)


def engage(mode: Mode | None, scope: Reach | None, allow: Iterable[str]) -> Engagement | None:
    """The guard that this deployment asks for, or None where it asks for none.

    Raises:
        SettingsError: a variable or a keyword has no such value.

    """
    rules = read_rules(mode, scope, allow)
    return None if rules is None else Engagement(rules)


@contextmanager
def restored() -> Iterator[None]:
    """Take out on leaving what was put in meanwhile; for tests."""
    try:
        yield
    finally:
        watch_process(None)
        PATCHES.remove()
