"""`shadow-mw run COMMAND`: real servers whose apps have no line of ours in their code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from server_process import PORT, Server, post, until

from shadow_mw.doors.autoload import sitecustomize
from shadow_mw.doors.automatic import HOOKS
from shadow_mw.records import BUCKETS

HERE = Path(__file__).parent
RUN = ("command", "shadow-mw", "run")
GUNICORN = ("gunicorn", "--no-control-socket", "-b", "127.0.0.1:0")
UVICORN = ("uvicorn", "--port", PORT)
COMMANDS = {
    "uvicorn, FastAPI": (*UVICORN, "door_fastapi:app"),
    "uvicorn, two workers": (*UVICORN, "door_fastapi:app", "--workers", "2"),
    "uvicorn, a line in the code": (*UVICORN, "door_fastapi_line:app"),
    "gunicorn, Flask": (*GUNICORN, "door_flask:app"),
    "gunicorn, two workers, preload": (*GUNICORN, "door_flask:app", "--preload", "-w", "2"),
    "gunicorn, a line in the code": (*GUNICORN, "door_flask_line:app"),
    "gunicorn, uvicorn worker": (*GUNICORN, "door_fastapi:app", "-k", "uvicorn_worker.UvicornWorker"),
    "gunicorn, Django": (*GUNICORN, "door_django:app"),
    "hypercorn, Quart": ("hypercorn", "-b", "127.0.0.1:0", "door_quart:app"),
    "granian, Litestar": ("granian", "--interface", "asgi", "--port", PORT, "door_litestar:app"),
    "uvicorn, Django": (*UVICORN, "door_django:asgi", "--lifespan", "off"),
    "flask run": ("flask", "--app", "door_flask", "run", "--port", "0"),
}
#: SIGTERM kills these, or Python under them, before anything can be written down.
KILLED = ("uvicorn, Django", "flask run")
CLOSE = b"connection: close"
#: What differs between two answers anyway.
CHANGING = re.compile(rb"date: [^\r]*\r\n", re.IGNORECASE)


def answers(server: Server, times: int = 3) -> list[bytes]:
    asked = [post(b'{"x": [1, 2, 3]}', "", CLOSE, b"x-request-id: id-%d" % number) for number in range(times)]
    return [CHANGING.sub(b"", server.send(one)) for one in asked]


def closed_books(server: Server) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The records and counts of a server that has ended."""
    records, counts = server.records()
    assert sum(counts.get(bucket, 0) for bucket in BUCKETS) == counts.get("eligible", 0), (counts, server.log)
    return records, counts


@pytest.mark.parametrize("name", COMMANDS)
def test_a_server_mirrors_without_a_line_and_answers_the_same_bytes(start, name):
    command = COMMANDS[name]
    bare, mirrored = start(*command, SHADOW_ENABLED="0"), start(*RUN, *command)
    assert answers(mirrored) == answers(bare)
    if name in KILLED:
        until(lambda: mirrored.records()[1].get("agree", 0) == 3, "records of three calls")
    mirrored.stop()
    records, counts = closed_books(mirrored)
    assert counts == {"eligible": 3, "compared": 3, "agree": 3}, mirrored.log
    assert Counter(record["request_id"] for record in records) == {f"id-{number}": 1 for number in range(3)}
    by = {record.get("production_version", "") for record in records}
    assert by == {"by the line" if "line" in name else ""}
    assert "shadow_mw mirrors all of POST /predict" in mirrored.log


def test_an_app_that_is_mounted_in_another_is_not_mirrored_twice(start):
    server = start(*RUN, *UVICORN, "door_fastapi:app", SHADOW_ROUTES="POST /predict, POST /inner/predict")
    inner = post(b'{"x": [1, 2, 3]}', "", CLOSE).replace(b" /predict", b" /inner/predict")
    assert b'{"y":6.0}' in server.send(inner)
    assert b'{"y":6.0}' in server.send(post(b'{"x": [1, 2, 3]}', "", CLOSE))
    server.stop()
    records, counts = closed_books(server)
    assert counts["eligible"] == 2
    assert sorted(record["route"] for record in records) == ["POST /inner/predict", "POST /predict"]


def test_a_flask_app_at_the_root_of_an_asgi_app_is_not_mirrored_twice(start):
    server = start(*RUN, *UVICORN, "door_mounted_flask:app")
    assert b'{"y":6}' in server.send(post(b'{"x": [1, 2, 3]}', "", CLOSE))
    server.stop()
    assert closed_books(server)[1] == {"eligible": 1, "compared": 1, "agree": 1}


def test_what_a_reloader_starts_is_mirrored_too(start):
    server = start(*RUN, *UVICORN, "door_fastapi:app", "--reload", "--reload-dir", str(HERE))
    answers(server)
    server.stop(signal.SIGINT)
    assert closed_books(server)[1]["compared"] == 3


def test_with_the_worker_in_a_process_of_its_own(start, stub, tmp_path, monkeypatch):
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    asked = len(stub.asked)
    server = start(
        *RUN, *GUNICORN, "door_flask:app", "-w", "2", SHADOW_QUEUE="process:", XDG_RUNTIME_DIR=str(runtime)
    )
    answers(server)
    stub.wait_for(asked + 3)
    server.stop()


def test_the_exit_code_is_the_commands_own(start):
    server = start(*RUN, "python", "door_django.py")
    answers(server, 1)
    assert server.wait() == 7
    assert closed_books(server)[1] == {"eligible": 1, "compared": 1, "agree": 1}


def test_the_command_takes_our_place_so_that_signals_are_its_own(start):
    server = start(*RUN, "python", "-c", "import os, signal; os.kill(os.getpid(), signal.SIGUSR1)")
    assert server.wait() == -signal.SIGUSR1


def said(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["shadow-mw", *command],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


MIRRORING = {"SHADOW_TARGETS": "http://127.0.0.1:9", "SHADOW_ROUTES": "POST /predict"}


@pytest.mark.parametrize(
    ("command", "environment", "sentence"),
    [
        ((), {}, "name the command to start"),
        (("no-such-server", "app:app"), {}, "there is no command 'no-such-server'"),
        (("python", "-c", ""), {"SHADOW_SAMPLE_RATE": "2"}, "SHADOW_SAMPLE_RATE"),
        (("python", "-c", ""), {"SHADOW_TARGETS": "http://127.0.0.1:9"}, "SHADOW_ROUTES is not set"),
    ],
)
def test_a_mistake_gets_a_sentence_and_nothing_is_started(command, environment, sentence):
    done = said("run", *command, **environment)
    assert done.returncode == 1
    assert done.stderr.startswith("shadow-mw: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_target_the_command_runs_and_says_that_nothing_is_mirrored():
    done = said("run", "--", "python", "-c", "print('served')")
    assert (done.returncode, done.stdout) == (0, "served\n")
    assert "SHADOW_TARGETS is not set, so the command runs and nothing is mirrored" in done.stderr


def test_a_wrong_setting_that_comes_later_does_not_keep_the_app_from_starting():
    code = (
        "import os; os.environ['SHADOW_SAMPLE_RATE'] = '7'\n"
        "from door_flask import app\n"
        "print(app.test_client().post('/predict', json={'x': [1, 2]}).get_data(as_text=True))"
    )
    done = said("run", "python", "-c", code, **MIRRORING, PYTHONPATH=str(HERE))
    assert (done.returncode, done.stdout) == (0, '{"y":3}\n\n')
    assert "nothing is mirrored: SHADOW_SAMPLE_RATE" in done.stderr
    assert done.stderr.count("nothing is mirrored") == 1


def test_a_sitecustomize_that_was_there_before_still_runs(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.was_here = 'yes'\n")
    code = "import sys, sitecustomize; print(sys.was_here, sitecustomize.__file__)"
    done = said("run", "python", "-c", code, **MIRRORING, PYTHONPATH=str(tmp_path))
    assert done.stdout.split() == ["yes", str(tmp_path / "sitecustomize.py")]


def test_a_python_without_the_package_says_so_once_and_runs(tmp_path):
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)']); print(2, flush=True)"
    # Without site-packages it stands for the interpreter of another environment.
    bare = tmp_path / "python-elsewhere"
    bare.write_text(f'#!/bin/sh\nexec {os.path.realpath(sys.executable)} "$@"\n')
    bare.chmod(0o755)
    done = said("run", str(bare), "-c", code, **MIRRORING)
    assert done.stdout.split() == ["1", "2"]
    assert done.stderr.count("nothing is mirrored") == 1
    assert "install shadow-mw in its environment" in done.stderr


def test_the_command_and_opentelemetry_hook_the_same_frameworks():
    assert set(sitecustomize._MODULES) == set(HOOKS)


def test_a_python_without_frameworks_imports_nothing_of_ours():
    code = "import sys; print(sorted(name for name in sys.modules if name.startswith('shadow_mw')), sys.path)"
    done = said("run", "python", "-c", code, **MIRRORING)
    assert done.stdout.startswith("[] ")
    assert "autoload" not in done.stdout
