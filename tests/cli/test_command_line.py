"""The command line as a user meets it: exit codes, sentences, and never a traceback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from report_records import Call, comparison, write_calls, write_records

import shadow_mw
from shadow_mw.cli import main
from shadow_mw.records import BUCKETS
from shadow_mw.stores.layout import Layout

COMMAND = [sys.executable, "-m", "shadow_mw"]


def run(*arguments, stdout=subprocess.PIPE, **environment):
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        env=os.environ | {key: str(value) for key, value in environment.items()},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    write_calls(folder, [Call("agree")] * 18 + [Call("disagree")] * 2 + [Call("shadow_timeout")] * 5)
    return folder


MISTAKES = {
    "no command": ([], {}, 2, "required: COMMAND"),
    "unknown command": (["reprot"], {}, 2, "invalid choice: 'reprot'"),
    "unknown option": (["check", "--colour"], {}, 2, "unrecognized arguments: --colour"),
    "no requests": (["demo", "--requests", "0"], {}, 2, "give 1 or more"),
    "no number": (["demo", "--requests", "many"], {}, 2, "'many' is not a number of requests"),
    "no port": (["demo", "--port", "70000"], {}, 2, "'70000' is not a port"),
    "unknown fault": (["demo", "--shadow-fault", "moody"], {}, 2, "invalid choice: 'moody'"),
    "no store": (["report", "--store", "/nowhere/at/all"], {}, 4, "there is no store at /nowhere/at/all"),
    "a file as store": (["report", "--store", __file__], {}, 4, "is a file and no store"),
    "a foreign folder": (["report", "--store", os.path.dirname(__file__)], {}, 4, "is no store"),
    "nothing to follow": (["tail", "--store", "/nowhere"], {}, 4, "there is no store at /nowhere"),
    "nothing to export": (["export", "--store", "/nowhere"], {}, 4, "there is no store at /nowhere"),
    "nothing to ask": (["sql", "--store", "/nowhere", "SELECT 1"], {}, 4, "there is no store at /nowhere"),
    "no question": (["sql"], {}, 2, "required: QUERY"),
    "two forms": (["report", "--json", "--html"], {}, 2, "not allowed with argument"),
    "no time": (["report", "--since", "soon"], {}, 2, "'soon' is no moment"),
    "no store to compact": (["compact", "--store", "/nowhere"], {}, 4, "there is no store at /nowhere"),
    "no records kept": (["report"], {"SHADOW_STORE": "none"}, 4, "SHADOW_STORE is none"),
    "a wrong rate": (["report"], {"SHADOW_SAMPLE_RATE": "7"}, 1, "SHADOW_SAMPLE_RATE"),
    "no routes": (["check"], {"SHADOW_TARGETS": "http://127.0.0.1:9"}, 1, "SHADOW_ROUTES is not set"),
    "a wrong target": (["check"], {"SHADOW_TARGETS": "ftp://a"}, 1, "'ftp://a' is not a target"),
}


@pytest.mark.parametrize(("arguments", "environment", "code", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_a_sentence_and_an_exit_code(
    arguments, environment, code, sentence, monkeypatch, capsys
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    try:
        got = main(arguments)
    except SystemExit as end:
        got = end.code
    output = capsys.readouterr()
    assert got == code
    assert sentence in output.err
    assert output.out == ""


@pytest.mark.parametrize("mistake", ["unknown command", "no store", "a wrong rate"])
def test_a_process_ends_without_a_traceback(mistake):
    arguments, environment, code, sentence = MISTAKES[mistake]
    ended = run(*arguments, **environment)
    assert ended.returncode == code
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_version_and_help_tell_what_there_is(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    text = capsys.readouterr().out
    for command in ("demo", "report", "gate", "tail", "export", "sql", "check", "compact"):
        assert command in text
    assert run("--version").stdout == f"shadow-mw {shadow_mw.__version__}\n"


def test_the_report_begins_with_the_verdict_and_its_books_add_up(store, capsys):
    assert main(["report", "--store", str(store)]) == 0
    text = capsys.readouterr().out
    verdict, overview = (" ".join(part.split()) for part in text.split("\n\n")[:2])
    assert verdict.startswith("Hold forest. Coverage is 80.00 %; 95.00 % or more wanted.")
    assert overview.startswith("forest: 25 predict calls; the shadow answered 20 of them (coverage 80.0 %)")
    assert (
        "agreement is 90.0 % (69.9 % to 97.2 %); the shadow failed 5 times, production 0 times." in overview
    )
    rows = dict(line.rsplit(None, 1) for line in text.splitlines() if line and line[-1].isdigit())
    buckets = sum(int(rows[bucket]) for bucket in BUCKETS)
    assert buckets == int(rows["= eligible"]) == 25


def test_a_piped_report_fits_80_columns_without_colour(store):
    calls = [comparison(Call("disagree"), n, production_prediction="[1, 2]" * 40) for n in range(3)]
    long = Call("agree", route="POST /v1/projects/{project}/models/{model}/versions/{version}:predict")
    write_records(store, calls)
    write_calls(store, [long])
    ended = run("report", "--store", store)
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert "\x1b" not in ended.stdout
    assert max(len(line) for line in ended.stdout.splitlines()) <= 80


def test_a_prediction_cannot_steer_the_terminal(store, capsys):
    nasty = comparison(Call("disagree"), 99, delta=9.0, shadow_prediction="\x1b[2J[red]x[/red]\r\n")
    write_records(store, [nasty])
    assert main(["report", "--store", str(store)]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "shadow: \\x1b[2J[red]x[/red]\\r\\n" in text


def test_the_report_as_json_has_every_figure(store):
    ended = run("report", "--store", store, "--json")
    (shadow,) = json.loads(ended.stdout)["shadows"]
    analysis = shadow["analysis"]
    assert analysis["account"]["eligible"] == sum(analysis["account"]["buckets"].values()) == 25
    assert analysis["agreement"]["share"]["rate"] == 0.9
    assert analysis["account"]["coverage"]["rate"] == 0.8
    assert shadow["decision"]["verdict"] == "hold"


def test_an_empty_store_is_said_to_be_empty(tmp_path, capsys):
    Layout(tmp_path / "store").prepare()
    assert main(["report", "--store", str(tmp_path / "store")]) == 0
    assert "is empty" in capsys.readouterr().out


@pytest.mark.parametrize("format_", [[], ["--json"]])
def test_a_reader_that_goes_away_is_no_error(store, format_):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        ended = run("report", "--store", store, *format_, stdout=closed)
    assert ended.returncode == 1
    assert ended.stderr == ""


def test_warnings_say_what_the_figures_lack(store, capsys):
    other = Call("agree", route="POST /other")
    write_records(store, [comparison(other, n, comparator="label") for n in range(3)])
    assert main(["report", "--store", str(store)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "The store holds 3 comparisons that the books lack" in text
    assert "Several comparators were used (exact, label)" in text


def test_compact_leaves_the_report_as_it_was(store, capsys):
    main(["report", "--store", str(store), "--json"])
    before = capsys.readouterr().out
    assert main(["compact", "--store", str(store)]) == 0
    assert "Compacted 1 segment with 25 comparisons" in capsys.readouterr().out
    assert list(store.glob("cold/*/*.parquet"))
    main(["report", "--store", str(store), "--json"])
    assert capsys.readouterr().out == before


def test_the_store_of_the_settings_is_the_default(store, monkeypatch, capsys):
    monkeypatch.setenv("SHADOW_STORE", str(store))
    assert main(["report"]) == 0
    assert "25 predict calls" in capsys.readouterr().out


def test_ctrl_c_ends_quietly(tmp_path):
    # `check` waits for a target that accepts and never answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment = os.environ | {
            "SHADOW_TARGETS": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "SHADOW_ROUTES": "POST /predict",
        }
        process = subprocess.Popen([*COMMAND, "check"], env=environment, stderr=subprocess.PIPE, text=True)
        silent.settimeout(60)
        connection, _ = silent.accept()
        connection.settimeout(60)
        assert connection.recv(1)  # now it waits for the answer
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        connection.close()
    assert process.returncode == 130
    assert errors == ""


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        ("duckdb", ["report"], "report"),
        ("duckdb", ["compact"], "report"),
        ("rich", ["report"], "report"),
        ("jinja2", ["report", "--html"], "dashboard"),
        ("duckdb", ["tail"], "report"),
        ("duckdb", ["export"], "report"),
        ("duckdb", ["sql", "SELECT 1"], "report"),
        ("rich", ["sql", "SELECT 1"], "report"),
        ("jinja2", ["demo", "--requests", "1"], "demo"),
        ("sklearn", ["demo", "--requests", "1"], "demo"),
    ],
)
def test_a_missing_extra_names_the_pip_command(store, missing, arguments, extra):
    write_calls(store, [Call("agree")])
    hide = f"import sys; sys.modules[{missing!r}] = None; from shadow_mw.cli import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", hide, *arguments],
        check=False,
        env=os.environ | {"SHADOW_STORE": str(store)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert f"pip install 'shadow-mw[{extra}]'" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_json_needs_no_rich(store):
    hide = "import sys; sys.modules['rich'] = None; from shadow_mw.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", hide, "report", "--json", "--store", str(store)]
    ended = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert json.loads(ended.stdout)["shadows"]
