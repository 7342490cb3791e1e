"""`shadow-mw check` against what answers and what does not."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shadow_mw.cli import main


@pytest.fixture
def shadow():
    """A real HTTP server that knows nothing but 404, and remembers what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_OPTIONS(self):
            asked.append((self.command, self.path, self.headers["shadow-request"]))
            self.send_response(404)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST = do_OPTIONS

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = asked
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def closed_port():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield silent.getsockname()[1]


@pytest.fixture
def hanging_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def check(monkeypatch, capsys):
    """Run the command with an environment; its exit code and its lines."""

    def run(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main(["check"])
        return code, capsys.readouterr().out.splitlines()

    return run


def target(port, name="forest"):
    return {"SHADOW_TARGETS": f"{name}=http://127.0.0.1:{port}", "SHADOW_ROUTES": "POST /predict"}


def line_with(lines, text):
    (line,) = [line for line in lines if text in line]
    return line


def test_everything_answers(check, shadow):
    code, lines = check(**target(shadow.server_port))
    assert code == 0
    assert line_with(lines, "target forest").startswith("ok   target forest at http://127.0.0.1:")
    assert not [line for line in lines if line.startswith("FAIL")]
    assert not [line for line in lines if "is inert" in line]


def test_it_asks_for_no_prediction_and_marks_what_it_sends(check, shadow):
    check(**target(shadow.server_port))
    assert shadow.asked == [("OPTIONS", "/", "forest")]


def test_settings_are_shown_with_their_origin(check, shadow):
    _, lines = check(**target(shadow.server_port), SHADOW_MAX_BODY_BYTES="2MiB")
    assert "environment  2097152 (2.0MiB)" in line_with(lines, "SHADOW_MAX_BODY_BYTES")
    assert "environment  POST /predict" in line_with(lines, "SHADOW_ROUTES")
    assert "default      async" in line_with(lines, "SHADOW_MODE")


def test_a_closed_port_fails(check, closed_port):
    code, lines = check(**target(closed_port))
    assert code == 1
    line = line_with(lines, "target forest")
    assert line.startswith("FAIL")
    assert "Connection refused" in line
    assert "start the shadow, or correct SHADOW_TARGETS" in line


def test_a_server_that_does_not_answer_fails_at_the_deadline(check, hanging_port):
    code, lines = check(**target(hanging_port), SHADOW_TIMEOUT_SECONDS="0.2")
    assert code == 1
    assert "did not answer within 0.2 s" in line_with(lines, "target forest")


def test_an_unknown_host_fails(check):
    code, lines = check(SHADOW_TARGETS="http://shadow.invalid", SHADOW_ROUTES="POST /predict")
    assert code == 1
    assert "check the spelling in SHADOW_TARGETS" in line_with(lines, "target shadow")


@pytest.fixture
def meaning(monkeypatch):
    """Has a name mean an address, for this process."""
    look_up = socket.getaddrinfo

    def set_to(address):
        def answer(host, *arguments, **keywords):
            is_name = host in ("shadow.example", b"shadow.example") and not keywords.get("flags")
            return look_up(address if is_name else host, *arguments, **keywords)

        monkeypatch.setattr(socket, "getaddrinfo", answer)

    return set_to


@pytest.mark.fault("metadata")
def test_a_name_that_means_a_clouds_credentials_is_not_asked(check, meaning):
    meaning("169.254.169.254")
    code, lines = check(SHADOW_TARGETS="http://shadow.example", SHADOW_ROUTES="POST /predict")
    assert code == 1
    assert (
        "is refused (shadow.example means 169.254.169.254, where clouds keep credentials: not asked): "
        "correct SHADOW_TARGETS"
    ) in line_with(lines, "target shadow")


@pytest.mark.fault("foreign-network")
def test_a_name_that_means_another_network_is_not_asked(check, shadow, meaning):
    meaning("127.0.0.1")
    there = {
        "SHADOW_TARGETS": f"http://shadow.example:{shadow.server_port}",
        "SHADOW_ROUTES": "POST /predict",
    }
    code, lines = check(**there, SHADOW_TARGET_NETWORKS="10.0.0.0/8")
    assert code == 1
    assert (
        "is refused (shadow.example means 127.0.0.1, which is not in SHADOW_TARGET_NETWORKS (10.0.0.0/8)"
    ) in line_with(lines, "target shadow")
    assert not shadow.asked
    code, lines = check(**there, SHADOW_TARGET_NETWORKS="127.0.0.0/8")
    assert code == 0
    assert line_with(lines, "target shadow").endswith("answers (status 404)")


def test_what_is_sent_in_the_clear_is_told(check, shadow, meaning, monkeypatch):
    """Nothing public can be asked here, so loopback counts as such."""
    monkeypatch.setattr("shadow_mw.shadows.admission.is_public", lambda _: True)
    meaning("127.0.0.1")
    url = f"http://shadow.example:{shadow.server_port}"
    code, lines = check(SHADOW_TARGETS=url, SHADOW_ROUTES="POST /predict")
    assert code == 0
    assert f"; but the shadow shadow at {url} is asked in the clear, and 127.0.0.1" in line_with(
        lines, "answers"
    )


def test_https_to_a_plain_server_fails(check, shadow):
    url = f"https://127.0.0.1:{shadow.server_port}"
    code, lines = check(SHADOW_TARGETS=url, SHADOW_ROUTES="POST /predict")
    assert code == 1
    assert "check https:// against http://" in line_with(lines, "target shadow")


def test_every_target_is_tried(check, shadow, closed_port):
    targets = f"a=http://127.0.0.1:{shadow.server_port}, b=http://127.0.0.1:{closed_port}"
    code, lines = check(SHADOW_TARGETS=targets, SHADOW_ROUTES="POST /predict")
    assert code == 1
    assert line_with(lines, "target a").startswith("ok")
    assert line_with(lines, "target b").startswith("FAIL")
    assert lines[-1] == "1 of 6 checks failed."


def test_a_store_that_cannot_be_written_fails(check, tmp_path):
    (tmp_path / "file").write_text("")
    code, lines = check(SHADOW_STORE=str(tmp_path / "file" / "store"))
    assert code == 1
    assert "cannot be written (Not a directory)" in line_with(lines, "FAIL store")


def test_a_folder_of_something_else_is_no_store(check, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    code, lines = check(SHADOW_STORE=str(tmp_path))
    assert code == 1
    assert "holds other files" in line_with(lines, "FAIL store")


def test_checking_a_store_leaves_nothing_behind(check, tmp_path):
    code, _ = check(SHADOW_STORE=str(tmp_path / "deep" / "store"))
    assert code == 0
    assert list(tmp_path.iterdir()) == []


def test_no_store_is_fine(check):
    code, lines = check(SHADOW_STORE="none")
    assert code == 0
    assert "no records are kept" in line_with(lines, "ok   store")


@pytest.mark.parametrize(
    ("environment", "why"),
    [({}, "SHADOW_TARGETS is not set"), ({"SHADOW_ENABLED": "0"}, "SHADOW_ENABLED is 0")],
)
def test_an_inert_middleware_is_said_to_be_inert(check, environment, why):
    code, lines = check(**environment)
    assert code == 0
    assert f"nothing is mirrored: {why}" in line_with(lines, "is inert")


def test_unknown_variables_are_named_with_the_nearest(check):
    code, lines = check(SHADOW_TARGTS="http://a", SHADOW_ZZZZZZ="1")
    assert code == 0
    assert "did you mean SHADOW_TARGETS?" in line_with(lines, "SHADOW_TARGTS")
    assert line_with(lines, "SHADOW_ZZZZZZ").endswith("has no effect.")


def test_a_comparator_is_imported_from_the_working_folder(check, tmp_path, monkeypatch):
    (tmp_path / "my_comparators.py").write_text("def same(production, shadow):\n    return True\n")
    monkeypatch.chdir(tmp_path)
    code, lines = check(SHADOW_COMPARE="python:my_comparators:same")
    assert code == 0
    assert line_with(lines, "ok   comparator") == "ok   comparator python:my_comparators:same"


def test_a_comparator_that_cannot_be_imported_fails(check):
    code, lines = check(SHADOW_COMPARE="python:no_such_module:same")
    assert code == 1
    assert "No module named 'no_such_module'" in line_with(lines, "FAIL SHADOW_COMPARE")


def test_an_otlp_endpoint_that_listens_is_fine(check, shadow):
    code, lines = check(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{shadow.server_port}")
    assert code == 0
    assert line_with(lines, "ok   OTLP endpoint").endswith("accepts connections")


def test_an_otlp_endpoint_that_is_closed_fails_and_shows_no_credentials(check, closed_port):
    endpoint = f"http://me:hunter2@127.0.0.1:{closed_port}"
    code, lines = check(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint)
    assert code == 1
    line = line_with(lines, "FAIL OTLP endpoint")
    assert "correct OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" in line
    assert "hunter2" not in "".join(lines)


def test_an_unknown_otel_exporter_fails(check):
    code, lines = check(OTEL_TRACES_EXPORTER="carrier-pigeon")
    assert code == 1
    assert "'carrier-pigeon' is not installed here" in line_with(lines, "FAIL OTLP")


def test_otel_turned_off_needs_no_endpoint(check, closed_port):
    endpoint = f"http://127.0.0.1:{closed_port}"
    code, lines = check(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_SDK_DISABLED="true")
    assert code == 0
    assert "no spans and metrics are sent" in line_with(lines, "ok   OTLP")
