"""Every name that leaves the library is documented, and nothing else is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shadow_mw.telemetry import names

DOCS = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text()


def rows(heading: str) -> dict[str, str]:
    """The first cell of each row of the table under a heading, with the rest of the row."""
    section = DOCS.split(f"## {heading}\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z_.]+)` \| (.*) \|$", section, re.MULTILINE))


def test_every_span_attribute_is_documented_with_its_meaning():
    table = rows("Span attributes")
    assert set(table) == set(names.SPAN_ATTRIBUTES)
    for name, meaning in names.SPAN_ATTRIBUTES.items():
        assert table[name].endswith(meaning)


def test_every_metric_is_documented_with_its_unit_and_meaning():
    table = rows("Metrics")
    assert set(table) == {metric.name for metric in names.METRICS}
    for metric in names.METRICS:
        assert f"`{metric.unit}`" in table[metric.name]
        assert metric.meaning in table[metric.name]


def test_every_metric_attribute_is_documented_with_its_meaning():
    table = rows("Metric attributes")
    assert set(table) == set(names.METRIC_ATTRIBUTES)
    for name, meaning in names.METRIC_ATTRIBUTES.items():
        assert table[name].endswith(meaning)


def test_every_gauge_of_a_store_is_documented_with_its_label_and_meaning():
    table = rows("Metrics of a store")
    assert set(table) == {gauge.name for gauge in names.STORE_GAUGES}
    for gauge in names.STORE_GAUGES:
        label = f"`{gauge.label}`" if gauge.label else ""
        assert table[gauge.name] == f"{label} | {gauge.meaning}"


@pytest.mark.parametrize("name", [names.SPAN_PRODUCTION, names.SPAN_SHADOW, names.SPAN_EXCHANGE])
def test_every_span_is_documented(name):
    assert f"`{name}" in DOCS
