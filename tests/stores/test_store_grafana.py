"""The queries of the Grafana dashboard over ClickHouse, asked of ClickHouse's engine."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_records import comparison, comparisons

from shadow_mw.assembly.stores import open_reader
from shadow_mw.protocols import Reader
from shadow_mw.records import Pulse, Tally
from shadow_mw.stores.clickhouse import ClickHouseStore

FOLDER = Path(__file__).parents[2] / "examples" / "compose" / "grafana" / "dashboards"
BOARD = json.loads((FOLDER / "shadow-records.json").read_text())
PANELS = {panel["title"]: panel for panel in BOARD["panels"]}
#: What a panel's picture needs: a time in front, or one number.
SHAPES = {"timeseries": "time", "stat": None, "table": None}
NOW_US = time.time_ns() // 1000
AT = {"ts_us": NOW_US - 60_000_000, "shadow": "next", "route": "POST /decide"}


@pytest.fixture(scope="module")
def reader(clickhouse: Any) -> Iterator[Reader]:
    url = clickhouse.new_database()
    store = ClickHouseStore(url, retention_days=1e9)
    land = {"production_us": 10_000, "shadow_us": 15_000, "items": 1}
    differs = {
        "verdict": "disagree",
        "diff_paths": ("$.label",),
        "production_label": "approve",
        "shadow_label": "decline",
        "production_prediction": '{"label": "approve"}',
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    failed = {"bucket": "shadow_error", "outcome": "error", "verdict": "none", "error_type": "503"}
    store.write(
        [
            *comparisons("a", 60, **AT, **land, segments={"land": "fr"}),
            *comparisons("d", 40, **AT, **land, segments={"land": "de"}, **differs),
            *comparisons("f", 25, **AT, **failed),
            # Of another time, another shadow, and of a control: none of them may count.
            comparison("old", **{**AT, **differs, "ts_us": NOW_US - 40 * 86_400_000_000}),
            comparison("other", **{**AT, **differs, "shadow": "other"}),
            comparison("control", **{**AT, **differs, "role": "control"}),
            Tally(
                **AT,
                counts={"eligible": 200, "compared": 100, "agree": 60, "shadow_error": 25, "queue_full": 75},
            ),
            Pulse(ts_us=NOW_US, shadow="next", instance="one", circuit="half-open", waiting=3),
            Pulse(ts_us=NOW_US - 9_000_000, shadow="next", instance="one"),
        ]
    )
    store.close()
    reader = open_reader(url)
    yield reader
    reader.close()


def asked(reader: Reader, title: str) -> list[dict[str, Any]]:
    """What a panel shows, with the variables as Grafana and its plugin write them in."""
    (target,) = PANELS[title]["targets"]
    values = {
        "${shadow}": "next",
        "$__from": str(NOW_US // 1000 - 86_400_000),
        "$__to": str(NOW_US // 1000),
        "$__interval_s": "30",
    }
    sql = re.sub(r"\$\{?\w+\}?", lambda found: values[found[0]], target["rawSql"])
    return reader.rows(sql)


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_has_rows_of_the_shape_that_it_draws(reader: Reader, title: str) -> None:
    rows = asked(reader, title)
    assert rows
    kind = PANELS[title]["type"]
    first, *_ = rows[0]
    assert first == (SHAPES[kind] or first)
    assert kind != "stat" or (len(rows), len(rows[0])) == (1, 1)
    (target,) = PANELS[title]["targets"]
    # The plugin draws what it is told to be a series, and lists the rest.
    assert (target["queryType"], target["format"]) == (
        ("timeseries", 0) if kind == "timeseries" else ("table", 1)
    )
    overridden = {
        rule["matcher"]["options"]
        for rule in PANELS[title]["fieldConfig"]["overrides"]
        if rule["matcher"]["id"] == "byName"
    }
    assert overridden <= set(rows[0])


@pytest.mark.parametrize(
    ("title", "value"),
    [
        ("Agreement", 0.6),
        ("Coverage", 0.5),
        ("Eligible requests", 200),
        ("p95, shadow over production", 1.5),
    ],
)
def test_the_figures_are_those_of_the_records(reader: Reader, title: str, value: float) -> None:
    (row,) = asked(reader, title)
    assert next(iter(row.values())) == pytest.approx(value)


def test_the_lists_are_those_of_the_records(reader: Reader) -> None:
    words = {row["word"]: row["requests"] for row in asked(reader, "Where eligible requests ended")}
    assert words == {"compared": 100, "shadow_error": 25, "queue_full": 75}
    failure, *none = asked(reader, "Failures")
    assert (failure["side"], failure["kind"], failure["requests"], none) == ("shadow", "503", 25, [])
    worst, best = asked(reader, "Worst segments")
    assert (worst["segment"], worst["disagreement"]) == ("land = de", 1.0)
    assert (best["segment"], best["verdicts"]) == ("land = fr", 60)
    assert asked(reader, "Labels that differ") == [
        {"production": "approve", "shadow_said": "decline", "requests": 40}
    ]
    assert asked(reader, "Places that differ") == [{"path": "$.label", "requests": 40}]
    (worker,) = asked(reader, "Workers")
    assert (worker["circuit_now"], worker["waits"]) == ("half-open", 3)
    assert len(asked(reader, "Disagreements, newest first")) == 40


def test_the_picker_has_the_shadows_and_no_control(reader: Reader) -> None:
    (picker,) = BOARD["templating"]["list"]
    assert [row["shadow"] for row in reader.rows(picker["query"])] == ["next", "other"]
