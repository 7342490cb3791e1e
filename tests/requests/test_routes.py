"""Which requests are predict calls, and what their ids are."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.ids import accepted_request_id, is_sampled, trace_id_of, uuid7
from shadow_mw.routes import RouteTable, parse_route
from shadow_mw.targets import parse_target

words = st.text("ab:.-%", min_size=0, max_size=4)
patterns = st.lists(
    st.one_of(words, st.builds(lambda before, after: f"{before}{{p}}{after}", words, words)),
    min_size=1,
    max_size=4,
).map(lambda parts: "/" + "/".join(parts))
paths = st.lists(words, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(pattern=patterns, path=paths)
def test_patterns_match_as_the_regular_expression_they_mean(pattern, path):
    meant = "".join("[^/]+" if part == "{p}" else re.escape(part) for part in re.split(r"(\{p\})", pattern))
    found = RouteTable([parse_route(f"POST {pattern}")]).find("POST", path)
    assert (found is not None) == bool(re.fullmatch(meant, path))


def test_methods_and_order_decide():
    table = RouteTable([parse_route(text) for text in ("POST /m/{a}", "POST /m/{b}", "GET /m/x")])
    assert str(table.find("POST", "/m/x")) == "POST /m/{a}"
    assert str(table.find("GET", "/m/x")) == "GET /m/x"
    assert table.find("PUT", "/m/x") is None
    assert table.find("POST", "/m/x/y") is None


@given(st.text(max_size=140))
def test_a_request_id_from_outside_is_taken_only_if_it_is_harmless(candidate):
    harmless = bool(re.fullmatch(r"[A-Za-z0-9._-]{1,128}", candidate)) and "\n" not in candidate
    assert accepted_request_id(candidate) == (candidate if harmless else None)


@pytest.mark.parametrize("odd", ["a\r\nSet-Cookie: x", "a\n", "\x1b[31m", "a\u2028b", "", "x" * 129, "é"])
def test_line_breaks_and_escapes_are_no_request_id(odd):
    assert accepted_request_id(odd) is None


def test_new_ids_are_version_7_and_ordered():
    ids = [uuid7() for _ in range(100)]
    assert len(set(ids)) == 100
    for text in ids:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert str(parsed) == text
    assert [text[:13] for text in ids] == sorted(text[:13] for text in ids)


@pytest.mark.parametrize(
    ("header", "trace_id"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0af7651916cd43dd8448eb211c80319c"),
        ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", "0af7651916cd43dd8448eb211c80319c"),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", None),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", None),
        ("", None),
        ("nonsense", None),
    ],
)
def test_the_trace_id_of_a_traceparent(header, trace_id):
    assert trace_id_of(header) == trace_id


@given(st.lists(st.uuids(version=4), min_size=1, max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_sampling_is_decided_by_the_id_and_a_higher_rate_keeps_what_a_lower_one_took(ids, one, other):
    low, high = sorted((one, other))
    for request_id in map(str, ids):
        assert is_sampled(request_id, low) == is_sampled(request_id, low)
        assert not (is_sampled(request_id, low) and not is_sampled(request_id, high))
        assert is_sampled(request_id, 1.0)
        assert not is_sampled(request_id, 0.0)


def test_the_sampled_share_is_the_rate():
    share = sum(is_sampled(f"request-{number}", 0.3) for number in range(20_000)) / 20_000
    assert abs(share - 0.3) < 0.015  # more than four standard deviations


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://s:1", "http://s:1/v1/x"),
        ("http://s:1/", "http://s:1/v1/x"),
        ("http://s:1/score", "http://s:1/score"),
    ],
)
def test_a_target_takes_the_path_of_the_request_unless_it_has_its_own(url, asked):
    assert parse_target(url).asked_url("/v1/x") == asked
