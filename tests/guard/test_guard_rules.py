"""What turns the guard on, what it lets pass, and how its patches come and go."""

from __future__ import annotations

import concurrent.futures
import http.client
import os
import subprocess
import sys
import threading
import types
import urllib.request
from pathlib import Path

import httpx
import pytest
import requests
from stub_shadow import StubShadow

import shadow_mw.guard
from shadow_mw import SettingsError
from shadow_mw.guard import ShadowGuardMiddleware, ShadowWriteBlocked, is_shadow, statistics
from shadow_mw.guard.allowed import Allowed
from shadow_mw.guard.engagement import PATCHES, engage, restored
from shadow_mw.guard.patching import Patches
from shadow_mw.guard.rules import Rules
from shadow_mw.guard.sql import writes
from shadow_mw.guard.watch import Watch, forget, watching
from shadow_mw.guard_variables import GUARD_VARIABLES
from shadow_mw.settings import unknown_variables


@pytest.fixture(autouse=True)
def _restored():
    forget()
    with restored():
        yield


def marked(mode="block", allow=()):
    """Do what a marked request does."""
    PATCHES.install()
    return watching(Watch(Rules(mode, "marked", Allowed(allow))))


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"SHADOW_GUARD": "on"}, "SHADOW_GUARD is 'on': use one of off, block, record"),
        ({"SHADOW_GUARD_SCOPE": "all"}, "SHADOW_GUARD_SCOPE is 'all': use one of marked, process"),
        (
            {"SHADOW_GUARD_ALLOW": "http://x/"},
            "SHADOW_GUARD_ALLOW: 'http://x/' is no host, host:port or /path",
        ),
        ({"SHADOW_GUARD_ALLOW": "x:99999"}, "SHADOW_GUARD_ALLOW: 'x:99999' is no host"),
        ({"SHADOW_GUARD_ALLOW": "*.internal"}, "is no host"),
    ],
)
def test_a_wrong_variable_is_refused_with_a_sentence(monkeypatch, variables, says):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as raised:
        ShadowGuardMiddleware(None)
    assert says in str(raised.value)


def test_a_keyword_wins_but_never_turns_it_on(monkeypatch):
    assert engage("block", "process", ()) is None
    monkeypatch.setenv("SHADOW_GUARD", "OFF")
    assert engage("block", "process", ()) is None
    monkeypatch.setenv("SHADOW_GUARD", "record")
    assert "mode='block', scope='marked'" in repr(engage("block", None, ()))
    monkeypatch.setenv("SHADOW_GUARD_SCOPE", "process")
    assert "mode='record', scope='marked'" in repr(engage(None, "marked", ["features:80"]))


def test_its_variables_are_no_strangers_to_the_app_that_mirrors(monkeypatch):
    for name in ("SHADOW_GUARD", "SHADOW_GUARD_SCOPE", "SHADOW_GUARD_ALLOW"):
        monkeypatch.setenv(name, "off")
    assert unknown_variables() == {}
    monkeypatch.setenv("SHADOW_GUARD_ALOW", "x")
    assert unknown_variables() == {"SHADOW_GUARD_ALOW": "SHADOW_GUARD_ALLOW"}


def test_the_error_is_none_that_clients_wrap_or_try_again():
    assert not issubclass(ShadowWriteBlocked, OSError | ValueError | RuntimeError)


def test_an_allowed_host_may_be_written_to():
    with StubShadow() as target:
        authority = target.url.removeprefix("http://")
        for allow in ([authority], ["127.0.0.1"]):
            with marked(allow=allow):
                assert requests.post(target.url, data=b"x").status_code == 200
                assert httpx.post(target.url, content=b"x").status_code == 200
        assert len(target.asked) == 4
        with marked(allow=["127.0.0.1:1", "localhost"]), pytest.raises(ShadowWriteBlocked):
            requests.post(target.url, data=b"x")
        assert len(target.asked) == 4


def test_an_allowed_name_covers_the_addresses_it_stands_for():
    allowed = Allowed(["localhost:80", "[::1]:81", "other.invalid"])
    assert allowed.has_address("127.0.0.1", 80)
    assert not allowed.has_address("127.0.0.1", 81)
    assert allowed.has_address("::1", 81)
    assert not allowed.has_address("10.0.0.1", 80)
    assert not Allowed([]).has_address("127.0.0.1", 80)


def test_an_allowed_folder_covers_what_is_inside(tmp_path):
    allowed = Allowed([str(tmp_path)])
    assert allowed.has_path(f"{tmp_path}/a/b")
    assert not allowed.has_path(f"{tmp_path}-other")


def test_a_redirected_write_is_counted_once_and_nothing_is_tried_again():
    with StubShadow() as target, marked("record"):
        assert requests.post(target.url, data=b"x").status_code == 200
    assert statistics().recorded == {"http": 1}
    with marked(), pytest.raises(ShadowWriteBlocked, match=r"POST 127\.0\.0\.1:9"):
        requests.post("http://127.0.0.1:9", data=b"x")
    assert statistics().blocked == {"http": 1}


def test_counts_hold_when_many_threads_write():
    with marked():

        def attempt(_: int) -> bool:
            try:
                httpx.post("http://127.0.0.1:9")
            except ShadowWriteBlocked:
                return is_shadow()
            return False

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert all(pool.map(attempt, range(100)))
    assert statistics().blocked == {"http": 100}
    assert not is_shadow()


def test_a_pool_keeps_no_mark_of_an_earlier_task():
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with marked():
            assert pool.submit(is_shadow).result()
        assert not pool.submit(is_shadow).result()


def test_patches_are_put_in_once_and_leave_nothing_behind():
    before = http.client.HTTPConnection.request
    threads = [threading.Thread(target=PATCHES.install) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert http.client.HTTPConnection.request.__wrapped__ is before
    PATCHES.remove()
    assert http.client.HTTPConnection.request is before
    with PATCHES.installed():
        assert http.client.HTTPConnection.request.__wrapped__ is before
    assert http.client.HTTPConnection.request is before
    assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("shadow_mw")]


def test_a_library_is_watched_that_is_imported_later(tmp_path):
    code = (
        "import sys, pytest\n"
        "from shadow_mw.guard.engagement import PATCHES\n"
        "from shadow_mw.guard.rules import Rules\n"
        "from shadow_mw.guard.allowed import Allowed\n"
        "from shadow_mw.guard.watch import Watch, watching, ShadowWriteBlocked\n"
        "PATCHES.install()\n"
        "names = ['httpcore', 'urllib3', 'aiohttp', 'sqlalchemy', 'botocore', 'uvloop']\n"
        "assert not [name for name in names if name in sys.modules]\n"
        "import requests, sqlalchemy, boto3, aiohttp, httpx\n"
        "with watching(Watch(Rules('block', 'marked', Allowed([])))):\n"
        "    for post in (requests.post, httpx.post):\n"
        "        with pytest.raises(ShadowWriteBlocked):\n"
        "            post('http://127.0.0.1:9')\n"
        "    with pytest.raises(ShadowWriteBlocked), sqlalchemy.create_engine('sqlite:///x').begin() as c:\n"
        "        c.execute(sqlalchemy.text('CREATE TABLE t (a)'))\n"
        "print(PATCHES)\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'urllib3.connectionpool'" in done.stdout


def test_a_library_that_it_does_not_know_is_refused():
    module = types.ModuleType("some_library")
    patches = Patches({"some_library": lambda found: found.no_such_class})
    with pytest.raises(ShadowWriteBlocked, match="does not know this version of some_library"):
        patches.patch(module)


def test_what_asks_for_a_proxy_is_judged_by_whom_it_asks():
    with StubShadow() as proxy, marked(allow=["features.internal"]):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy.url}))
        assert opener.open("http://features.internal/", data=b"x").status == 200
        with pytest.raises(ShadowWriteBlocked, match=r"POST others\.internal:80"):
            opener.open("http://others.internal/", data=b"x")
        assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "  -- INSERT\n select * from t for update",
        "SELECT 'INSERT INTO t; DELETE' AS \"update\"",
        "WITH a AS (SELECT 1) SELECT * FROM a;",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT replace(name, 'a', 'b'), updated_at FROM t",
        "PRAGMA main.table_info(t)",
        "SAVEPOINT a",
        "",
    ],
)
def test_statements_that_read(statement):
    assert not writes(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1)",
        "/* a */ update t set a = 1",
        "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
        "SELECT * INTO u FROM t",
        "SELECT 1; DROP TABLE t",
        "EXPLAIN ANALYZE DELETE FROM t",
        "CALL f()",
        "VACUUM",
        "COPY t FROM STDIN",
        "COMMIT",
    ],
)
def test_statements_that_write(statement):
    assert writes(statement)


def test_each_variable_stands_in_the_page():
    page = (Path(__file__).parents[2] / "docs" / "guard.md").read_text()
    assert [name for name in GUARD_VARIABLES if f"| `{name}` |" not in page] == []


def test_exported_names():
    assert set(shadow_mw.guard.__all__) == {
        "GuardStatistics",
        "ShadowGuardMiddleware",
        "ShadowGuardWSGIMiddleware",
        "ShadowWriteBlocked",
        "is_shadow",
        "statistics",
    }
