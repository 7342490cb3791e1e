"""Which class asks a target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def make_shadow(target: Target, settings: Settings, function: Callable[[Any], Any] | None = None) -> Shadow:
    """The shadow at a target, for the running event loop; `function` where it was given in code."""
    if function is not None:
        return _thread_shadow(target, settings, function)
    if target.is_python:
        return _python_shadow(target, settings)
    if target.is_self:
        return ProductionItself(lambda address: make_shadow(Target(target.name, address), settings))
    caps = {"max_body_bytes": int(settings.max_body_bytes), "max_connections": settings.max_concurrency}
    if http_client() == "httptools":
        from shadow_mw.shadows.fast import FastHTTPShadow

        return FastHTTPShadow(target, **caps)
    from shadow_mw.shadows.http import HTTPShadow

    return HTTPShadow(target, **caps)


def concurrency(target: Target, settings: Settings, *, is_in_code: bool = False) -> int:
    """How many calls a shadow is worth being asked at once; what is more waits outside of its latency."""
    if target.is_python and not is_in_code:
        return min(settings.max_concurrency, settings.replicas)
    return settings.max_concurrency


def _python_shadow(target: Target, settings: Settings) -> Shadow:
    from shadow_mw.shadows.python import PythonShadow

    shadow = PythonShadow(
        target,
        replicas=settings.replicas,
        features=settings.features,
        max_body_bytes=int(settings.max_body_bytes),
        memory_bytes=None if settings.memory_bytes is None else int(settings.memory_bytes),
        sandbox=settings.sandbox,
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
