"""The example with Kafka does what its README says, when its commands are run as they stand there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from broker import HOW, jars
from process_fixtures import runtime
from process_tools import Runtime, comparisons, until
from terminals import EXAMPLES, Terminals, free_ports, reported

__all__ = ["runtime"]

UP = "Uvicorn running"


@pytest.fixture
def terminals(tmp_path: Path, runtime: Runtime) -> Iterator[Terminals]:
    if jars() is None:
        pytest.skip(HOW)
    with Terminals("kafka", tmp_path, runtime, 9092, 9093, 8000, 8001, 8002) as terminals:
        yield terminals


@pytest.mark.timeout(600)
def test_the_readme_can_be_typed_line_by_line(terminals: Terminals) -> None:
    (
        install,
        terminal,
        _docker,
        broker,
        topic,
        shadow,
        check,
        app,
        workers,
        traffic,
        kill,
        report,
        other,
        replay,
        look,
        keys,
        worker_with_key,
        app_with_key,
        more,
        clear,
    ) = terminals.blocks()
    text = (terminals.folder / "README.md").read_text()
    store = terminals.folder / ".shadow"
    assert install.splitlines()[1] == "pip install --quiet '../..[encryption,kafka]' fastapi uvicorn"
    assert terminal.strip() == ". .venv/bin/activate && . ./settings.sh"

    terminals.start("broker", broker, "Kafka at")
    assert terminals.run(topic).splitlines() == ["made loans", "made loans.dead"]
    terminals.start("shadow", shadow, UP)
    said = terminals.run(check).splitlines()
    checked = [line for line in said if line.startswith("ok ") and not line.startswith("ok   caps")]
    assert len(checked) == 5
    assert re.sub(r"\d{5}", "9092", checked[1]).endswith(
        "queue kafka://127.0.0.1:9092/loans answers; its partitions feed up to 6 workers"
    )
    assert checked[1].removeprefix("ok ").strip() in text
    terminals.start("app", app, UP)
    assert "shadow_mw mirrors all of POST /decide to challenger=" in terminals.said("app")

    terminals.run(workers)
    logs = [terminals.folder / f"worker{number}.log" for number in (1, 2, 3)]
    until(lambda: all("shadow-mw worker takes from kafka://" in log.read_text() for log in logs), "workers")
    terminals.start("traffic", traffic)
    until(lambda: len(comparisons(store)) >= 100, lambda: f"comparisons: {len(comparisons(store))}")
    terminals.run(kill)
    assert terminals.ends("traffic") == "1,000 requests, all answered\n"
    figures = reported(terminals, report, 1000)
    assert figures == {"eligible": 1000, "compared": 1000, "unaccounted": 0, "agree": 973, "disagree": 27}
    assert "973 agreements and 27 disagreements" in text
    ids = Counter(one["request_id"] for one in comparisons(store))
    assert Counter(ids.values()) == {1: 1000}

    terminals.start("other", other, UP)
    said = terminals.run(replay)
    line = "1,000 exchanges asked of next: 1,000 answered, 994 agree, 6 disagree."
    assert line in said
    assert line in text
    assert "next: 1,000 predict calls" in said

    seen = terminals.run(look)
    assert "content-type: application/vnd.shadow-mw+msgpack\n" in seen
    assert '"income":3000' in seen
    terminals.run(keys)
    assert (terminals.folder / "keys").stat().st_mode & 0o077 == 0
    until(lambda: all("exchanges in" in logs[number].read_text() for number in (0, 2)), "workers end")
    terminals.ctrl_c("app")
    terminals.start("worker", worker_with_key, "shadow-mw worker takes from")
    terminals.start("app again", app_with_key, UP)
    seen = terminals.run(more)
    assert "100 requests, all answered" in seen
    assert "key_id: 2026-12" in seen
    assert "bytes that nobody can read without the key" in seen
    assert "income" not in seen
    figures = reported(terminals, f"{report.strip()} --shadow challenger", 1100)
    assert figures == {"eligible": 1100, "compared": 1100, "unaccounted": 0, "agree": 1072, "disagree": 28}

    for name in ("app again", "worker", "shadow", "other", "broker"):
        terminals.ctrl_c(name)
        assert "Traceback" not in terminals.said(name), terminals.said(name)
    assert all("Traceback" not in log.read_text() for log in logs)
    terminals.run(clear)
    assert not store.exists()


def test_the_broker_starts_again_on_what_it_has(terminals: Terminals) -> None:
    """Also with ports of its own; the data outlives it."""
    port, controller = free_ports(2)
    command = f"./broker.sh {port} {controller}"
    broker, topic = terminals.blocks()[3:5]
    assert broker.strip() == "./broker.sh"
    make = terminals.folder / "make_topic.py"
    make.write_text(make.read_text().replace(str(terminals.ports[9092]), str(port)))
    terminals.start("first", command, "Kafka at")
    assert "made loans\n" in terminals.run(topic)
    terminals.ctrl_c("first")
    terminals.start("second", command, "Kafka at")
    assert "already exists" in terminals.run(topic)
    terminals.ctrl_c("second")


def test_the_app_differs_from_one_without_a_shadow_by_two_lines() -> None:
    example = EXAMPLES / "kafka"
    added = [line for line in (example / "app.py").read_text().splitlines() if "shadow_mw" in line]
    assert added == ["from shadow_mw import ShadowMiddleware"]
    assert (example / "app.py").read_text().count("ShadowMiddleware)") == 1
    assert "import shadow_mw" not in (example / "challenger.py").read_text()
