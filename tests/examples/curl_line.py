"""A `curl` line of a README, on machines that have none."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import httpx


def send(line: str, folder: Path) -> Any:
    """The JSON that answers a `curl -s URL -H HEADER -d BODY`; a body may be `@file`."""
    words = shlex.split(line)
    url = next(word for word in words if word.startswith("http"))
    headers = dict([words[words.index("-H") + 1].split(": ")])
    body = words[words.index("-d") + 1]
    content = (folder / body[1:]).read_bytes() if body.startswith("@") else body.encode()
    answer = httpx.post(url, content=content, headers=headers, trust_env=False, timeout=100)
    return answer.raise_for_status().json()
