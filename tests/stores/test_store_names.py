"""Stores by name: what `SHADOW_STORE` may say, what is shown of it, and what it opens."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_records import comparisons

from shadow_mw import SettingsError, ShadowMiddleware, StoreError, questions
from shadow_mw.assembly.stores import make_store, open_reader
from shadow_mw.cli import main
from shadow_mw.scope import Scope
from shadow_mw.settings import load_settings
from shadow_mw.store_urls import checked_store, hidden, shown
from shadow_mw.stores.clickhouse import ClickHouseStore
from shadow_mw.stores.postgres import PostgresStore
from shadow_mw.stores.segments import SegmentStore
from shadow_mw.testing import drain

PASSWORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=3).filter(lambda text: text.strip("*"))


async def app(scope, receive, send) -> None:
    await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
    )
    await send({"type": "http.response.body", "body": b'{"label": "cat"}'})


def test_the_name_says_which_engine(tmp_path: Path) -> None:
    kinds = {
        str(tmp_path): SegmentStore,
        "none": type(None),
        "postgresql://keeper@db/shadow": PostgresStore,
        "postgres://keeper@db:6432/shadow?sslmode=require": PostgresStore,
        "clickhouse://keeper@db/shadow": ClickHouseStore,
        "clickhouses://keeper@db": ClickHouseStore,
    }
    for name, kind in kinds.items():
        assert type(make_store(load_settings(store=name))) is kind


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "mysql://me:s3cret@db/x",
            r"'mysql://me:\*\*\*@db/x' is no store: use a folder, none, postgresql://",
        ),
        (
            "postgresql://me:s3c/ret@db/x",
            r"has no valid port; write a character such as @, / or : in a password",
        ),
    ],
)
def test_a_wrong_name_is_refused_without_its_password(name: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        load_settings(store=name)
    assert "s3c" not in str(caught.value)
    with pytest.raises(StoreError, match=sentence):
        open_reader(name)


@given(PASSWORDS)
def test_no_password_is_shown(password: str) -> None:
    raw, coded = f"postgresql://me:{password}@db/x", f"postgresql://me:{quote(password, safe='')}@db/x"
    for store in (raw, coded):
        assert shown(store) == "postgresql://me:***@db/x"
    assert password not in hidden(f'could not parse "{password}"', coded).replace("could not parse", "")


def test_a_folder_is_shown_as_it_is() -> None:
    for name in ("/var/lib/a:b@c", ".shadow", "C:\\shadow"):
        assert shown(name) == checked_store(name) == name


def test_what_an_app_mirrors_goes_into_the_database(database: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    mirrored = ShadowMiddleware(
        app, shadow=lambda features: {"label": features["label"]}, routes="POST /predict", store=database
    )

    async def call() -> None:
        transport = httpx.ASGITransport(app=mirrored)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            for label in ("cat", "cat", "dog"):
                assert (await client.post("/predict", json={"label": label})).status_code == 200

    anyio.run(call)
    assert drain()
    reader = open_reader(database)
    (verdicts,) = questions.verdicts(reader, Scope(shadow="shadow"))
    books = questions.books(reader, Scope(shadow="shadow"))
    reader.close()

    assert (verdicts.agree, verdicts.disagree) == (2, 1)
    assert books == {"POST /predict": {"eligible": 3, "compared": 3, "agree": 2, "disagree": 1}}
    assert "s3cr" not in caplog.text


def test_check_tries_the_database_and_hides_its_password(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHADOW_STORE", database)
    main(["check"])
    said = capsys.readouterr().out
    assert f"ok   store {shown(database)} lets us in" in said
    monkeypatch.setenv("SHADOW_STORE", "postgresql://keeper:s3cr%40t@127.0.0.1:1/absent")
    assert main(["check"]) == 1
    said += capsys.readouterr().out
    assert "FAIL the store at postgresql://keeper:***@127.0.0.1:1/absent cannot be opened" in said
    assert "s3cr" not in said


def test_compact_has_nothing_to_do_on_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compact", "--store", "clickhouse://me:s3cret@db/x"]) == 4
    assert "clickhouse://me:***@db/x is kept by its server" in capsys.readouterr().err


def test_a_clickhouse_that_is_away_is_a_sentence() -> None:
    url = "clickhouse://me:s3cret@127.0.0.1:1/x"
    store = make_store(load_settings(store=url))
    assert store is not None
    with pytest.raises(StoreError, match=r"clickhouse://me:\*\*\*@127.0.0.1:1/x cannot be written"):
        store.write(comparisons("a", 1))
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        open_reader(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("queue", ["inline:", "process:"])
@pytest.mark.parametrize(
    ("store", "module", "extra"),
    [("postgresql://db/x", "psycopg", "postgres"), ("clickhouse://db/x", "clickhouse_connect", "clickhouse")],
)
def test_a_missing_driver_is_named_when_the_app_starts(
    monkeypatch: pytest.MonkeyPatch, queue: str, store: str, module: str, extra: str
) -> None:
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if "site-packages" not in path])
    with pytest.raises(SettingsError, match=rf"pip install 'shadow-mw\[{extra}\]'"):
        ShadowMiddleware(app, targets="http://127.0.0.1:9", routes="POST /predict", store=store, queue=queue)
