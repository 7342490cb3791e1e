"""Writes the reference pages that are read off the code: `python docs/generate.py`."""

from __future__ import annotations

import inspect
from pathlib import Path

from commands_page import commands_page
from guarantees_page import guarantees_page
from pydantic import ByteSize

from shadow_mw import exceptions, records
from shadow_mw.bounds import BoundSettings
from shadow_mw.configuration import Configuration
from shadow_mw.mirroring import MirroringSettings
from shadow_mw.privacy import PrivacySettings
from shadow_mw.settings import Settings, variable

HERE = Path(__file__).parent


def settings_page() -> str:
    """A section a group of settings, and in it one row a variable."""
    return _SETTINGS_HEAD + "".join(map(_group, _GROUPS)) + _SETTINGS_FOOT


def _group(group: tuple[str, type[Configuration]]) -> str:
    title, kind = group
    rows = [
        f"| `{variable(name)}` | {_default(field.get_default())} | {field.description} |"
        for name, field in kind.model_fields.items()
        if name in inspect.get_annotations(kind)
    ]
    return f"\n## {title}\n\n| variable | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def errors_page() -> str:
    """The tree, then a line an error."""
    tree = inspect.cleandoc(exceptions.__doc__ or "").split("::\n", 1)[1]
    kinds = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass)]
    lines = [f"- **`{kind.__name__}`**: {_summary(kind)}" for kind in kinds]
    return _ERRORS_HEAD + f"```text\n{inspect.cleandoc(tree)}\n```\n\n" + "\n".join(lines) + "\n"


def records_page() -> str:
    """The fields of every kind of record, with the words of the books."""
    parts = [_RECORDS_HEAD]
    for kind in (records.Comparison, records.Tally, records.Truth, records.Pulse):
        parts.append(
            f"\n## `{kind.__name__}`\n\n{inspect.getdoc(kind)}\n\n| field | type | meaning |\n|---|---|---|\n"
        )
        parts.extend(
            f"| `{name}` | `{_type(annotation)}` | {_FIELDS.get(name, '')} |\n"
            for name, annotation in kind.__annotations__.items()
        )
    return "".join(parts) + _RECORDS_FOOT


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").split("\n\n")[0]


def _type(annotation: str) -> str:
    return annotation.replace(" | None", "?")


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return f"`{', '.join(str(item) for item in value)}`" if value else ""
    if isinstance(value, bool):
        return f"`{int(value)}`"
    if isinstance(value, ByteSize):
        return f"`{value.human_readable(separator='').replace('.0', '')}`"
    return f"`{value}`" if value != "" else ""


_SETTINGS_HEAD = """# Settings

Every setting is an environment variable; each may also be given as a keyword in lower case without the
prefix, which wins: `app.add_middleware(ShadowMiddleware, sample_rate=0.1)`. A wrong value stops the app at its
start with a sentence that names the variable and the mend. `shadow-mw check` prints what is in force and where
each value came from. An empty variable counts as not set.
"""

_GROUPS = (
    ("What is mirrored, compared and recorded", MirroringSettings),
    ("Bounds", BoundSettings),
    ("Privacy", PrivacySettings),
    ("Deciding and showing", Settings),
)

_SETTINGS_FOOT = """
Spans and metrics are set up by the standard `OTEL_*` variables and by nothing of ours: see
[telemetry](telemetry.md). A callable in Python is a shadow too: see [shadows without a server](python-shadows.md).
What `SHADOW_COMPARE` and `SHADOW_SEGMENTS` can say: see [comparators](comparators.md). What `SHADOW_REDACT`,
`SHADOW_REDACT_REQUEST` and `SHADOW_CAPTURE` can say: see [privacy](privacy.md).
"""

_ERRORS_HEAD = """# Errors

What production's caller gets is never changed by any of these: a `ShadowError` ends in the record of its
comparison, a `StoreError` in a warning and a counter. Only a `SettingsError` is raised where you see it: when the
app starts.

"""

_RECORDS_HEAD = """# Records

What a [store](stores.md) keeps, one table a kind: `comparisons`, `tallies`, `truths` and `pulses`. The fields are the
same in a folder, in PostgreSQL and in ClickHouse. How much of features and predictions is in them, and how records go
again: see [privacy](privacy.md).

A record is written once, when both sides are known. Killing the process at any moment loses at most what was not
written yet (a second) and harms nothing that was there.
"""

_RECORDS_FOOT = """
## The closed books

Every eligible request ends in exactly one bucket, for each shadow:

`eligible = compared + incomparable + shadow_error + shadow_timeout + circuit_open + queue_full + too_large +
production_error + worker_lost`

| word | meaning |
|---|---|
| `eligible` | a request to a predict route that the policy does not leave out |
| `compared` | both sides answered, and a comparator judged: `agree` or `disagree` |
| `incomparable` | both sides answered, and no comparison was possible; the record says why |
| `shadow_error` | the shadow failed: no connection, a broken one, a status outside 2xx, too large an answer |
| `shadow_timeout` | no complete answer within `SHADOW_TIMEOUT_SECONDS` |
| `circuit_open` | not asked, because the circuit of this shadow was open, or because it had asked for a pause (`Retry-After`); no record, only the count |
| `queue_full` | not asked, because `SHADOW_QUEUE_SIZE` or `SHADOW_QUEUE_BYTES` was reached, or it had waited for longer than `SHADOW_MAX_AGE_SECONDS`; only the count |
| `too_large` | a body was larger than `SHADOW_MAX_BODY_BYTES`; only the count |
| `production_error` | production gave no prediction: it raised, or answered with a status outside 2xx. The shadow is asked all the same, so that the error rates of both can be compared |
| `worker_lost` | handed over, and the worker ended before it was done |

Beside the books stand the skips: `not_sampled` (by `SHADOW_SAMPLE_RATE`), `governed` (left out by the
[governor](governor.md), because the host was busy or mirroring took too long), `loop` (the request is a shadow's own)
and `request_incomplete` (the app answered, or the client left, before the request body was complete; of a function,
arguments that have no JSON).

**Coverage** is the share of eligible requests that the shadow answered. **Agreement** is
agree / (agree + disagree), and is never shown without coverage.
"""

_FIELDS = {
    "items": "how many predictions were compared: the rows of a batch, 1 for a single one, 0 without a verdict",
    "items_agree": "how many of them agree",
    "truth": "the right label, or the right number as JSON writes it",
    "value": "the right number; empty where the truth is a label",
    "circuit": "the state of the shadow's circuit breaker: `closed`, `open` or `half-open`",
    "active": "calls under way",
    "limit": "calls that may be under way at once",
    "waiting": "exchanges that wait for a call",
    "share": "how much is mirrored of what `SHADOW_SAMPLE_RATE` asks for; below 1.0 while the "
    "[governor](governor.md) holds back",
    "held_back": "why the governor holds back, as half a sentence; empty while it does not",
    "schema_version": "rises only when a field changes its meaning; fields may be added at any time",
    "record_id": "UUIDv7, the key",
    "request_id": "`X-Request-ID` if acceptable, else the trace id, else a UUIDv7; clients may repeat it",
    "trace_id": "hex, empty without telemetry",
    "production_span_id": "hex",
    "shadow_span_id": "hex",
    "ts_us": "microseconds of Unix time: when the request was complete; of a tally the start of its minute",
    "service": "`OTEL_SERVICE_NAME`",
    "instance": "host and process",
    "route": "the route as in `SHADOW_ROUTES`, never the raw path",
    "method": "HTTP method",
    "shadow": "the name of the shadow",
    "role": "`shadow`, or `control` for a second copy of production",
    "production_version": "reserved",
    "shadow_version": "reserved",
    "sample_rate": "the rate in force when it was decided: `SHADOW_SAMPLE_RATE`, or what the [governor](governor.md) left of it",
    "mode": "`async` or `sync`",
    "queue": "`SHADOW_QUEUE`",
    "bucket": "its place in the closed books",
    "outcome": "the shadow's: `answered`, `error` or `timeout`",
    "error_type": "the shadow's: an error's name or a status",
    "error": "one sentence on it",
    "production_outcome": "`answered` or `error`",
    "production_error_type": "an exception's name, a status, `disconnected`, …",
    "production_status": "HTTP status, 0 for none",
    "shadow_status": "HTTP status, 0 for none",
    "production_us": "from the complete request to the last byte, monotonic microseconds",
    "shadow_us": "the whole shadow call, monotonic microseconds",
    "queue_us": "how long the exchange waited before its shadow was asked",
    "comparator": "which one judged, as in `label`, `vector(0.99)` or `auto:label`: see [comparators](comparators.md)",
    "verdict": "`agree`, `disagree`, `incomparable`, or `none` where a side failed",
    "reason": "why the predictions are incomparable",
    "delta": "their distance in the comparator's own unit",
    "diff_paths": "where they differ, at most 20 JSON paths",
    "production_label": "where the comparator knows labels",
    "shadow_label": "",
    "production_score": "",
    "shadow_score": "",
    "segments": "the slices of the features it belongs to, as `SHADOW_SEGMENTS` has them",
    "features": "JSON text, redacted, cut at `SHADOW_RECORD_CHARS`; or a hash, or nothing, by `SHADOW_CAPTURE`",
    "production_prediction": "as above",
    "shadow_prediction": "as above",
    "truncated": "true when one of the three texts was cut",
    "features_kept": "`full`, `hash` or `none`: what `SHADOW_CAPTURE` left of the features, segments among them",
    "predictions_kept": "the same of both predictions, with their labels, scores and differences",
    "counts": "what was added since the last tally, by the words of the closed books and `agree`, `disagree`, "
    "`records_dropped`; zeros are left out",
}

#: Every generated page and what makes it.
PAGES = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "records.md": records_page,
    "commands.md": commands_page,
    "guarantees.md": guarantees_page,
}


def main() -> None:
    """Write all pages."""
    for name, make in PAGES.items():
        (HERE / name).write_text(make())


if __name__ == "__main__":
    main()
