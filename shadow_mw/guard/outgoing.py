"""One outgoing call under watch: judged before a byte leaves, and vouched for while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from shadow_mw.guard.allowed import split_authority
from shadow_mw.guard.watch import Watch, vouched

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@contextmanager
def judged(watch: Watch, kind: str, what: str, *, is_allowed: bool) -> Iterator[None]:
    """Judge a call, then let all that it does below pass: it is one write, or none.

    Raises:
        ShadowWriteBlocked: it is a write, and writes are stopped.

    """
    if not is_allowed:
        watch.judge(kind, what)
    with vouched():
        yield


def http_call(watch: Watch, method: str, host: str, port: int | None, *, writes: bool = False) -> None:
    """Judge an HTTP request by its method; `writes` where it is a write whatever the method.

    Raises:
        ShadowWriteBlocked: it is a write, and writes are stopped.

    """
    method = method.upper()
    if (writes or method not in READING_METHODS) and not watch.rules.allowed.has_host(host, port):
        watch.judge("http", f"{method} {host}" + ("" if port is None else f":{port}"))


def host_of(url: str, host: str, port: int | None) -> tuple[str, int | None]:
    """Who is asked: the URL's host where it is absolute, as it is towards a proxy; else the connection's."""
    if "://" not in url:
        return host, port
    parts = urlsplit(url)
    return split_authority(parts.scheme, parts.netloc)
