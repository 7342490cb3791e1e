"""The pages: templates, and how values are written in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from shadow_mw.dashboard import words
from shadow_mw.dashboard.contrast import cut, pretty
from shadow_mw.exceptions import MissingExtraError

FOLDER = Path(__file__).parent
_FILTERS = {
    "percent": words.percent,
    "limit": words.limit,
    "points": words.points,
    "duration": words.duration,
    "signed": words.signed,
    "us": words.microseconds,
    "counted": words.counted,
    "times": words.times,
    "plain": words.plain,
    "moment": words.moment,
    "iso": words.iso,
    "ago": words.ago,
    "cut": cut,
    "pretty": pretty,
}


class Pages:
    """The templates of the dashboard, loaded once. Every value is escaped, and nothing in it stays hidden."""

    def __init__(self) -> None:
        """Load the templates.

        Raises:
            MissingExtraError: Jinja2 is not installed.

        """
        try:
            import jinja2
        except ImportError:
            raise MissingExtraError("The dashboard", "dashboard") from None
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # What is printed passes here; template literals and what is safe already do not change by it.
            finalize=_finalized,
        )
        self._templates.filters |= _FILTERS | {"data": _data}
        self._templates.globals["version"] = _fingerprint()

    def __repr__(self) -> str:
        """A name."""
        return "Pages()"

    def respond(self, request: Request, name: str, status: int = 200, **values: Any) -> Response:
        """A page, or `304 Not Modified` where the browser has the very same."""
        base = request.scope.get("root_path", "").rstrip("/")
        text = self._templates.get_template(name).render(base=base, **values)
        # Lone surrogates cannot be sent; `visible` shows them as escapes wherever they come from a record.
        body = text.encode("utf-8", "replace")
        tag = f'"{hashlib.blake2s(body, digest_size=16).hexdigest()}"'
        headers = {"etag": tag}
        if status == 200 and request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return HTMLResponse(body, status, headers=headers)


def _fingerprint() -> str:
    """What changes with the style sheet and the scripts, so that no browser mixes two releases."""
    found = hashlib.blake2s(digest_size=6)
    for path in sorted((FOLDER / "static").glob("*.*")):
        found.update(path.read_bytes())
    return found.hexdigest()


def _finalized(value: object) -> object:
    if hasattr(value, "__html__"):
        return value
    return words.visible(value) if isinstance(value, str) else value


def _data(value: object) -> str:
    """A struct as JSON for a `data-` attribute."""
    return msgspec.json.encode(value).decode()
