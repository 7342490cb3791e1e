"""What a model server tries to write while it handles a request, by real libraries to real servers."""

from __future__ import annotations

import pytest
from guard_actions import READS, UNSEEN, WRITES
from guard_site import BAGGAGE, MARKED, Site, running_site


@pytest.mark.fault("writes")
@pytest.mark.parametrize("action", WRITES)
def test_a_marked_request_writes_nothing(blocking: Site, action: str):
    before = blocking.written()
    counted = sum(blocking.counts()["blocked"].values())
    answer = blocking.ask(f"/do/{action}", MARKED)
    assert answer.status_code == 500
    assert answer.text.count("Internal Server Error")
    assert blocking.written() == before
    assert sum(blocking.counts()["blocked"].values()) == counted + 1


@pytest.mark.parametrize("action", WRITES)
def test_an_app_that_catches_everything_writes_nothing_either(blocking: Site, action: str):
    before = blocking.written()
    answer = blocking.ask(f"/do/{action}?catch=1", BAGGAGE)
    assert answer.json() == {"shadow": True, "caught": "ShadowWriteBlocked"}
    assert answer.headers["shadow-guard"] == "blocked=1"
    assert blocking.written() == before


@pytest.mark.parametrize("action", {**WRITES, **UNSEEN})
def test_an_unmarked_request_writes(blocking: Site, action: str):
    before = blocking.written()
    answer = blocking.ask(f"/do/{action}")
    assert answer.json() == {"shadow": False, "result": answer.json()["result"]}
    assert "shadow-guard" not in answer.headers
    assert blocking.written() != before
    restore(blocking)


@pytest.mark.parametrize("action", READS)
def test_a_marked_request_reads(blocking: Site, action: str):
    answer = blocking.ask(f"/do/{action}", MARKED)
    assert answer.status_code == 200, answer.text
    assert answer.json()["shadow"] is True
    assert answer.headers["shadow-guard"] == "blocked=0"


def test_what_a_transaction_did_unseen_is_rolled_back(blocking: Site):
    before = blocking.written()
    answer = blocking.ask("/do/by_core_stubborn", MARKED)
    assert (answer.status_code, answer.headers["shadow-guard"]) == (200, "blocked=1")
    assert blocking.written() == before


@pytest.mark.fault("writes")
@pytest.mark.parametrize("action", WRITES)
def test_in_mode_record_all_is_written_and_counted_once(recording: Site, action: str):
    before, counted = recording.written(), sum(recording.counts()["recorded"].values())
    answer = recording.ask(f"/do/{action}", MARKED)
    assert answer.json() == {"shadow": True, "result": answer.json()["result"]}
    assert answer.headers["shadow-guard"] == "recorded=1"
    assert recording.written() != before
    assert sum(recording.counts()["recorded"].values()) == counted + 1
    assert recording.counts()["blocked"] == {}


@pytest.mark.parametrize("headers", [{}, MARKED], ids=["unmarked", "marked"])
@pytest.mark.parametrize("action", {**WRITES, **UNSEEN})
def test_in_scope_process_nothing_is_written_by_any_request(closed: Site, action: str, headers):
    before = closed.written()
    answer = closed.ask(f"/do/{action}?catch=1", headers)
    assert answer.json()["shadow"] is True
    # sqlite3 makes an error of its own of a refusal.
    expected = "DatabaseError" if action == "by_sqlite3" else "ShadowWriteBlocked"
    assert answer.json()["caught"] == expected
    assert closed.written() == before
    seen_in_context = action != "by_thread"
    if headers:
        assert answer.headers["shadow-guard"] == f"blocked={int(seen_in_context)}"


@pytest.mark.parametrize("action", READS)
def test_in_scope_process_reading_goes_on(closed: Site, action: str):
    answer = closed.ask(f"/do/{action}")
    assert answer.status_code == 200, answer.text


@pytest.mark.fault("forged-mark")
@pytest.mark.parametrize("action", {**WRITES, **READS, **UNSEEN})
def test_a_forged_mark_does_nothing_where_the_deployment_does_not_ask_for_a_guard(off: Site, action: str):
    before = off.written()
    answer = off.ask(f"/do/{action}", {**MARKED, **BAGGAGE})
    assert answer.json() == {"shadow": False, "result": answer.json()["result"]}
    assert "shadow-guard" not in answer.headers
    assert action in READS or off.written() != before
    restore(off)


@pytest.mark.parametrize("closed", ["fastapi"], indirect=True)
def test_in_scope_process_the_app_may_write_until_it_has_started(closed: Site):
    assert "started" in closed.written()["files"]


def test_in_scope_process_what_is_allowed_is_written(aws_url, tmp_path):
    variables = {
        "SHADOW_GUARD": "block",
        "SHADOW_GUARD_SCOPE": "process",
        "SHADOW_GUARD_ALLOW": f"localhost, {tmp_path / 'site' / 'files'}",
    }
    with running_site("fastapi", tmp_path / "site", aws_url, **variables) as site:
        stopped = {
            action
            for action in {**WRITES, **UNSEEN}
            if "caught" in site.ask(f"/do/{action}?catch=1", MARKED).json() or restore(site)
        }
    # Clients know a host by the name it is asked by, which is 127.0.0.1 here; sockets only know addresses.
    by_name = {action for action in WRITES if "by_s" not in action}
    assert stopped == by_name | {"by_session", "by_sqlalchemy_async", "by_sqlite3", "by_process", "by_thread"}


def test_in_scope_process_a_server_goes_about_its_own_business(aws_url, tmp_path):
    variables = {"SHADOW_GUARD": "block", "SHADOW_GUARD_SCOPE": "process"}
    with running_site("gunicorn", tmp_path / "site", aws_url, **variables) as site:
        large = site.ask("/echo", content=b"x" * 3_000_000)
        assert (large.status_code, len(large.json()["body"])) == (200, 3_000_000)
        assert site.counts() == {"blocked": {}, "recorded": {}}


def test_in_scope_process_and_mode_record_all_is_written_and_counted(aws_url, tmp_path):
    variables = {"SHADOW_GUARD": "record", "SHADOW_GUARD_SCOPE": "process"}
    with running_site("fastapi", tmp_path / "site", aws_url, **variables) as site:
        for action in {**WRITES, **UNSEEN}:
            before, counted = site.written(), sum(site.counts()["recorded"].values())
            assert "result" in site.ask(f"/do/{action}").json()
            assert site.written() != before
            assert sum(site.counts()["recorded"].values()) > counted, action
            restore(site)


def test_the_log_says_each_kind_once(blocking: Site):
    for action in ("by_httpx", "by_requests", "by_core", "by_core"):
        blocking.ask(f"/do/{action}?catch=1", MARKED)
    log = (blocking.folder / "server.log").read_text()
    assert log.count("shadow_mw's guard has stopped a write of a shadow (http)") == 1
    assert log.count("shadow_mw's guard has stopped a write of a shadow (sql)") == 1


def test_the_body_is_untouched(blocking: Site):
    for headers in ({}, MARKED):
        answer = blocking.ask("/echo", headers, content=b"as it is")
        assert answer.json() == {"shadow": bool(headers), "body": "as it is"}


def restore(site: Site) -> None:
    files = site.folder / "files"
    for path in files.iterdir():
        path.unlink()
    (files / "kept").write_bytes(b"kept")
