"""What is said of layers: which hold, which do not and why, and what `strict` does about it."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys

import anyio
import pytest

from shadow_mw.caps.wish import Wish
from shadow_mw.cli import main
from shadow_mw.exceptions import ShadowUnreachable
from shadow_mw.records import CapturedRequest
from shadow_mw.sandbox.layers import Layer, missing, sentence
from shadow_mw.shadows.python import PythonShadow
from shadow_mw.targets import Target

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")

#: Runs before a child locks itself down, and takes a layer from the platform: the system calls of Landlock
#: are refused from then on, as by an older kernel or a container.
WITHOUT_LANDLOCK = """
import ctypes, errno, os, struct
from shadow_mw.sandbox import seccomp
from shadow_mw.sandbox.system import call, machine, prctl
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (6, 0, 0, 0x50000 | errno.EOPNOTSUPP), (6, 0, 0, 0x7FFF0000)]
packed = b"".join(struct.pack("=HBBI", *one) for one in code)
buffer = ctypes.create_string_buffer(packed, len(packed))
program = seccomp._Program(len(code), ctypes.addressof(buffer))
prctl(38, 1)
call(seccomp._SECCOMP[machine()], 1, 0, ctypes.addressof(program))
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    (tmp_path / "some_model.py").write_text("def good(features):\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def without_landlock(model):
    """Every Python that is started with this module path has no Landlock."""
    (model / "sitecustomize.py").write_text(
        f"import sys\nif 'shadow_mw.shadows.child' in sys.orig_argv:\n    exec({WITHOUT_LANDLOCK!r})\n"
    )


def shadow(sandbox: str) -> PythonShadow:
    settings = {"replicas": 2, "features": "", "max_body_bytes": 1000, "wish": Wish(memory_bytes=2**40)}
    return PythonShadow(Target("c", "python:some_model:good"), sandbox=sandbox, **settings)


def request() -> CapturedRequest:
    return CapturedRequest(
        exchange_id="e", request_id="r", ts_us=0, method="POST", route="POST /p", path="/p", body=b"1"
    )


async def layers_of(one: PythonShadow) -> dict[str, Layer]:
    try:
        with anyio.fail_after(60):
            return {layer.name: layer for layer in await one.loaded()}
    finally:
        await one.aclose()


def test_off_is_what_every_process_of_ours_does(model):
    layers = anyio.run(layers_of, shadow("off"))
    assert list(layers) == [
        "parent death",
        "no terminal",
        "lowest priority",
        "limits",
        "memory watch",
        "own cgroup",
    ]
    assert missing(layers.values()) == []


@pytest.mark.fault("sandbox-missing")
def test_a_missing_layer_is_reported_and_the_others_hold(without_landlock):
    layers = anyio.run(layers_of, shadow("best-effort"))
    lost = {name for name in layers if "Landlock" in name}
    assert len(lost) == 4
    assert {layers[name].why for name in lost} == {os.strerror(errno.EOPNOTSUPP)}
    assert [name for name, layer in layers.items() if layer.is_needed and not layer.holds] == [
        "files by Landlock",
        "truncation by Landlock",
    ]
    assert layers["system calls by seccomp"].holds


@pytest.mark.fault("sandbox-missing")
def test_strict_does_not_ask_and_says_so_once(without_landlock, caplog):
    async def test() -> None:
        one = shadow("strict")
        try:
            with anyio.fail_after(60):
                for _ in range(3):
                    with pytest.raises(ShadowUnreachable, match=REASON):
                        await one.ask(request(), {})
        finally:
            await one.aclose()

    with caplog.at_level(logging.WARNING, "shadow_mw"):
        anyio.run(test)
    [line] = [record.getMessage() for record in caplog.records if "SHADOW_SANDBOX" in record.getMessage()]
    assert line.startswith(
        "the shadow c: the model is not asked: SHADOW_SANDBOX is strict, and this does not"
    )


@pytest.mark.fault("sandbox-missing")
def test_best_effort_says_once_in_the_log_what_does_not_hold(without_landlock, caplog):
    async def test() -> None:
        one = shadow("best-effort")
        try:
            with anyio.fail_after(60):
                for replica in await one.loaded() and one._free:
                    await replica.loaded()
        finally:
            await one.aclose()

    with caplog.at_level(logging.WARNING, "shadow_mw"):
        anyio.run(test)
    [line] = caplog.messages
    assert line.startswith("sandbox of c (best-effort) holds: parent death")
    assert "files by Landlock (Operation not supported)" in line.partition("Does not hold")[2]


REASON = r"SHADOW_SANDBOX is strict, and this does not hold: files by Landlock \(Operation not supported\)"


def checked(sandbox: str, monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setenv("SHADOW_TARGETS", "python:some_model:good")
    monkeypatch.setenv("SHADOW_ROUTES", "POST /predict")
    monkeypatch.setenv("SHADOW_SANDBOX", sandbox)
    code = main(["check"])
    lines = capsys.readouterr().out.splitlines()
    return code, next(line for line in lines if "sandbox of" in line or "SHADOW_SANDBOX is" in line)


def test_check_names_the_layers(model, monkeypatch, capsys):
    code, line = checked("best-effort", monkeypatch, capsys)
    assert code == 0
    assert line.startswith(
        "ok   sandbox of shadow (best-effort) holds: parent death, no terminal, lowest priority, limits"
    )
    assert "Does not hold: memory watch (SHADOW_MEMORY_BYTES is not set)" in line


@pytest.mark.fault("sandbox-missing")
def test_check_says_what_does_not_hold(without_landlock, monkeypatch, capsys):
    code, line = checked("best-effort", monkeypatch, capsys)
    assert code == 0
    assert "files by Landlock (Operation not supported)" in line.partition("Does not hold")[2]


def test_check_fails_where_strict_asks_for_more(without_landlock, monkeypatch, capsys):
    code, line = checked("strict", monkeypatch, capsys)
    assert code == 1
    assert line.startswith("FAIL target shadow at python:some_model:good cannot be asked")
    assert "run it where that holds, or set SHADOW_SANDBOX=best-effort" in line


def test_a_sentence_is_complete():
    lost = Layer(name="b", holds=False, why="it needs Linux", is_needed=True)
    assert sentence([Layer(name="a", holds=True, is_needed=True), lost]) == (
        "holds: a. Does not hold: b (it needs Linux)"
    )
    assert sentence([]) == "holds: nothing. Does not hold: nothing"


OTHER_PLATFORM = """
import json, os, sys
from shadow_mw.caps.place import Place
from shadow_mw.caps.wish import Wish
from shadow_mw.sandbox.lockdown import lock_down
sys.platform = "darwin"
layers = lock_down("best-effort", parent_pid=os.getppid(), scratch="/tmp", wish=Wish(), cgroup=Place())
print(json.dumps({layer.name: layer.why for layer in layers}))
"""


def test_other_platforms_are_told_apart():
    done = subprocess.run([sys.executable, "-c", OTHER_PLATFORM], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert {name for name, why in told.items() if not why} == {"no terminal", "lowest priority", "limits"}
    assert told.pop("memory watch") == "SHADOW_MEMORY_BYTES is not set"
    assert told.pop("own cgroup") == "none was made"
    assert {why for why in told.values() if why} == {"it needs Linux"}


WITH_A_TERMINAL = """
import os, subprocess, sys
os.open(sys.argv[1], os.O_RDWR)  # the first terminal that the head of a session opens is its own
subprocess.run([sys.executable, "-c", sys.argv[2]], check=True)
"""
LEAVES_IT = """
import os
from shadow_mw.sandbox.privileges import leave_terminal
os.close(os.open("/dev/tty", os.O_RDWR))
os.setpgid(0, 0)
leave_terminal()
try:
    os.open("/dev/tty", os.O_RDWR)
except OSError as error:
    print(error.strerror)
"""


def test_a_model_has_no_terminal_to_type_on():
    ends = os.openpty()
    command = [sys.executable, "-c", WITH_A_TERMINAL, os.ttyname(ends[1]), LEAVES_IT]
    done = subprocess.run(command, capture_output=True, text=True, start_new_session=True, check=False)
    for end in ends:
        os.close(end)
    assert (done.stdout, done.stderr) == ("No such device or address\n", "")


def test_what_a_killed_worker_left_is_removed(tmp_path, monkeypatch):
    import tempfile
    import time

    from shadow_mw.sandbox import scratch

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held, left = scratch.Scratch(), scratch.Scratch()
    os.close(left._lock)
    monkeypatch.setattr(time, "time", lambda: os.stat(left.path).st_ctime + 3600)
    scratch.sweep()
    new = scratch.Scratch()
    assert sorted(map(str, tmp_path.iterdir())) == sorted([held.path, new.path])
    for one in (held, new):
        one.remove()
    assert list(tmp_path.iterdir()) == []
