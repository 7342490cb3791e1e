"""The Grafana dashboards are dashboards by Grafana's own types, and what they name is provisioned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from promql import DASHBOARDS, EXAMPLES

GRAFANA = EXAMPLES / "compose" / "grafana"
SOURCES = {
    one["uid"]: one for one in yaml.safe_load((GRAFANA / "datasources.yml").read_text())["datasources"]
}
#: Younger than the types.
YOUNGER = {"tableType"}


def lost(given: Any, kept: Any, path: str = "$") -> Iterator[str]:
    """What stands in one and not in the other, which may have more."""
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in kept:
                yield from [] if name in YOUNGER else [f"{path}.{name}"]
            else:
                yield from lost(value, kept[name], f"{path}.{name}")
    elif isinstance(given, list):
        if len(given) != len(kept):
            yield path
        for number, (one, other) in enumerate(zip(given, kept)):  # noqa: B905 - the lengths were compared
            yield from lost(one, other, f"{path}[{number}]")
    elif given != kept:
        yield path


def typed(board: dict[str, Any]) -> dict[str, Any]:
    """A dashboard that went through Grafana's types, which drop what they don't know."""
    models = pytest.importorskip(
        "grafana_foundation_sdk.models.dashboard",
        reason="Grafana's types are not installed; to run this: pip install grafana-foundation-sdk",
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins

    register_default_plugins()
    return dict(json.loads(JSONEncoder().encode(models.Dashboard.from_json(board))))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_field_is_one_of_grafanas(path):
    board = json.loads(path.read_text())
    assert list(lost(board, typed(board))) == []


def test_a_field_that_is_none_would_be_found():
    board = json.loads(DASHBOARDS[0].read_text())
    board["panels"][0]["fieldConfig"]["defaults"]["unitt"] = "s"
    board["panels"][0]["options"]["graphModes"] = "none"
    board["panels"][0]["targets"][0]["legend"] = "x"
    assert [one.rpartition(".")[2] for one in lost(board, typed(board))] == ["legend", "unitt", "graphModes"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_have_a_place_each_and_a_source_that_is_provisioned(path):
    board = json.loads(path.read_text())
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        for target in panel["targets"]:
            assert SOURCES[target["datasource"]["uid"]]["type"] == target["datasource"]["type"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_variable_that_a_query_names_is_there():
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        own = {one["name"] for one in board["templating"]["list"]}
        text = json.dumps(board["panels"])
        used = {name for name in ("job", "shadow", "route") if f"${name}" in text or f"${{{name}}}" in text}
        assert used <= own


def test_dashboards_are_read_from_where_compose_puts_them():
    (provider,) = yaml.safe_load((GRAFANA / "dashboards.yml").read_text())["providers"]
    compose = yaml.safe_load((EXAMPLES / "compose" / "compose.yml").read_text())
    grafana = compose["services"]["grafana"]
    mounts = dict(mount.split(":")[:2] for mount in grafana["volumes"])
    assert mounts["./grafana/dashboards"] == provider["options"]["path"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.removeprefix(provider["options"]["path"] + "/") in {path.name for path in DASHBOARDS}
