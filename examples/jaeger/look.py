"""Asks Jaeger: `python look.py request.id=loan-8` shows each trace that has a span with all these tags."""

from __future__ import annotations

import json
import sys
from typing import Any

import httpx

JAEGER = "http://127.0.0.1:16686"
SERVICE = "loans"
TOLD = ("shadow_mw.verdict", "shadow_mw.prediction", "shadow_mw.production.prediction")


def find(tags: dict[str, str]) -> list[dict[str, Any]]:
    """The traces of the last two days, as Jaeger's own page asks for them."""
    asked = {"service": SERVICE, "tags": json.dumps(tags), "limit": "20"}
    answer = httpx.get(f"{JAEGER}/api/traces", params=asked, trust_env=False, timeout=30)
    answer.raise_for_status()
    return list(answer.json()["data"])


def show(trace: dict[str, Any]) -> None:
    """Print a trace as a waterfall, each span with what it tells of the predictions."""
    print(f"{JAEGER}/trace/{trace['traceID']}")
    spans = sorted(trace["spans"], key=lambda span: span["startTime"])
    begin = spans[0]["startTime"]
    for span in spans:
        if span["operationName"].endswith((" http receive", " http send")):
            continue  # OpenTelemetry's, one for each message between server and app
        after, lasts = (span["startTime"] - begin) / 1000, span["duration"] / 1000
        told = {tag["key"]: tag["value"] for tag in span["tags"] if tag["key"] in TOLD}
        words = ", ".join(f"{name} {told[name]}" for name in TOLD if name in told)
        print(f"  {after:8.1f} ms  {lasts:8.1f} ms  {span['operationName']:18}  {words}".rstrip())


found = find(dict(tag.split("=", 1) for tag in sys.argv[1:]))
for one in found:
    show(one)
print(f"{len(found)} traces" if len(found) != 1 else "1 trace")
