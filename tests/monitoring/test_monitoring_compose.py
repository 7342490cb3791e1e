"""The compose example by compose's own schema and by what it promises; no container runs here."""

from __future__ import annotations

import re
import subprocess
import sys
from fnmatch import fnmatch
from typing import Any

import opentelemetry.environment_variables as api
import opentelemetry.sdk.environment_variables as sdk
import pytest
import yaml
from promql import EXAMPLES

from shadow_mw.settings import load_settings
from shadow_mw.telemetry.providers import open_telemetry

FOLDER = EXAMPLES / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("app", "worker", "dashboard")
#: What can't live without writing to its root, or without privileges; each says why beside it.
NOT_READ_ONLY = {"kafka", "topics", "clickhouse"}
PRIVILEGED = {"clickhouse"}
SECRETS = {
    "CLICKHOUSE_PASSWORD": "s3cret",
    "SHADOW_DASHBOARD_TOKEN": "0123456789abcdef",
    "GRAFANA_PASSWORD": "x",
}


def environment(name: str) -> dict[str, str]:
    """The environment of a service, with its secrets filled in."""

    def filled(value: object) -> str:
        return re.sub(r"\$\{(\w+)[^}]*\}", lambda found: SECRETS[found[1]], str(value))

    return {key: filled(value) for key, value in SERVICES[name].get("environment", {}).items()}


def test_it_is_a_compose_file_by_its_schema():
    pytest.importorskip(
        "check_jsonschema",
        reason="check-jsonschema is not installed; to run this: pip install check-jsonschema",
    )
    words = ("-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FOLDER / "compose.yml"))
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", OURS)
def test_its_settings_are_settings(name, monkeypatch):
    given = {key: value for key, value in environment(name).items() if key.startswith("SHADOW_")}
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    found = load_settings()
    assert {key for key in given if not hasattr(found, key.removeprefix("SHADOW_").lower())} == set()
    assert (found.queue, found.compare) == ("kafka://kafka:9092/loans", "label")


def test_its_otel_variables_are_those_of_the_sdk_and_set_up_spans_alone(monkeypatch):
    known = {value for module in (api, sdk) for key, value in vars(module).items() if key.startswith("OTEL_")}
    for name in OURS:
        assert {key for key in environment(name) if key.startswith("OTEL_")} <= known
    for key, value in environment("worker").items():
        monkeypatch.setenv(key, value)
    telemetry = open_telemetry(reuse=False)
    telemetry.shutdown(1.0)
    assert repr(telemetry).endswith("traces=Provider(own, [OTLPSpanExporter]), metrics=Provider(own, []))")


def test_the_same_queue_store_and_routes_are_everywhere():
    shared = [
        {key: value for key, value in environment(name).items() if key in COMPOSE["x-shadow"]}
        for name in OURS
    ]
    assert shared[0] == shared[1] == shared[2]
    assert set(shared[0]) == set(COMPOSE["x-shadow"])


def test_the_shadow_has_no_way_out_and_only_workers_reach_it():
    networks = {name for name, one in COMPOSE["networks"].items() if one.get("internal")}
    assert SERVICES["shadow"]["networks"] == ["shadow"]
    assert "shadow" in networks
    assert {name for name, one in SERVICES.items() if "shadow" in one["networks"]} == {"shadow", "worker"}
    assert "ports" not in SERVICES["shadow"]
    # What has the records of others has no way out either.
    assert set(SERVICES["worker"]["networks"]) <= networks


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_has_no_more_than_it_needs(name):
    service = SERVICES[name]
    assert {"mem_limit", "cpus"} <= set(service)
    assert service.get("read_only", False) == (name not in NOT_READ_ONLY)
    if name not in PRIVILEGED:
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version_and_every_port_is_of_this_machine(name):
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert tag == "local" if "build" in service else re.fullmatch(r"v?\d+\.\d+\.\d+(\.\d+)?", tag)
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_every_port_of_a_password_page_is_that_of_the_service():
    assert SERVICES["app"]["ports"] == ["127.0.0.1:8000:8000"]
    assert environment("worker")["SHADOW_WORKER_LISTEN"] == "0.0.0.0:9464"
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (worker,), (dashboard,) = jobs[0]["dns_sd_configs"], jobs[1]["static_configs"]
    assert (worker["names"], worker["port"]) == (["worker"], 9464)
    assert dashboard["targets"] == ["dashboard:8400"]


def test_every_file_that_is_mounted_is_there():
    made = {"./dashboard-token"}
    script = (FOLDER / "make-secrets.sh").read_text()
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source in made:
                assert source.removeprefix("./") in script
            elif source.startswith("."):
                assert (FOLDER / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]


def test_who_talks_to_whom_shares_a_network():
    pairs = [("app", "kafka"), ("worker", "kafka"), ("worker", "shadow"), ("worker", "clickhouse")]
    pairs += [
        ("worker", "collector"),
        ("collector", "jaeger"),
        ("collector", "tempo"),
        ("dashboard", "clickhouse"),
    ]
    pairs += [("prometheus", "worker"), ("prometheus", "dashboard"), ("topics", "kafka")]
    pairs += [("grafana", "prometheus"), ("grafana", "tempo"), ("grafana", "clickhouse")]
    for one, other in pairs:
        assert set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"]), (one, other)


def test_the_collectors_pipelines_name_what_is_configured_and_where_it_goes():
    config = yaml.safe_load((FOLDER / "collector.yml").read_text())
    for pipeline in config["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= set(config[kind])
    hosts = {one["endpoint"].partition(":")[0] for one in config["exporters"].values()}
    assert hosts <= set(SERVICES)


def test_the_passwords_are_made_once_and_read_by_compose(tmp_path):
    script = tmp_path / "make-secrets.sh"
    script.write_text((FOLDER / "make-secrets.sh").read_text())
    for said in ("made .env and dashboard-token\n", ".env is there already\n"):
        assert subprocess.run(["sh", script], capture_output=True, text=True, check=True).stdout == said
    made = dict(line.split("=") for line in (tmp_path / ".env").read_text().splitlines())
    assert set(made) == set(re.findall(r"\$\{(\w+):\?", (FOLDER / "compose.yml").read_text()))
    assert (tmp_path / "dashboard-token").read_text() == made["SHADOW_DASHBOARD_TOKEN"]
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_the_readme_names_every_service_and_its_commands_are_there():
    text = (FOLDER / "README.md").read_text()
    assert all(f"`{name}`" in text for name in SERVICES)
    assert "no container engine" in text


def test_what_the_images_take_is_there_and_let_through():
    text = (FOLDER / "Dockerfile").read_text()
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    taken = [word for words in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in words.split()]
    assert taken
    for path in taken:
        assert (FOLDER.parents[1] / path).exists()
        assert any(fnmatch(path, one.removeprefix("!")) for one in ignored if one.startswith("!")), path
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE))
    assert stages == {one["build"]["target"] for one in SERVICES.values() if "build" in one}
