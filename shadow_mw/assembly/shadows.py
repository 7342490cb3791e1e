"""Which class asks a target."""

from __future__ import annotations

from shadow_mw.protocols import Shadow
from shadow_mw.settings import Settings
from shadow_mw.targets import Target


def http_client() -> str:
    """The library that HTTP shadows are asked with: `httptools` where it is installed, else `httpx`."""
    try:
        import httptools  # noqa: F401 # whether it can be imported is the question
    except ImportError:
        return "httpx"
    return "httptools"


def make_shadow(target: Target, settings: Settings) -> Shadow:
    """The shadow at a target; nothing is connected or started before it is asked."""
    caps = {"max_body_bytes": int(settings.max_body_bytes), "max_connections": settings.max_concurrency}
    if http_client() == "httptools":
        from shadow_mw.shadows.fast import FastHTTPShadow

        return FastHTTPShadow(target, **caps)
    from shadow_mw.shadows.http import HTTPShadow

    return HTTPShadow(target, **caps)
