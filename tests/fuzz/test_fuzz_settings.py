"""Every setting with any text: a valid value, or a sentence that names the variable and tells no secret."""

from __future__ import annotations

import re

import pytest
from fuzz_material import ODD_TEXTS, odd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shadow_mw.exceptions import SettingsError
from shadow_mw.guard.rules import read_rules
from shadow_mw.guard_variables import GUARD_VARIABLES
from shadow_mw.settings import Settings, load_settings, variable

FIELDS = sorted(Settings.model_fields)
#: Those that parse a text of their own.
TEXTS = (
    *(
        "targets",
        "routes",
        "control",
        "control_routes",
        "queue",
        "store",
        "compare",
        "segments",
        "prediction",
    ),
    *("features", "ignore", "worker_listen", "trace_ui", "sqs_endpoint_url", "encryption_keys", "redact"),
)
SECRET = "hunter2-s3cret"
#: Where people put passwords, rightly or wrongly.
WITH_PASSWORD = (
    "{scheme}://user:{secret}@host:99999/x",
    "{scheme}://user:{secret}@host/x",
    "{scheme}://user:{secret}@[/x",
    "{scheme}://user:{secret}@\u2100/x",
    "{scheme}://user:{secret}@169.254.169.254/x",
    "{scheme}://user:{secret}@host:0/x?a=b",
    "name={scheme}://user:{secret}@",
    "{scheme}://{secret}@host:port",
    "x={scheme}://user:{secret}@h:1?q",
)
SCHEMES = (
    "http",
    "https",
    "ftp",
    "kafka",
    "sqs",
    "unix",
    "redis",
    "postgresql",
    "clickhouse",
    "python",
    "mysql",
)
_VARIABLE = re.compile(r"SHADOW_[A-Z_]+")
plausible = st.sampled_from(
    [
        "http://host:1",
        "a=http://host, b=python:m:f",
        "POST /a/{b}, GET /c",
        "kafka://a:1,b:2/topic",
        "sqs://eu-central-1/q.fifo",
        "1.5",
        "2MiB",
        "true",
        "label, POST /x=top_k(3)",
        "a=b[?c==`1`], d",
        "[::1]:90",
    ]
)
values = st.one_of(
    odd, plausible, st.builds("{}{}".format, plausible, odd), st.from_regex(r"[0-9.]{1,8} ?[a-zA-Z]{0,4}")
)


def _is_environment(text: str) -> bool:
    try:
        return "\0" not in text and bool(text.encode("utf-8", "surrogateescape") or True)
    except UnicodeEncodeError:
        return False


def said_of(given_texts: dict[str, str]) -> str:
    """What is said of values, or nothing where all are valid."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            for field, value in given_texts.items():
                patch.setenv(variable(field), value)
            load_settings()
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("field", FIELDS)
def test_any_text_is_valid_or_refused_by_the_name_of_its_variable(field: str) -> None:
    @settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
    @given(values.filter(_is_environment))
    def run(value: str) -> None:
        said = said_of({field: value})
        assert not said or _VARIABLE.search(said)
        said.encode()  # it can be printed

    run()


@pytest.mark.parametrize(
    "value", [text for text in ODD_TEXTS if _is_environment(text)], ids=lambda text: repr(text[:9])
)
def test_odd_texts_in_all_variables_at_once_and_in_each(value: str) -> None:
    for line in said_of(dict.fromkeys(FIELDS, value)).splitlines():
        assert _VARIABLE.match(line), line
    for field in TEXTS:
        said = said_of({field: value})
        assert not said or variable(field) in said, said


def test_no_sentence_tells_a_password() -> None:
    for scheme in SCHEMES:
        for pattern in WITH_PASSWORD:
            said = said_of(dict.fromkeys(FIELDS, pattern.format(scheme=scheme, secret=SECRET)))
            assert SECRET not in said, said


def test_a_password_with_commas_and_quotes_is_not_told_in_part() -> None:
    for value in ("ftp://user:f1rst',\"s3c0nd@host", "a=http://user:f1rst,s3c0nd@host:99999"):
        for field in TEXTS:
            said = said_of({field: value})
            assert "s3c0nd" not in said
            assert "f1rst" not in said


@pytest.mark.parametrize("name", GUARD_VARIABLES)
def test_any_text_for_the_guard_is_valid_or_refused_by_its_name(name: str) -> None:
    @settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
    @given(
        st.one_of(values, st.sampled_from(["host:1", "/tmp", "host:x", "[::1", "a:b:c"])).filter(
            _is_environment
        )
    )
    def run(value: str) -> None:
        said = name
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SHADOW_GUARD", "block")
                patch.setenv(name, value)
                read_rules(None, None, ())
        except SettingsError as error:
            said = str(error)
        assert name in said

    run()
