"""`shadow-mw tail` in a process of its own, beside a writer."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from report_records import Call, comparison, write_records

from shadow_mw.cli import main
from shadow_mw.cli.following import uuid_at

COMMAND = [sys.executable, "-m", "shadow_mw", "tail"]


def fresh(fate: str, number: int, **fields: object):
    # Ids of the same millisecond are in no order, unless they are made to be.
    record_id = f"{uuid_at(time.time())[:-12]}{number:012d}"
    facts = {"ts_us": int(time.time() * 1e6), "record_id": record_id, **fields}
    return comparison(Call(fate), number, **facts)


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    write_records(folder, [fresh("agree", n) for n in range(15)])
    return folder


class Tail:
    """A running tail, read line by line with a deadline."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._rest = b""

    def lines(self, count: int) -> list[str]:
        """The next so many lines."""
        found: list[bytes] = []
        deadline = time.monotonic() + 60
        while len(found) < count:
            *whole, self._rest = self._rest.split(b"\n")
            found += whole
            if len(found) < count:
                ready, _, _ = select.select([self.process.stdout], [], [], deadline - time.monotonic())
                assert ready, found
                more = os.read(self.process.stdout.fileno(), 65536)
                assert more, found
                self._rest += more
        self._rest = b"\n".join([*found[count:], self._rest])
        return [line.decode() for line in found[:count]]

    def interrupt(self) -> str:
        """End it by Ctrl-C; what is left on stdout and what stands on stderr."""
        self.process.send_signal(signal.SIGINT)
        rest, errors = self.process.communicate(timeout=60)
        return (self._rest + rest + errors).decode()


@contextlib.contextmanager
def tailing(store, *flags: str) -> Iterator[Tail]:
    process = subprocess.Popen(
        [*COMMAND, "--store", str(store), *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        yield Tail(process)
        process.kill()


def test_the_latest_come_first_then_every_new_one_once(store):
    with tailing(store, "-n", "3") as tail:
        assert [line.split()[-1] for line in tail.lines(3)] == ["request-12", "request-13", "request-14"]
        write_records(store, [fresh("agree", 20), fresh("disagree", 21, diff_paths=("$.score",))])
        first, second = tail.lines(2)
        assert "agree" in first
        assert first.endswith("POST /predict  request-20")
        assert "disagree" in second
        assert second.endswith("request-21  $.score")
        write_records(store, [fresh("shadow_timeout", 22, error_type="ShadowTimeout")])
        (third,) = tail.lines(1)
        assert "failed" in third
        assert third.endswith("request-22  shadow ShadowTimeout")
        assert "\x1b" not in first + second + third
        assert tail.interrupt() == ""
    assert tail.process.returncode == 0


def test_a_record_that_comes_late_with_an_older_id_is_shown(store):
    late = fresh("agree", 30, record_id=uuid_at(time.time() - 20))
    with tailing(store, "-n", "1") as tail:
        tail.lines(1)
        write_records(store, [late])
        assert tail.lines(1)[0].endswith("request-30")


def test_only_disagreements_of_one_shadow_as_json(store):
    with tailing(store, "-n", "0", "--only", "disagree", "--shadow", "forest", "--json") as tail:
        wait_until_following(tail)
        other = comparison(Call("disagree", shadow="pine"), 41, ts_us=int(time.time() * 1e6))
        labels = {"production_label": "8", "shadow_label": "3"}
        write_records(store, [fresh("agree", 40), other, fresh("disagree", 42, **labels)])
        row = json.loads(tail.lines(1)[0])
        assert (row["request_id"], row["shadow_label"]) == ("request-42", "3")
        assert tail.interrupt() == ""


def wait_until_following(tail: Tail) -> None:
    """It says nothing before the first new record: so one is written that it shows, until it does."""
    deadline = time.monotonic() + 60
    store = tail.process.args[tail.process.args.index("--store") + 1]
    while time.monotonic() < deadline:
        write_records(store, [fresh("disagree", 99)])
        if select.select([tail.process.stdout], [], [], 3.0)[0]:
            while b"\n" in tail._rest or select.select([tail.process.stdout], [], [], 3.0)[0]:
                tail.lines(1)
            return
    raise AssertionError("tail shows nothing")


def test_a_reader_that_goes_away_ends_it(store):
    with tailing(store, "-n", "1") as tail:
        tail.lines(1)
        tail.process.stdout.close()
        write_records(store, [fresh("agree", n) for n in range(50, 60)])
        tail.process.wait(60)
        assert tail.process.stderr.read() == b""
    assert tail.process.returncode == 1


@pytest.mark.parametrize(
    ("flags", "code", "sentence"),
    [(["-n", "many"], 2, "'many' is not a number"), (["--only", "odd"], 2, "invalid choice: 'odd'")],
)
def test_wrong_usage_is_a_sentence(capsys, flags, code, sentence):
    with pytest.raises(SystemExit) as ended:
        main(["tail", *flags])
    assert ended.value.code == code
    assert sentence in capsys.readouterr().err


def test_no_store_is_a_sentence(tmp_path, capsys):
    assert main(["tail", "--store", str(tmp_path / "none")]) == 4
    assert "there is no store" in capsys.readouterr().err
