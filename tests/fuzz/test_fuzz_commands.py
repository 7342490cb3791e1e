"""Every command with any arguments, and any file of labels: an exit code and sentences, never a traceback."""

from __future__ import annotations

import contextlib
import csv
import io
import json

import pytest
from fuzz_material import ODD_TEXTS, json_values, mutated, odd
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from report_records import Call, write_calls

from shadow_mw.cli import main, make_parser
from shadow_mw.cli.labels import read_truths
from shadow_mw.exceptions import PayloadError
from shadow_mw.records import Truth

#: Those that end by themselves without a server, a browser or an app.
ENDING = ("report", "gate", "export", "sql", "labels", "compact", "doctor", "check")
OWN_CODES = {"gate": {3}}
relaxed = settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "store"
    write_calls(folder, [Call("agree")] * 5 + [Call("disagree")] * 2 + [Call("shadow_timeout")])
    return folder


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    """What a command writes by a name that was made up, it writes here."""
    monkeypatch.chdir(tmp_path)


def options(command: str) -> list[str]:
    """The long options of a command, but for those that would work on a store of another name."""
    (commands,) = [action for action in make_parser()._actions if action.choices]
    found = [name for action in commands.choices[command]._actions for name in action.option_strings]
    return [name for name in found if name.startswith("--") and name not in ("--help", "--store", "--output")]


def ends_well(command: str, arguments: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([command, *arguments])
    except SystemExit as ended:
        code = ended.code
    assert code in {0, 1, 2, 4} | OWN_CODES.get(command, set()), (arguments, err.getvalue())
    assert "Traceback" not in err.getvalue()
    assert code == 0 or command in ("gate", "doctor", "check") or err.getvalue(), arguments


@pytest.mark.parametrize("command", ENDING)
def test_any_arguments_end_with_a_code_and_a_sentence(command, store) -> None:
    values = st.sampled_from(
        ["forest", "POST /predict", "24h", "0.5", "2026-11-22", "json", "select 1", "-1"]
    )
    words = st.sampled_from(options(command) or ["--help"])
    named = st.lists(st.builds("{}={}".format, words, values | odd), max_size=3)
    where = [] if command == "check" else ["--store", str(store)]

    @relaxed
    @given(named, st.lists(odd | values, max_size=1 if command in ("sql", "labels") else 0))
    def run(named, rest) -> None:
        ends_well(command, [*where, *named, *rest])

    run()


@pytest.mark.parametrize(
    "command", ["report", "gate", "export", "replay", "tail", "worker", "dashboard", "demo"]
)
def test_odd_values_of_every_option_are_read_or_refused(command) -> None:
    parser = make_parser()
    for name in options(command):
        for text in ODD_TEXTS:
            with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                parser.parse_args([command, f"{name}={text}"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "--where=\udcff"],
        ["sql", "\udcff"],
        ["report", "--shadow=\udcff"],
        ["gate", "--since=99999999999w"],
        ["gate", "--last=" + "9" * 400 + "w"],
        ["gate", "--min-agreement=nan"],
        ["export", "--since=0001-01-01T00:00:00+23:59"],
        ["report", "--route=\ud800"],
    ],
    ids=lambda arguments: " ".join(arguments)[:20].encode("ascii", "replace").decode(),
)
def test_odd_arguments_end_with_a_code_and_a_sentence(arguments, store) -> None:
    ends_well(arguments[0], ["--store", str(store), *arguments[1:]])


def table(rows: list[list[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([["request_id", "truth"], *rows])
    return out.getvalue().encode("utf-8", "replace")


_csv = st.lists(st.lists(odd, min_size=2, max_size=2), max_size=4).map(table)
_jsonl = st.lists(st.fixed_dictionaries({"request_id": json_values, "truth": json_values}), max_size=4).map(
    lambda rows: "\n".join(map(json.dumps, rows)).encode()
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".txt"])
def test_any_file_of_labels_is_read_or_refused(suffix, tmp_path) -> None:
    file = tmp_path / f"labels{suffix}"

    @relaxed
    @given(st.one_of(st.binary(max_size=100), _csv, _jsonl, mutated(b"request_id,truth\na,1\nb,2\n")))
    @example(b"")
    @example(b"PAR1" + b"\xff" * 20 + b"PAR1")
    @example(b'{"request_id":' * 5000)
    def run(content: bytes) -> None:
        file.write_bytes(content)
        with contextlib.suppress(PayloadError):
            for truth in read_truths(file, "request_id", "truth"):
                assert isinstance(truth, Truth)
                assert truth.request_id

    run()


@pytest.mark.parametrize("name", ["a*.csv", "[x].csv", "\udcff.csv", "a'b.csv", "a\nb.csv"])
def test_a_file_of_labels_by_any_name(name, tmp_path) -> None:
    file = tmp_path / name
    file.write_bytes(b"request_id,truth\na,1\n")
    said = "could not be read"
    try:
        assert [truth.truth for truth in read_truths(file, "request_id", "truth")] == ["1"]
    except PayloadError as error:
        said = str(error)
    assert "could not be read" in said
