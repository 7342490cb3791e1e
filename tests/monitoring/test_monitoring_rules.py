"""The rules and the dashboards' expressions hold by Prometheus's own tool, and name what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from promql import DASHBOARDS, EXAMPLES, RULES, expressions, grouped, metrics, recorded, rules, targets

from shadow_mw.telemetry import names

DOCS = Path(__file__).parents[2] / "docs"
#: Suffixes of the samples of one histogram or counter.
SUFFIX = re.compile(r"(_total|_bucket|_count|_sum)$")


@pytest.fixture
def promtool() -> Callable[..., str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; to run this: apt-get install prometheus")

    def run(*words: str) -> str:
        done = subprocess.run([program, *words], check=False, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def documented() -> dict[str, str]:
    """The names of Prometheus by the tables of docs/telemetry.md, without the suffixes of samples."""
    text = (DOCS / "telemetry.md").read_text()
    rows = re.findall(
        r"^\| `(shadow_mw\.[a-z_.]+)` \| `(\S+)` \| (?:counter|histogram|gauge|up-down)", text, re.MULTILINE
    )
    units = {"s": "_seconds"}
    found = {name.replace(".", "_") + units.get(unit, ""): name for name, unit in rows}
    return found | {
        name: name for name in re.findall(r"^\| `(shadow_mw_store_[a-z_]+)` \|", text, re.MULTILINE)
    }


def test_the_rules_are_rules(promtool):
    assert f"{len(rules())} rules found" in promtool("check", "rules", str(RULES))


def test_the_rules_say_what_their_tests_want(promtool):
    assert "SUCCESS" in promtool("test", "rules", str(RULES.with_name("rules.test.yml")))


def test_every_alert_has_a_test_in_which_it_rings():
    cases = yaml.safe_load(RULES.with_name("rules.test.yml").read_text())["tests"]
    rung = {
        one["alertname"] for case in cases for one in case.get("alert_rule_test", ()) if one["exp_alerts"]
    }
    assert rung == {rule["alert"] for rule in rules() if "alert" in rule}


def test_every_recorded_rule_is_tested_or_used_by_one_that_is():
    used = RULES.with_name("rules.test.yml").read_text() + "".join(
        rule["expr"] for rule in rules() if "alert" in rule
    )
    assert {rule["record"] for rule in rules() if "record" in rule} <= recorded(used)


def test_every_expression_of_the_dashboards_is_one(promtool, tmp_path):
    group = {
        "name": "all",
        "rules": [{"record": f"r{n}", "expr": one} for n, one in enumerate(expressions())],
    }
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [group]}))
    assert len(group["rules"]) > len(rules()) + 15
    promtool("check", "rules", str(file))


def test_every_metric_and_label_is_documented():
    labels = {name.replace(".", "_") for name in names.METRIC_ATTRIBUTES}
    labels |= {gauge.label for gauge in names.STORE_GAUGES} | {"job", "le"}
    seen = set()
    for expression in expressions():
        assert grouped(expression) <= labels, expression
        for named in metrics(expression):
            assert SUFFIX.sub("", named.metric) in documented(), expression
            assert set(named.labels) <= labels, expression
            seen.add(SUFFIX.sub("", named.metric))
    # What is exported and neither recorded, alerted on nor shown would be exported for nothing.
    assert {name for name in documented() if not name.startswith("shadow_mw_store_")} <= seen


def test_every_value_that_is_asked_for_is_documented():
    text = (DOCS / "telemetry.md").read_text()
    for expression in expressions():
        for named in metrics(expression):
            for label, value in named.labels.items():
                words = [] if value.startswith("$") else value.split("|")
                assert all(not word or f"`{word}`" in text for word in words), (label, value)


def test_the_dashboards_show_only_what_is_recorded():
    known = {rule["record"] for rule in rules() if "record" in rule}
    for path in DASHBOARDS:
        for target in targets(path, "prometheus"):
            assert recorded(target["expr"]) <= known


def test_every_rule_and_alert_is_explained():
    page = (DOCS / "monitoring.md").read_text()
    for rule in rules():
        heading = f"### {rule['alert']}\n" if "alert" in rule else f"| `{rule['record']}` |"
        assert heading in page
    explained = re.findall(r"^### (Shadow\w+)$", page, re.MULTILINE)
    assert explained == [rule["alert"] for rule in rules() if "alert" in rule]


def test_the_scrape_configuration_is_one(promtool, tmp_path):
    text = (EXAMPLES / "compose" / "prometheus.yml").read_text()
    # Where the container has them.
    shutil.copy(RULES, tmp_path / "rules.yml")
    (tmp_path / "dashboard-token").write_text("0123456789abcdef")
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus", str(tmp_path)))
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))
