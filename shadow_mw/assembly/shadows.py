"""Which class asks a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from shadow_mw.caps.wish import Wish
from shadow_mw.networks import Network
from shadow_mw.protocols import Shadow
from shadow_mw.settings import Settings
from shadow_mw.shadows.itself import ProductionItself
from shadow_mw.targets import Target


def http_client() -> str:
    """The library that HTTP shadows are asked with: `httptools` where it is installed, else `httpx`."""
    try:
        import httptools  # noqa: F401 # whether it can be imported is the question
    except ImportError:
        return "httpx"
    return "httptools"


def make_shadow(
    target: Target, settings: Settings, queue: str, function: Callable[[Any], Any] | None = None
) -> Shadow:
    """The shadow at a target, for the running event loop; `function` where it was given in code."""
    if function is not None:
        return _thread_shadow(target, settings, function)
    if target.is_python:
        return _python_shadow(target, settings, queue)
    if target.is_self:
        # Where production is, its server says: that is no matter of where shadows may be.
        return ProductionItself(lambda address: _http_shadow(Target(target.name, address), settings, ()))
    return _http_shadow(target, settings, settings.target_networks)


def concurrency(target: Target, settings: Settings, *, is_in_code: bool = False) -> int:
    """How many calls a shadow is worth being asked at once; what is more waits outside of its latency."""
    if target.is_python and not is_in_code:
        return min(settings.max_concurrency, settings.replicas)
    return settings.max_concurrency


def _http_shadow(target: Target, settings: Settings, networks: Sequence[Network]) -> Shadow:
    caps = {"max_body_bytes": int(settings.max_body_bytes), "max_connections": settings.max_concurrency}
    if http_client() == "httptools":
        from shadow_mw.shadows.fast import FastHTTPShadow

        return FastHTTPShadow(target, networks=networks, **caps)
    from shadow_mw.shadows.http import HTTPShadow

    return HTTPShadow(target, networks=networks, **caps)


def _python_shadow(target: Target, settings: Settings, queue: str) -> Shadow:
    from shadow_mw.shadows.python import PythonShadow

    shadow = PythonShadow(
        target,
        replicas=settings.replicas,
        features=settings.features,
        max_body_bytes=int(settings.max_body_bytes),
        sandbox=settings.sandbox,
        wish=Wish.of(settings),
        is_beside_production=queue in ("process:", "inline:"),
    )
    shadow.start()  # models take their time to load, so they begin before the first request
    return shadow


def _thread_shadow(target: Target, settings: Settings, function: Callable[[Any], Any]) -> Shadow:
    from shadow_mw.shadows.thread import ThreadShadow

    return ThreadShadow(
        target,
        function,
        threads=settings.max_concurrency,
        features=settings.features,
        max_body_bytes=int(settings.max_body_bytes),
        timeout_seconds=settings.timeout_seconds,
    )
