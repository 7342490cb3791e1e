"""The commands on a store that a real PostgreSQL server keeps."""

from __future__ import annotations

import csv
import json

import duckdb
import pytest
from gate_stores import told
from report_records import Call, tallies
from store_servers import HOW_POSTGRES, find_postgres, running_postgres

from shadow_mw.cli import main
from shadow_mw.records import Comparison
from shadow_mw.stores.postgres import PostgresStore

CALLS = [Call("disagree" if n % 10 == 0 else "agree") for n in range(30)]


@pytest.fixture(scope="module")
def store():
    programs = find_postgres()
    if programs is None:
        pytest.skip(HOW_POSTGRES)
    with running_postgres(programs) as server:
        url = server.new_database()
        fields = {"segments": {"country": "de"}, "diff_paths": ("$.a",), "production_label": "=1+1"}
        records = [told(call, n, **fields) for n, call in enumerate(CALLS)]
        keeper = PostgresStore(url, retention_days=36500)
        keeper.write([*records, *tallies(CALLS)])
        keeper.close()
        yield url


def test_the_report_in_json(store, capsys):
    assert main(["report", "--store", store, "--json"]) == 0
    (shadow,) = json.loads(capsys.readouterr().out)["shadows"]
    assert shadow["analysis"]["agreement"]["disagree"] == 3


def test_the_page_hides_the_password(store, capsys):
    assert main(["report", "--store", store, "--html"]) == 0
    assert "s3cr" not in capsys.readouterr().out


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_export_in_pages(store, tmp_path, form, monkeypatch):
    monkeypatch.setattr("shadow_mw.cli.exporting._PAGE", 7)
    path = tmp_path / f"out.{form}"
    assert main(["export", "--store", store, "--output", str(path), "--where", "delta IS NULL"]) == 0
    columns = [row[0] for row in duckdb.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    assert columns == list(Comparison.__struct_fields__)
    assert duckdb.execute(f"SELECT count(DISTINCT record_id) FROM '{path}'").fetchall() == [(30,)]
    if form == "csv":
        with path.open(newline="") as file:
            row = next(csv.DictReader(file))
        assert json.loads(row["segments"]) == {"country": "de"}
        assert row["production_label"] == "'=1+1"


def test_an_export_of_nothing_has_its_header(store, tmp_path):
    path = tmp_path / "out.csv"
    assert main(["export", "--store", store, "--output", str(path), "--shadow", "nobody"]) == 0
    assert path.read_text().strip().split(",") == list(Comparison.__struct_fields__)


def test_sql_answers_and_only_reads(store, capsys):
    query = "SELECT verdict, count(*) AS n FROM comparisons GROUP BY 1 ORDER BY 1 -- all"
    assert main(["sql", "--store", store, query, "--csv"]) == 0
    assert capsys.readouterr().out == "verdict,n\nagree,27\ndisagree,3\n"
    for query in (
        "DELETE FROM comparisons",
        "SELECT 1; DELETE FROM comparisons",
        "SELECT 1) AS a; DELETE FROM comparisons; SELECT * FROM (SELECT 1",
        "SELECT 1) AS a; COMMIT; SET default_transaction_read_only = off; SELECT * FROM (SELECT 1",
        "WITH gone AS (DELETE FROM comparisons RETURNING *) SELECT * FROM gone",
        "SELECT set_config('transaction_read_only', 'off', true), * FROM comparisons",
        "COPY comparisons TO PROGRAM 'cat'",
        "SELECT nope",
    ):
        assert main(["sql", "--store", store, query]) == 1, query
        assert "Traceback" not in capsys.readouterr().err
    assert main(["sql", "--store", store, "SELECT count(*) AS n FROM comparisons", "--csv"]) == 0
    assert capsys.readouterr().out == "n\n30\n"


def test_tail_begins_with_the_latest(store, capsys, monkeypatch):
    def ctrl_c(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shadow_mw.cli.tail.time.sleep", ctrl_c)
    assert main(["tail", "--store", store, "-n", "4", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 4
