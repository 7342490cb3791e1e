"""Settings: where they come from, and what a user reads when one is wrong."""

from __future__ import annotations

import msgspec
import pytest
from asgi_driver import chunked, http_scope, run

from shadow_mw import SettingsError, ShadowMiddleware
from shadow_mw.captures import parse_capture
from shadow_mw.choices import parse_choices
from shadow_mw.settings import load_settings, origin, unknown_variables
from shadow_mw.values import parse_segments

GOOD = {"targets": "http://127.0.0.1:9000", "routes": "POST /predict"}


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_keywords_win_over_the_environment_which_wins_over_defaults(monkeypatch):
    monkeypatch.setenv("SHADOW_TIMEOUT_SECONDS", "2")
    monkeypatch.setenv("SHADOW_MAX_CONCURRENCY", "3")
    settings = load_settings(max_concurrency=4)
    assert (settings.timeout_seconds, settings.max_concurrency, settings.queue_size) == (2.0, 4, 1000)
    overrides = {"max_concurrency": 4}
    names = ("timeout_seconds", "max_concurrency", "queue_size")
    assert [origin(name, overrides) for name in names] == ["environment", "keyword", "default"]


def test_several_targets_and_routes(monkeypatch):
    monkeypatch.setenv("SHADOW_TARGETS", "a=http://127.0.0.1:1, b=https://models.example/v2/score")
    monkeypatch.setenv("SHADOW_ROUTES", "POST /predict, POST /v1/models/{name}:predict")
    settings = load_settings()
    assert [str(target) for target in settings.targets] == [
        "a=http://127.0.0.1:1",
        "b=https://models.example/v2/score",
    ]
    assert [str(route) for route in settings.routes] == ["POST /predict", "POST /v1/models/{name}:predict"]


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("auto", None),
        (" None ", {}),
        ("country=user.country, user.age", {"country": "user.country", "user.age": "user.age"}),
        (
            "a=join(',', tags), b=x[?y=='1,2'] | [0].z\nc",
            {"a": "join(',', tags)", "b": "x[?y=='1,2'] | [0].z", "c": "c"},
        ),
        ("adult = age >= `18`", {"adult": "age >= `18`"}),
        ("user.plan == 'gold'", {"user.plan == 'gold'": "user.plan == 'gold'"}),
    ],
)
def test_segments_are_paths_with_or_without_a_name(text, paths):
    assert parse_segments(load_settings(segments=text).segments) == paths


def test_comparators_and_segments_may_be_given_as_a_list():
    settings = load_settings(**GOOD, compare=["POST /predict=label", "*=close"], segments=["a", "b=c"])
    choices = {route: str(choice) for route, choice in parse_choices(settings.compare).items()}
    assert choices == {"POST /predict": "label", "*": "close"}
    assert parse_segments(settings.segments) == {"a": "a", "b": "c"}
    assert str(parse_choices(load_settings().compare)["*"]) == "auto"


def test_sizes_are_written_as_people_write_them():
    settings = load_settings(max_body_bytes="2MiB", queue_bytes="1 GB", store_bytes=1000)
    assert (settings.max_body_bytes, settings.queue_bytes, settings.store_bytes) == (2 * 2**20, 10**9, 1000)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TARGETS", "127.0.0.1:9000", "write http://host:port"),
        ("TARGETS", "ftp://x", "write http://host:port"),
        ("TARGETS", "http://user:pw@x", "must not carry credentials"),
        ("TARGETS", "http://x:99999", "is not a URL"),
        ("TARGETS", "http://169.254.169.254", "where clouds keep credentials"),
        ("TARGETS", "http://2852039166/latest", "where clouds keep credentials"),
        ("TARGETS", "http://[::ffff:169.254.169.254]", "where clouds keep credentials"),
        ("TARGETS", "http://x?a=1", "query"),
        ("TARGETS", "a b=http://x", "is not a name"),
        ("TARGETS", "http://x, http://y", "write name=URL, name=URL"),
        ("ROUTES", "/predict", "write METHOD /path"),
        ("ROUTES", "POST predict", "write METHOD /path"),
        ("ROUTES", "POST /{a}{b}", "at most one whole {parameter}"),
        ("ROUTES", "POST /{a", "at most one whole {parameter}"),
        ("MODE", "parallel", "'async' or 'sync'"),
        ("QUEUE", "redis://x", "use process:, inline:, unix:///path/of.sock, kafka://"),
        ("SAMPLE_RATE", "1.5", "less than or equal to 1"),
        ("SAMPLE_RATE", "nan", "SHADOW_SAMPLE_RATE"),
        ("SAMPLE_RATE", "all", "valid number"),
        ("TIMEOUT_SECONDS", "0", "greater than 0"),
        ("MAX_CONCURRENCY", "0", "greater than or equal to 1"),
        ("QUEUE_BYTES", "lots", "SHADOW_QUEUE_BYTES"),
        ("QUEUE_BYTES", "1MiB", "set it to"),
        ("PREDICTION", "a[", "is not JMESPath"),
        ("COMPARE", "nearly", "use auto, exact, close, label"),
        ("COMPARE", "python:no_such_module:f", "SHADOW_COMPARE"),
        ("COMPARE", "vector(2)", "vector takes a number from 0 to 1"),
        ("COMPARE", "/predict=label", "'/predict' is not a route"),
        ("COMPARE", "POST /embed=vector", "names POST /embed, which is not in SHADOW_ROUTES: POST /predict"),
        ("SEGMENTS", "country=user.", "SHADOW_SEGMENTS: 'user.' is not JMESPath"),
        ("SEGMENTS", "a=x, a=y", "'a=y' needs a path and a name of its own"),
        ("SEGMENTS", "a=", "'a=' needs a path"),
        ("IGNORE", "a[", "SHADOW_IGNORE"),
        ("REQUEST_ID_HEADER", "X Request", "SHADOW_REQUEST_ID_HEADER"),
        ("TRACE", "none", "'same' or 'linked'"),
        ("WORKER_LISTEN", "9464", "'9464' is no address: write HOST:PORT, as in 127.0.0.1:9464"),
        ("WORKER_LISTEN", "::1:9464", "is no address"),
        ("WORKER_LISTEN", "localhost:0", "is no address"),
        ("WORKER_LISTEN", "localhost:65536", "is no address"),
        ("WORKER_LISTEN", "http://localhost:9464", "is no address"),
        ("ENABLED", "perhaps", "SHADOW_ENABLED"),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence_that_names_the_variable(monkeypatch, variable, value, says):
    monkeypatch.setenv("SHADOW_TARGETS", GOOD["targets"])
    monkeypatch.setenv("SHADOW_ROUTES", GOOD["routes"])
    monkeypatch.setenv(f"SHADOW_{variable}", value)
    with pytest.raises(SettingsError) as raised:
        ShadowMiddleware(app)
    assert says in str(raised.value)
    assert f"SHADOW_{variable}" in str(raised.value)
    assert "pydantic" not in str(raised.value)


def test_all_mistakes_are_named_at_once(monkeypatch):
    monkeypatch.setenv("SHADOW_MODE", "x")
    monkeypatch.setenv("SHADOW_TRACE", "x")
    with pytest.raises(SettingsError, match=r"(?s)SHADOW_MODE.*SHADOW_TRACE"):
        load_settings()


def test_a_target_without_a_route_says_which_variable_is_missing():
    with pytest.raises(SettingsError, match="SHADOW_ROUTES is not set"):
        ShadowMiddleware(app, targets="http://127.0.0.1:9")


def test_an_unknown_keyword_is_refused_with_the_nearest_name():
    with pytest.raises(SettingsError, match="'sample_rat' is not a setting: did you mean 'sample_rate'"):
        ShadowMiddleware(app, **GOOD, sample_rat=0.5)


def test_an_unknown_variable_is_a_warning_with_the_nearest_name(monkeypatch, caplog):
    monkeypatch.setenv("SHADOW_TARGET", "http://127.0.0.1:9")
    assert unknown_variables() == {"SHADOW_TARGET": "SHADOW_TARGETS"}
    ShadowMiddleware(app)
    assert "SHADOW_TARGET is not a setting of shadow_mw; did you mean SHADOW_TARGETS?" in caplog.text


@pytest.mark.parametrize(
    ("keywords", "line"),
    [
        ({}, "shadow_mw mirrors nothing: SHADOW_TARGETS is not set"),
        ({**GOOD, "enabled": False}, "shadow_mw mirrors nothing: SHADOW_ENABLED is 0"),
    ],
)
def test_an_inert_middleware_says_so_in_one_line_and_serves(caplog, keywords, line):
    with caplog.at_level("INFO", "shadow_mw"):
        middleware = ShadowMiddleware(app, **keywords)
    assert [record.getMessage() for record in caplog.records] == [line]
    assert run(middleware, http_scope(), chunked()) == run(app, http_scope(), chunked())


def test_the_start_up_line_says_what_is_mirrored_where(caplog):
    with caplog.at_level("INFO", "shadow_mw"):
        ShadowMiddleware(app, **GOOD, sample_rate=0.25, mode="sync", store="none")
    [record] = caplog.records
    assert record.getMessage() == (
        "shadow_mw mirrors 25.00% of POST /predict to shadow=http://127.0.0.1:9000 "
        "(sync, queue inline:, no store)"
    )


def test_an_app_without_logging_shows_the_line_on_stderr(capfd):
    import subprocess
    import sys

    code = "from shadow_mw import ShadowMiddleware; ShadowMiddleware(None)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == "shadow_mw mirrors nothing: SHADOW_TARGETS is not set\n"


KEY = "0123456789abcdef-key"


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        (
            {"redact": "user.email=hash"},
            r"SHADOW_REDACT \(user.email=hash\) asks for hashes, and SHADOW_REDACT_KEY",
        ),
        ({"redact_request": ["x", "y=hash"]}, r"SHADOW_REDACT_REQUEST \(y=hash\) asks for hashes"),
        ({"capture": "records=hash"}, r"SHADOW_CAPTURE \(records=hash\) asks for hashes"),
        ({"redact_key": "short"}, "shorter than 16 bytes"),
        ({"redact_key": "file:/nowhere/key"}, "the key file /nowhere/key can't be read: No such file"),
        ({"redact": "length(@)"}, "SHADOW_REDACT .*denotes no place"),
        ({"redact": "a=mas"}, "SHADOW_REDACT .*write KEY or PATH"),
        ({"capture": "some"}, "write full, hash or none"),
        ({"capture": "logs=none"}, "write full, hash or none"),
        ({"capture": "spans=full, spans=none"}, "is the second that is said of spans"),
    ],
)
def test_a_wrong_setting_of_privacy_is_refused_with_a_mend(keywords, sentence):
    with pytest.raises(SettingsError, match=sentence) as caught:
        load_settings(**keywords)
    assert "short" not in str(caught.value).replace("shorter", "")


def test_the_key_of_hashes_comes_from_a_file_or_the_variable_and_is_never_shown(tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    for given in (KEY, f"file:{file}"):
        settings = load_settings(redact="user.email=hash", redact_key=given)
        assert settings.redact_key == KEY
        assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("full", ("full", "full", "full", "full")),
        ("hash", ("hash", "hash", "hash", "hash")),
        ("spans=none", ("none", "none", "full", "full")),
        ("none, records.predictions=full", ("none", "none", "none", "full")),
        ("spans=none\nrecords.features=hash,records.predictions=full", ("none", "none", "hash", "full")),
        ("predictions=hash, spans.predictions=full", ("full", "full", "full", "hash")),
        ("spans=full, predictions=none", ("full", "none", "full", "none")),
    ],
)
def test_what_is_said_of_a_capture_more_exactly_counts(text, kept):
    assert msgspec.structs.astuple(parse_capture(text)) == kept
