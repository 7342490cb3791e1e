"""The promises of the client on httptools hold on uvloop too, which an app may install for all threads."""

# ruff: noqa: F401 - pytest collects what is imported, and asks this module for its fixtures

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stub_shadow import StubShadow
from test_http_shadows import (
    authority,
    test_a_cancelled_call_gives_its_connection_up_and_the_next_gets_its_own_answer,
    test_a_connection_that_the_server_closes_after_an_answer_is_not_used_again,
    test_a_foreign_expired_or_misnamed_certificate_is_refused,
    test_a_large_request_that_is_answered_before_it_was_read_gets_its_answer,
    test_a_request_on_a_fresh_connection_is_never_sent_again,
    test_a_request_that_met_a_stale_connection_is_sent_once_more_and_not_twice,
    test_a_request_whose_answer_had_begun_is_never_sent_again,
    test_a_server_that_speaks_no_tls_is_unreachable_over_https,
    test_a_trusted_certificate_is_taken,
    test_an_answer_to_head_has_no_body_whatever_it_declares,
    test_an_answer_without_end_is_left_at_the_cap,
    test_connections_are_kept,
    test_every_framing_of_an_answer_is_understood,
    test_headers_without_end_are_left_at_a_cap,
    test_methods_with_and_without_a_body,
    test_the_books_close_with_either_library,
    test_what_comes_behind_an_answer_is_never_the_next_answer,
    test_what_is_no_answer_is_an_error_of_ours,
    test_what_is_sent,
    test_where_nobody_listens_the_shadow_is_unreachable,
)
from test_stray_answers import (
    test_a_large_answer_hides_no_second_one,
    test_a_part_of_an_answer_is_never_the_begin_of_the_next_one,
    test_a_second_answer_in_a_tls_record_of_its_own_is_not_the_next_one,
    test_a_second_answer_in_one_segment_is_never_the_next_one,
    test_an_answer_to_head_that_has_a_body_is_not_continued,
    test_connections_without_surplus_are_kept,
)

from shadow_mw.shadows.fast import FastHTTPShadow

pytest.importorskip("uvloop")


@pytest.fixture
def client() -> Any:
    return FastHTTPShadow


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    """What `uvloop.install()` does, which later Pythons would rather see gone."""
    import uvloop

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        before = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        yield
        asyncio.set_event_loop_policy(before)


def test_an_app_that_installs_uvloop_is_mirrored(tmp_path: Path) -> None:
    with StubShadow() as shadow:
        program = [sys.executable, "-W", "error", str(Path(__file__).parent / "uvloop_app.py"), shadow.url]
        done = subprocess.run(program, check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        [announcement] = done.stderr.splitlines()
        assert announcement.startswith("shadow_mw mirrors")
        assert done.stdout.split() == ["eligible=5", "compared=5", "agree=5"]
        assert [asked.body for asked in shadow.asked] == [b'{"x": 1}'] * 5
