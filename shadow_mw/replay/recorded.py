"""Records as exchanges again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange

_JSON = ((b"content-type", b"application/json"),)


def exchange_of(row: Mapping[str, Any], *, has_path: bool) -> Exchange | str:
    """The exchange that a record was made of, or why it can't be made of it, in words that can be counted.

    `has_path` says that the shadow's URL has a path of its own, so that the request's need not be known.
    """
    pattern = str(row["route"]).partition(" ")[2]
    for subject in ("features", "predictions"):
        # A store on a server lacks the column until a worker of this version has written there.
        if (row.get(f"{subject}_kept") or "full") != "full":
            return f"without {subject} in the record (SHADOW_CAPTURE)"
    if row["truncated"]:
        return "cut in the record (SHADOW_RECORD_CHARS)"
    if not has_path and "{" in pattern:
        return "of a route with parameters (give the shadow a URL with a path)"
    if not (_is_json(row["features"]) and _is_json(row["production_prediction"])):
        return "without JSON in the record"
    failure = "" if row["production_outcome"] == "answered" else str(row["production_error_type"] or "error")
    # The record of one exchange stands for it: what is replayed twice has the same id.
    request = CapturedRequest(
        exchange_id=str(row["record_id"]),
        request_id=str(row["request_id"]),
        ts_us=int(row["ts_us"]),
        method=str(row["method"]),
        route=str(row["route"]),
        path=pattern,
        headers=_JSON,
        body=str(row["features"]).encode(),
        traceparent=_traceparent(row),
        sample_rate=float(row["sample_rate"]),
        service=str(row["service"]),
        production_version=str(row["production_version"]),
    )
    response = CapturedResponse(
        exchange_id=request.exchange_id,
        seconds=int(row["production_us"]) / 1e6,
        status=int(row["production_status"]),
        headers=_JSON,
        body=str(row["production_prediction"]).encode(),
        failure=failure,
        is_prediction=True,
    )
    return Exchange(request=request, response=response)


def _traceparent(row: Mapping[str, Any]) -> str:
    if not (row["trace_id"] and row["production_span_id"]):
        return ""
    return f"00-{row['trace_id']}-{row['production_span_id']}-01"


def _is_json(text: object) -> bool:
    """True for JSON, and for nothing at all."""
    try:
        msgspec.json.decode(str(text))
    except msgspec.DecodeError:
        return not text
    return True
