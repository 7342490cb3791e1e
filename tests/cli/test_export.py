"""`shadow-mw export`: every format, every filter, and what a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import subprocess
import sys

import duckdb
import msgspec
import pytest
from gate_stores import stretch, told, write_story
from hypothesis import given
from hypothesis import strategies as st
from report_records import Call, write_records

from shadow_mw.cli import main
from shadow_mw.cli.lines import CsvLines
from shadow_mw.records import Comparison
from shadow_mw.stores.compaction import compact


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    fields = {"segments": {"country": "de"}, "diff_paths": ("$.a", '$["b,c"]'), "features": '{"x": 1}'}
    write_story(
        folder, stretch({"agree": 8, "disagree": 2, "shadow_error": 1, "production_error": 1}), **fields
    )
    write_story(folder, [Call("agree", shadow="pine", route="POST /other")], first=100)
    return folder


def export(capsysbinary, store, *flags: str) -> bytes:
    assert main(["export", "--store", str(store), *flags]) == 0
    return capsysbinary.readouterr().out


def written(store, path, *flags: str):
    assert main(["export", "--store", str(store), "--output", str(path), *flags]) == 0
    return path


def stored(store) -> list[Comparison]:
    lines = [line for file in store.glob("hot/*.jsonl") for line in file.read_bytes().splitlines()]
    return [
        msgspec.json.decode(line, type=Comparison)
        for line in lines
        if json.loads(line)["kind"] == "comparison"
    ]


def test_json_lines_are_the_records(store, tmp_path):
    lines = written(store, tmp_path / "out.jsonl").read_bytes().splitlines()
    found = [msgspec.convert({"kind": "comparison", **json.loads(line)}, Comparison) for line in lines]
    assert sorted(found, key=lambda one: one.record_id) == sorted(
        stored(store), key=lambda one: one.record_id
    )


def test_parquet_has_every_column_in_its_type(store, tmp_path):
    path = written(store, tmp_path / "out.parquet")
    columns = {name: kind for name, kind, *_ in duckdb.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()}
    assert list(columns) == list(Comparison.__struct_fields__)
    assert columns["segments"] == "MAP(VARCHAR, VARCHAR)"
    assert columns["diff_paths"] == "VARCHAR[]"
    assert duckdb.execute(f"SELECT count(*), max(segments['country']) FROM '{path}'").fetchall() == [
        (13, "de")
    ]


def test_csv_has_lists_and_maps_as_json(store, tmp_path):
    with written(store, tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13
    assert list(rows[0]) == list(Comparison.__struct_fields__)
    marked = next(row for row in rows if row["verdict"] == "disagree")
    assert json.loads(marked["segments"]) == {"country": "de"}
    assert json.loads(marked["diff_paths"]) == ["$.a", '$["b,c"]']


def test_compacted_records_are_exported_too(store, tmp_path):
    before = sorted(written(store, tmp_path / "a.jsonl").read_bytes().splitlines())
    compact(store)
    assert sorted(written(store, tmp_path / "b.jsonl").read_bytes().splitlines()) == before


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        ([], 13),
        (["--only", "disagree"], 2),
        (["--only", "agree"], 9),
        (["--only", "failed"], 2),
        (["--only", "incomparable"], 0),
        (["--shadow", "pine"], 1),
        (["--route", "POST /predict", "--only", "agree"], 8),
        (["--since", "2026-09-21T14:14:59"], 1),
        (["--until", "2026-09-21T14:14:59"], 12),
        (["--where", "production_us > 1500 OR segments['country'] = 'de'"], 13),
        (["--where", "reason = '?' -- nothing", "--shadow", "pine"], 0),
    ],
)
def test_filters(store, tmp_path, flags, count, capsys):
    path = written(store, tmp_path / "out.jsonl", *flags)
    assert len(path.read_bytes().splitlines()) == count
    noun = "comparison" if count == 1 else "comparisons"
    assert f"{count} {noun} written to {path}." in capsys.readouterr().out


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_stdout_gets_what_a_file_gets(store, tmp_path, form):
    path = written(store, tmp_path / f"out.{form}")
    command = [sys.executable, "-m", "shadow_mw", "export", "--store", str(store), "--format", form]
    ended = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert ended.stderr == b""
    if form == "parquet":
        (tmp_path / "piped.parquet").write_bytes(ended.stdout)
        query = "SELECT * FROM '{}' ORDER BY record_id"
        piped = duckdb.execute(query.format(tmp_path / "piped.parquet")).fetchall()
        assert piped == duckdb.execute(query.format(path)).fetchall()
    else:
        assert sorted(ended.stdout.splitlines()) == sorted(path.read_bytes().splitlines())


def test_a_reader_that_goes_away_is_no_error(store):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "shadow_mw", "export", "--store", str(store)]
    with os.fdopen(writing, "w") as closed:
        ended = subprocess.run(command, check=False, stdout=closed, stderr=subprocess.PIPE, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr == b""


FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1"]
NUMBERS = ["-1", "+1.5", "-1e9"]


def test_a_spreadsheet_runs_nothing_and_numbers_stay(tmp_path):
    texts = FORMULAS + NUMBERS
    write_records(
        tmp_path / "store", [told(Call("agree"), n, production_label=text) for n, text in enumerate(texts)]
    )
    for flags, expected in (
        ([], [f"'{text}" for text in FORMULAS] + NUMBERS),
        (["--raw"], texts),
        (["--format", "jsonl"], texts),
    ):
        path = written(tmp_path / "store", tmp_path / "out.csv", *flags)
        with path.open(newline="") as file:
            rows = list(map(json.loads, file)) if "jsonl" in flags else list(csv.DictReader(file))
        assert [row["production_label"] for row in sorted(rows, key=lambda row: row["ts_us"])] == expected


@given(cells=st.lists(st.text(), min_size=1))
def test_csv_of_a_query_never_begins_a_cell_with_a_formula(cells):
    columns = [str(n) for n in range(len(cells))]
    line = CsvLines(columns).line(dict(zip(columns, cells, strict=True)))
    (read,) = csv.reader(io.StringIO(line, newline=""))
    for cell, original in zip(read, cells, strict=True):
        assert cell.removeprefix("'") == original.removeprefix("'")
        assert cell[:1] not in ("=", "@", "\t", "\r")
        assert cell[:1] not in ("+", "-") or float(cell) is not None


MISTAKES = {
    "no condition": (["--where", "nope = 1"], 4, '"nope" not found'),
    "no SQL": (["--where", ")"], 1, "the question is no SQL"),
    "no folder": (["--output", "/nowhere/out.csv"], 1, "there is no folder /nowhere"),
    "a folder": (["--output", "/tmp"], 1, "/tmp is a folder"),
    "another statement": (["--where", "true); COPY (SELECT 1) TO '/tmp/x'; SELECT (1"], 1, "only one SELECT"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence(store, capsys, mistake):
    flags, code, sentence = MISTAKES[mistake]
    assert main(["export", "--store", str(store), *flags]) == code
    assert sentence in capsys.readouterr().err


def test_memory_stays_small(tmp_path):
    """A hundred megabytes of records pass through a process that may not grow by as much."""
    calls = [Call("agree")] * 2000
    for first in range(0, 8000, 2000):
        fields = {"production_prediction": "x" * 8000, "shadow_prediction": "y" * 4000}
        write_story(tmp_path / "store", calls, first=first, **fields)
    command = [sys.executable, "-m", "shadow_mw", "export", "--store", str(tmp_path / "store")]
    with (tmp_path / "out.csv").open("wb") as out:
        subprocess.run(command, check=True, stdout=out, timeout=110)
    assert (tmp_path / "out.csv").stat().st_size > 90_000_000
    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    assert peak_bytes < 900_000_000
