"""`shadow-mw sql`: any question, and nothing but questions."""

from __future__ import annotations

import json
import os

import pytest
from gate_stores import stretch, told, write_story
from report_records import Call, write_records

from shadow_mw.cli import main
from shadow_mw.cli.read_only import lock_down
from shadow_mw.exceptions import StoreError
from shadow_mw.stores.compaction import compact
from shadow_mw.stores.reader import open_reader


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "the 'store'"
    write_story(folder, stretch({"agree": 18, "disagree": 2}))
    return folder


def sql(capsys, store, *words: str) -> str:
    assert main(["sql", "--store", str(store), *words]) == 0
    return capsys.readouterr().out


COUNTS = "SELECT verdict, count(*) AS n FROM comparisons GROUP BY 1 ORDER BY 1"


def test_an_answer_in_every_form(store, capsys):
    lines = sql(capsys, store, COUNTS).splitlines()
    assert [line.split() for line in lines if line[-1].isdigit()] == [["agree", "18"], ["disagree", "2"]]
    assert sql(capsys, store, COUNTS, "--csv") == "verdict,n\nagree,18\ndisagree,2\n"
    found = [json.loads(line) for line in sql(capsys, store, COUNTS, "--json").splitlines()]
    assert found == [{"verdict": "agree", "n": 18}, {"verdict": "disagree", "n": 2}]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM comparisons -- of all",
        "SELECT count(*) FROM comparisons;",
        "WITH c AS (SELECT * FROM comparisons) SELECT count(*) FROM c",
        "FROM comparisons SELECT count(*)",
        "SELECT sum(coalesce(counts['eligible'], 0)) FROM tallies",
    ],
)
def test_every_kind_of_select(store, capsys, query):
    assert sql(capsys, store, query, "--csv").splitlines()[1] == "20"


def test_all_four_tables_are_there(store, capsys):
    names = sql(capsys, store, "SHOW TABLES", "--csv").split()
    assert {"comparisons", "pulses", "tallies", "truths"} <= set(names)


def test_a_relative_folder_and_compacted_records(store, capsys, monkeypatch):
    compact(store)
    monkeypatch.chdir(store.parent)
    assert sql(capsys, store.name, COUNTS, "--csv") == "verdict,n\nagree,18\ndisagree,2\n"


def test_no_rows_and_too_many(store, capsys):
    assert sql(capsys, store, "SELECT * FROM comparisons WHERE false") == "No rows.\n"
    assert sql(capsys, store, "SELECT * FROM comparisons WHERE false", "--csv") == ""
    assert main(["sql", "--store", str(store), "SELECT 1 FROM comparisons", "--csv", "--limit", "3"]) == 0
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 4
    assert "only the first 3 rows" in output.err


READS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('{store}/../outside.txt')",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM read_parquet('https://example.org/a.parquet')",
    "SELECT * FROM query('SELECT * FROM read_csv(''/etc/passwd'')')",
]
WRITES = [
    "COPY (SELECT 1) TO '{store}/written.csv'",
    "COPY comparisons TO '/tmp/shadow-mw-written.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{store}/written.csv'",
    "ATTACH '{store}/written.db'",
    "EXPORT DATABASE '{store}/written'",
    "CREATE TABLE t AS SELECT 1",
    "DROP VIEW comparisons",
    "SET enable_external_access = true",
    "SELECT 1; COPY (SELECT 1) TO '{store}/written.csv'",
    "SELECT 1) AS a; COPY (SELECT 1) TO '{store}/written.csv'; SELECT * FROM (SELECT 1",
    "INSTALL httpfs",
    "",
]


@pytest.mark.parametrize("query", READS + WRITES)
def test_nothing_else_can_be_read_or_written(store, capsys, query):
    (store.parent / "outside.txt").write_text("a secret")
    before = sorted(os.walk(store))
    words = query.format(store=str(store).replace("'", "''"))
    assert main(["sql", "--store", str(store), words]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("shadow-mw: ")
    assert "Traceback" not in output.err
    assert sorted(os.walk(store)) == before


def test_the_lock_holds_by_itself(store):
    """Even where a statement that is no SELECT came through, it could not leave the store."""
    with open_reader(store.absolute()) as reader:
        lock_down(reader, str(store.absolute()))
        for statement in (
            "COPY (SELECT 1) TO '/tmp/shadow-mw-written.csv'",
            "SET lock_configuration = false",
            "SET enable_external_access = true",
            "SET allowed_directories = ['/']",
        ):
            with pytest.raises(StoreError):
                reader.rows(statement)
        assert reader.rows("SELECT count(*) AS n FROM comparisons") == [{"n": 20}]
    assert not os.path.exists("/tmp/shadow-mw-written.csv")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("SELECT nope FROM comparisons", '"nope" not found'),
        ("SELEKT 1", "the question is no SQL"),
        ("DELETE FROM comparisons", "only one SELECT can be asked, and this is DELETE"),
    ],
)
def test_a_wrong_question_is_a_sentence(store, capsys, query, sentence):
    assert main(["sql", "--store", str(store), query]) == 1
    assert sentence in capsys.readouterr().err


def test_what_a_record_holds_steers_neither_terminal_nor_spreadsheet(tmp_path, capsys):
    write_records(tmp_path, [told(Call("disagree"), 0, production_prediction="=1+1\x1b[2J")])
    query = "SELECT production_prediction FROM comparisons"
    assert "\x1b" not in sql(capsys, tmp_path, query)
    assert "'=1+1" in sql(capsys, tmp_path, query, "--csv")
