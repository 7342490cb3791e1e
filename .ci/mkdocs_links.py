"""Links that leave `docs/` lead to the repository at SHADOW_MW_SOURCE; without it they are text."""

from __future__ import annotations

import os
import posixpath
import re
from typing import Any

_OUTWARD = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)\s]+)\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by MkDocs for each page before it is rendered."""
    folder = posixpath.dirname(page.file.src_uri)
    source = os.environ.get("SHADOW_MW_SOURCE", "").rstrip("/")

    def outward(match: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join("docs", folder, match[2]))
        return f"[{match[1]}]({source}/{place})" if source else match[1]

    return _OUTWARD.sub(outward, markdown)
