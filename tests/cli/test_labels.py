"""`shadow-mw labels`: truths from files, seen again in the accuracy of both sides."""

from __future__ import annotations

import duckdb
import pytest
from report_records import Call, comparison, write_records

from shadow_mw.analysis.accuracy import Accuracy
from shadow_mw.analysis.analysis import analyse
from shadow_mw.cli import main
from shadow_mw.scope import Scope
from shadow_mw.stores.reader import open_reader

#: What production and the shadow said of request-0, request-1, …
SAID = [("8", "8"), ("8", "3"), ("3", "3"), ("1", "1")]
TRUTHS = [("request-0", "8"), ("request-1", "3"), ("request-2", "3"), ("request-3", "7")]


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    write_records(
        folder,
        [
            comparison(
                Call("agree" if left == right else "disagree"), n, production_label=left, shadow_label=right
            )
            for n, (left, right) in enumerate(SAID)
        ],
    )
    return folder


def accuracy(folder) -> Accuracy:
    with open_reader(folder) as reader:
        found = analyse(reader, Scope(shadow="forest")).accuracy
    assert found is not None
    return found


def written(path, form: str):
    """TRUTHS as a file of a form, some truths as whole numbers written as 8.0."""
    rows = ", ".join(f"('{name}', {truth}.0)" for name, truth in TRUTHS)
    values = f"SELECT * FROM (VALUES {rows}) AS t(request_id, truth)"
    duckdb.execute(f"COPY ({values}) TO '{path}' (FORMAT {form})")
    return path


@pytest.mark.parametrize(("name", "form"), [("t.csv", "csv"), ("t.parquet", "parquet"), ("t.jsonl", "json")])
def test_truths_in_every_form_of_file_give_the_accuracy_of_both(store, tmp_path, capsys, name, form):
    assert main(["labels", str(written(tmp_path / name, form)), "--store", str(store)]) == 0
    assert "4 truths written" in capsys.readouterr().out
    labels = accuracy(store).labels
    assert labels is not None
    assert (labels.n, labels.production.rate, labels.shadow.rate) == (4, 0.5, 0.75)


def test_columns_of_other_names_and_gaps(store, tmp_path, capsys):
    file = tmp_path / "late.csv"
    file.write_text("id,other,was\nrequest-0,x,8\nrequest-1,x,\n,x,3\nrequest-9,x,8\n")
    flags = ["--id-column", "id", "--truth-column", "was", "--store", str(store)]
    assert main(["labels", str(file), *flags]) == 0
    assert "2 truths written" in capsys.readouterr().out
    labels = accuracy(store).labels
    assert labels is not None
    assert labels.n == 1


def test_the_latest_truth_of_a_request_counts(store, tmp_path):
    for truth in ("3", "8"):
        file = tmp_path / "late.csv"
        file.write_text(f"request_id,truth\nrequest-0,{truth}\n")
        assert main(["labels", str(file), "--store", str(store)]) == 0
    labels = accuracy(store).labels
    assert labels is not None
    assert (labels.n, labels.production.rate) == (1, 1.0)


def test_numbers_give_the_mean_absolute_error_of_both(tmp_path):
    folder = tmp_path / "store"
    said = [(10.0, 12.0), (20.0, 20.5)]
    write_records(
        folder,
        [
            comparison(Call("disagree"), n, production_score=left, shadow_score=right)
            for n, (left, right) in enumerate(said)
        ],
    )
    file = tmp_path / "late.csv"
    file.write_text("request_id,truth\nrequest-0,12.5\nrequest-1,20.5\n")
    assert main(["labels", str(file), "--store", str(folder)]) == 0
    numbers = accuracy(folder).numbers
    assert numbers is not None
    assert (numbers.n, numbers.production, numbers.shadow) == (2, 1.5, 0.25)


MISTAKES = {
    "no file": ("none.csv", None, "there is no file"),
    "no form of ours": ("truths.xls", "request_id,truth\n", "is none of .csv"),
    "no such column": ("truths.csv", "id,truth\n1,2\n", "no column 'request_id'; it has id, truth"),
    "no parquet": ("truths.parquet", "request_id,truth\n1,2\n", "could not be read"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_file_that_cannot_be_used_is_a_sentence(store, tmp_path, capsys, mistake):
    name, content, expected = MISTAKES[mistake]
    if content is not None:
        (tmp_path / name).write_text(content)
    assert main(["labels", str(tmp_path / name), "--store", str(store)]) == 1
    assert expected in capsys.readouterr().err
