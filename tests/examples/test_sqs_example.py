"""The example with SQS does what its README says, when its commands are run as they stand there."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process_fixtures import runtime
from process_tools import Runtime, comparisons, until
from terminals import EXAMPLES, Terminals, reported

__all__ = ["runtime"]

UP = "Uvicorn running"


@pytest.fixture
def terminals(tmp_path: Path, runtime: Runtime) -> Iterator[Terminals]:
    with Terminals("sqs", tmp_path, runtime, 5000, 8000, 8001, 8002) as terminals:
        yield terminals


@pytest.mark.timeout(600)
def test_the_readme_can_be_typed_line_by_line(terminals: Terminals) -> None:
    (
        install,
        terminal,
        moto,
        queue,
        shadow,
        check,
        app,
        large,
        look,
        workers,
        traffic,
        kill,
        report,
        other,
        replay,
        clear,
    ) = terminals.blocks()
    text = (terminals.folder / "README.md").read_text()
    store = terminals.folder / ".shadow"
    assert install.splitlines()[1] == "pip install --quiet '../..[sqs]' 'moto[server]' fastapi uvicorn"
    assert terminal.strip() == ". .venv/bin/activate && . ./settings.sh"

    terminals.start("moto", moto, "Running on http://")
    made = terminals.run(queue).splitlines()
    assert all(f"`{line}`" in text for line in made)
    assert len(made) == 2
    terminals.start("shadow", shadow, UP)
    said = terminals.run(check).splitlines()
    checked = [line for line in said if line.startswith("ok ") and not line.startswith("ok   caps")]
    assert len(checked) == 5
    assert checked[1].removeprefix("ok ").strip() == "queue sqs://us-east-1/loans answers"
    terminals.start("app", app, UP)
    assert "shadow_mw mirrors all of POST /decide to challenger=" in terminals.said("app")

    assert terminals.run(large) == "3 requests, all answered\n"
    waiting = ["loans: 3 wait, 0 are with a worker", "loans-dead: 0 wait, 0 are with a worker"]
    until(lambda: terminals.run(look).splitlines() == [*waiting, "bucket: 3 objects"], "3 messages")
    assert all(f"`{line}`" in text for line in [*waiting, "bucket: 3 objects"])

    terminals.run(workers)
    logs = [terminals.folder / f"worker{number}.log" for number in (1, 2, 3)]
    until(lambda: all("shadow-mw worker takes from sqs://" in log.read_text() for log in logs), "workers")
    terminals.start("traffic", traffic)
    until(lambda: len(comparisons(store)) >= 100, lambda: f"comparisons: {len(comparisons(store))}")
    terminals.run(kill)
    assert terminals.ends("traffic") == "1,000 requests, all answered\n"
    until(lambda: len({one["request_id"] for one in comparisons(store)}) == 1003, "1,003 requests")
    found = comparisons(store)
    figures = reported(terminals, report, len(found))
    # moto may give a message to two workers in the same instant, as a standard queue of SQS may.
    surplus = len(found) - 1003
    assert 0 <= surplus <= 20
    assert (figures["eligible"], figures["compared"], figures["unaccounted"]) == (len(found), len(found), 0)
    assert figures["agree"] + figures["disagree"] == len(found)
    verdicts = Counter({one["request_id"]: one["verdict"] for one in found}.values())
    assert verdicts == {"agree": 976, "disagree": 27}
    assert "976 agreements and 27 disagreements" in text
    empty = [waiting[0].replace("3", "0"), waiting[1], "bucket: 0 objects"]
    until(lambda: terminals.run(look).splitlines() == empty, "an empty queue")

    terminals.start("other", other, UP)
    said = terminals.run(replay)
    line = "1,000 exchanges asked of next: 1,000 answered, 994 agree, 6 disagree."
    assert line in said
    assert line in text
    assert re.search(r"^3 left out: ", said, re.MULTILINE)
    assert "next: 1,000 predict calls" in said

    for name in ("app", "shadow", "other", "moto"):
        terminals.ctrl_c(name)
    assert "Traceback" not in terminals.said("app")
    terminals.run(clear)
    assert not store.exists()


def allowed(name: str) -> list[tuple[set[str], str]]:
    """The statements of a policy: actions, and on what."""
    policy: dict[str, Any] = json.loads((EXAMPLES / "sqs" / name).read_text())
    assert policy["Version"] == "2012-10-17"
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"])
    return [(set(statement["Action"]), statement["Resource"]) for statement in policy["Statement"]]


def test_the_policies_say_what_the_readme_says() -> None:
    text = (EXAMPLES / "sqs" / "README.md").read_text()
    rows = [row.split("|")[1:-1] for row in text.splitlines() if row.startswith("| ") and ":" in row]
    assert len(rows) == 4
    resources = {
        "the queue": "arn:aws:sqs:us-east-1:123456789012:loans",
        "its dead-letter queue": "arn:aws:sqs:us-east-1:123456789012:loans-dead",
        "the bucket's `shadow_mw/`": "arn:aws:s3:::loans-too-large/shadow_mw/*",
        "the bucket": "arn:aws:s3:::loans-too-large",
    }
    for column, name in ((1, "policy-app.json"), (2, "policy-worker.json")):
        told = [
            (set(re.findall(r"`(\w+:\w+)`", row[column])), resources[row[0].strip()])
            for row in rows
            if row[column].strip()
        ]
        assert allowed(name) == told


def test_the_policies_allow_each_call_that_the_code_makes() -> None:
    """By the names of the calls in the source, which boto3 and IAM derive from the same ones."""
    source = "".join(path.read_text() for path in (EXAMPLES.parent / "shadow_mw" / "queues").glob("sqs_*.py"))
    called = set(re.findall(r"\.?_?ask(?:_batch|_bucket)?\(\s*(?:\"sqs\", )?\"(\w+)\"", source))
    assert {"send_message_batch", "receive_message", "get_object", "get_queue_url"} <= called
    called = {call for call in called if "_" in call}  # not the names of the clients
    words = {call: "".join(word.capitalize() for word in call.split("_")) for call in called}
    wanted = {word.removesuffix("Batch") for word in words.values()}
    given = {
        action.partition(":")[2]
        for name in ("app", "worker")
        for actions, _ in allowed(f"policy-{name}.json")
        for action in actions
    }
    assert wanted <= given
