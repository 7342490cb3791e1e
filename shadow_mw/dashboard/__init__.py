"""The dashboard: a web page, and a JSON API beside it, over what a store holds.

- `app`: the ASGI app and its addresses
- `gatekeeper`, `access`: who may look, and the headers of every response
- `board`: what stands behind each address; `pages`: the templates; `answers`: the cache
- `selection`: what a URL asks for; `gate`: the limits that it names
- `overview`: what the first page shows; `liveness`, `series`, `shapes`: its parts
- `scrape`: the page that Prometheus scrapes; `standing`: how each shadow stands, for it
- `contrast`: two predictions side by side; `words`: how values are written
"""

from __future__ import annotations

from shadow_mw.dashboard.app import dashboard

__all__ = ["dashboard"]
