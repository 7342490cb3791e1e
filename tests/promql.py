"""The metrics and labels that PromQL expressions name, and where this project's expressions stand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

EXAMPLES = Path(__file__).parents[1] / "examples"
RULES = EXAMPLES / "monitoring" / "rules.yml"
DASHBOARDS = sorted((EXAMPLES / "compose" / "grafana" / "dashboards").glob("*.json"))

_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?:\b(shadow_mw_\w+)\s*)?\{([^}]*)\}|\b(shadow_mw_\w+)")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_RECORDED = re.compile(r"\bshadow_mw:[\w:]+")


class Named(NamedTuple):
    """One metric that an expression names, and the labels that it asks of it with their values."""

    metric: str
    labels: dict[str, str]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())["panels"])


def targets(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The queries of a dashboard to one kind of data source."""
    for panel in panels(path):
        yield from (one for one in panel["targets"] if one["datasource"]["type"] == kind)


def expressions() -> list[str]:
    """Every expression of the rules and of the dashboards, those that fill their pickers too."""
    found = [rule["expr"] for rule in rules()]
    for path in DASHBOARDS:
        found += [target["expr"] for target in targets(path, "prometheus")]
        for one in json.loads(path.read_text())["templating"]["list"]:
            if one["datasource"]["type"] == "prometheus":
                found.append(re.sub(r"^label_values\((.*), (\w+)\)$", r"max by (\2) (\1)", one["query"]))
    return [one.replace("$__rate_interval", "5m") for one in found]


def metrics(expression: str) -> list[Named]:
    """The metrics that an expression names with their matchers; a pattern in `_ratio` is without it."""
    found = []
    for name, matchers, bare in _SELECTOR.findall(
        _GROUPING.sub(" ", _RECORDED.sub(" recorded ", expression))
    ):
        labels = {label: value for label, _, value in _MATCHER.findall(matchers)}
        if metric := name or bare or labels.pop("__name__", "").removesuffix("(_ratio)?"):
            found.append(Named(metric, labels))
    return found


def grouped(expression: str) -> set[str]:
    """The labels that an expression groups by."""
    return {label for words in _GROUPING.findall(expression) for label in re.findall(r"\w+", words)}


def recorded(expression: str) -> set[str]:
    return set(_RECORDED.findall(expression))
