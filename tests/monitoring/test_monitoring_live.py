"""A real Prometheus over a real worker and a real dashboard, set up as the examples are."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml
from process_fixtures import make_app, runtime, shadow, start
from process_tools import until
from prometheus_client.parser import text_string_to_metric_families
from promql import EXAMPLES, RULES, expressions, metrics, rules
from stub_shadow import Reply

__all__ = ["make_app", "runtime", "shadow", "start"]

TOKEN = "0123456789abcdef-secret"
#: What only a worker behind a broker tells.
BROKER = "shadow_mw_queue_lag"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


@pytest.fixture
def app(make_app, shadow, runtime):
    """An app whose shadow agrees, differs and fails by turns, so often in a row that its circuit opens."""
    turns = itertools.cycle([*"ad" * 5, *"f" * 6])

    def answer(asked):
        turn = next(turns)
        return {"a": Reply(body=asked.body), "d": Reply(body=b"[2]"), "f": Reply(status=503)}[turn]

    shadow.answer = answer
    return make_app(shadow.url, queue=f"unix://{runtime.path}/m.sock", compare="close")


@pytest.fixture
def environment(shadow, runtime):
    return {
        "SHADOW_TARGETS": shadow.url,
        "SHADOW_QUEUE": f"unix://{runtime.path}/m.sock",
        "SHADOW_COMPARE": "close",
        "SHADOW_BREAKER_RESET_SECONDS": "0.5",
    }


@pytest.fixture
def worker_port(start, environment):
    port = free_port()
    worker = start("-m", "shadow_mw", "worker", SHADOW_WORKER_LISTEN=f"127.0.0.1:{port}", **environment)
    worker.says("shadow-mw worker listens at")
    return port


def test_what_the_rules_and_dashboards_name_is_exported(app, worker_port):
    def exported():
        app.ask(times=20)
        labels = {}
        for family in text_string_to_metric_families(get(f"http://127.0.0.1:{worker_port}/metrics")):
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
        return labels if "error_type" in labels.get("shadow_mw_predict_duration_seconds_count", ()) else {}

    labels = until(exported, "a failure on the page of metrics")
    labels = {name.removesuffix("_ratio"): found for name, found in labels.items()}
    for expression in expressions():
        for named in metrics(expression):
            if named.metric == BROKER or named.metric.startswith("shadow_mw_store_"):
                continue
            assert named.metric in labels, expression
            assert set(named.labels) <= labels[named.metric] | {"job"}, expression


class Prometheus:
    """A server of its own on loopback, which scrapes and judges every second."""

    def __init__(self, folder: Path, **targets: str) -> None:
        config = yaml.safe_load((EXAMPLES / "compose" / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(RULES)]
        for job in config["scrape_configs"]:
            job.pop("dns_sd_configs", None)
            job["static_configs"] = [{"targets": [targets[job["job_name"].removeprefix("shadow-mw-")]]}]
            if "authorization" in job:
                job["authorization"]["credentials_file"] = str(folder / "token")
        (folder / "token").write_text(TOKEN)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.url = f"http://127.0.0.1:{free_port()}"
        command = [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--log.level=warn",
        ]
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def query(self, expression: str) -> dict[str, float]:
        """The values by name and labels; nothing while it is not up."""
        assert self._process.poll() is None, self._log.read_text()
        try:
            return self.ask(expression)
        except OSError:
            return {}

    def ask(self, expression: str) -> dict[str, float]:
        """As `query`; what is no query raises."""
        query = urllib.parse.urlencode({"query": expression})
        found = json.loads(get(f"{self.url}/api/v1/query?{query}"))["data"]["result"]
        return {json.dumps(one["metric"], sort_keys=True): float(one["value"][1]) for one in found}

    def health(self) -> set[str]:
        """How the rules fared, in Prometheus's words."""
        groups = json.loads(get(f"{self.url}/api/v1/rules"))["data"]["groups"]
        return {rule["health"] for group in groups for rule in group["rules"]}

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)


@pytest.fixture
def prometheus(start, environment, worker_port, tmp_path):
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is not installed; to run this: apt-get install prometheus")
    port = free_port()
    words = ("-m", "shadow_mw", "dashboard", "--port", str(port))
    start(*words, SHADOW_DASHBOARD_TOKEN=TOKEN, **environment)
    folder = tmp_path / "prometheus"
    folder.mkdir()
    server = Prometheus(folder, worker=f"127.0.0.1:{worker_port}", dashboard=f"127.0.0.1:{port}")
    yield server
    server.stop()


def test_the_recorded_rules_have_values(app, prometheus):
    wanted = {rule["record"] for rule in rules() if "record" in rule}
    latest: dict[str, float] = {}

    def known() -> bool:
        app.ask(times=8)
        latest.update(prometheus.query('{__name__=~"shadow_mw:.+"}'))
        numbers = {json.loads(key)["__name__"] for key, value in latest.items() if math.isfinite(value)}
        return wanted <= numbers

    until(known, lambda: wanted - {json.loads(key)["__name__"] for key in latest})
    for name in ("coverage:ratio_rate5m", "agreement:ratio_increase1h", "errors:ratio_rate5m"):
        shares = [value for key, value in latest.items() if f'"shadow_mw:{name}"' in key]
        assert all(0 <= share <= 1 for share in shares), latest
    until(
        lambda: len(prometheus.query("up == 1")) == 2 and prometheus.query("shadow_mw_store_shadows"),
        lambda: prometheus.query("up"),
    )
    for expression in expressions():
        # What only shows when it is evaluated, such as labels that match twice.
        prometheus.ask(re.sub(r"\$\w+", ".*", expression))
    # Alerts are judged too.
    assert prometheus.health() == {"ok"}


def test_an_app_with_a_provider_of_its_own_shows_the_metrics_itself(start, shadow, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
    code = re.search(r"<!-- app that is scraped -->\n```python\n(.*?)```\n<!-- end -->", page, re.DOTALL)[1]
    code += '\n\n@app.post("/predict")\ndef predict(values: list[int]):\n    return values\n'
    (tmp_path / "scraped_app.py").write_text(code)
    words = ("-m", "uvicorn", "scraped_app:app", "--app-dir", str(tmp_path), "--port", str(free_port()))
    app = start(*words, port=int(words[-1]), SHADOW_QUEUE="inline:", SHADOW_TARGETS=shadow.url)
    app.ask()

    def agreeing() -> list[float]:
        page = text_string_to_metric_families(get(f"http://127.0.0.1:{app.port}/metrics/"))
        samples = [sample for family in page for sample in family.samples]
        return [one.value for one in samples if one.labels.get("shadow_mw_verdict") == "agree" and one.value]

    assert until(agreeing, lambda: get(f"http://127.0.0.1:{app.port}/metrics/") + app.log) == [1.0]
