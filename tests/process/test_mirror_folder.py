"""Who may talk to a mirror process: only its own user, through a folder that only that user can open."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from process_tools import Program, tallies

from shadow_mw.process import listen
from shadow_mw.queues.mirror_process import MirrorProcess, private_folder

NOBODY = 65534
needs_root = pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="becomes another user")

SERVE = """
import os, sys, logging
from shadow_mw.process import listen, run
from shadow_mw.settings import load_settings
logging.basicConfig(level=logging.INFO)
listener = listen(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
sys.stderr.write("listening\\n")
run(load_settings(), listener, is_alone=True)
"""
KNOCK = """
import os, socket, sys
os.setgid(65534); os.setuid(int(sys.argv[2]))
with socket.socket(socket.AF_UNIX) as one:
    one.connect(sys.argv[1])
    try:
        one.sendall(bytes.fromhex(sys.argv[3]))
        one.settimeout(30)
        data = one.recv(100)
    except ConnectionError:
        data = b""
    sys.stdout.write("taken in" if data else "refused")
"""


@pytest.fixture
def own(runtime):
    """The folder that this user has in the runtime folder."""
    return runtime.path / f"shadow_mw-{os.getuid()}"


def test_the_folder_and_what_is_in_it_are_private(make_app, shadow, runtime, own):
    app = make_app(shadow.url)
    app.ask()
    app.drained()
    [folder] = own.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (own, folder)] == [0o700, 0o700]
    for name in ("mirror.lock", "mirror.log"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


@needs_root
def test_a_connection_of_another_user_is_refused_even_where_the_folder_is_open(start, runtime, shadow):
    """The frame would be a valid one; it must not be read."""
    path = str(runtime.path / "m.sock")
    os.chmod(runtime.path, 0o777)
    server = start("-c", SERVE, path, SHADOW_TARGETS=shadow.url)
    server.says("listening")
    flush = "01000000130000000782a474797065a5666c757368a5746f6b656e03"
    for user, expected in ((NOBODY, "refused"), (0, "taken in")):
        program = start("-c", KNOCK, path, str(user), flush)
        assert program.wait() == 0, program.log
        assert program.log == expected
    server.says("a connection of another user was refused")


def wrong_mode(own: Path) -> None:
    own.mkdir()
    own.chmod(0o755)


def wrong_owner(own: Path) -> None:
    own.mkdir(mode=0o700)
    os.chown(own, NOBODY, NOBODY)


def symbolic_link(own: Path) -> None:
    (own.parent / "elsewhere").mkdir(mode=0o700)
    own.symlink_to("elsewhere")


def file(own: Path) -> None:
    own.write_text("")
    own.chmod(0o600)


WRONG = [wrong_mode, pytest.param(wrong_owner, marks=needs_root), symbolic_link, file]


@pytest.mark.parametrize("make", WRONG)
def test_a_folder_that_is_not_ours_alone_is_not_used_and_the_worker_is_a_thread(
    make_app, shadow, runtime, own, caplog, make
):
    make(own)
    app = make_app(shadow.url)
    app.ask(times=2)
    assert app.drained() == {"eligible": 2, "compared": 2, "agree": 2}
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert str(own) in warning
    assert "using inline: instead of process:" in warning
    assert runtime.mirrors() == []


def test_a_folder_with_too_long_a_path_is_no_reason_to_fail(make_app, shadow, runtime, monkeypatch, caplog):
    long = runtime.path / ("x" * 90)
    long.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    app = make_app(shadow.url)
    app.ask()
    assert app.drained()["compared"] == 1
    assert "too long for a socket's path: using inline:" in caplog.text


def test_without_a_runtime_folder_the_temporary_one_serves(runtime, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime.path / "missing"))
    monkeypatch.setenv("TMPDIR", str(runtime.path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert private_folder() == runtime.path / f"shadow_mw-{os.getuid()}"


def test_a_stale_socket_is_replaced_and_a_live_one_left_alone(runtime):
    path = str(runtime.path / "m.sock")
    with listen(path), pytest.raises(OSError, match="in use"):
        listen(path)
    assert Path(path).is_socket()
    listen(path).close()


def test_what_the_system_refuses_for_now_is_told_once_and_tried_again(make_app, shadow, monkeypatch, caplog):
    from shadow_mw.queues import mirror_process

    monkeypatch.setattr(mirror_process, "_REFUSED_PAUSE_SECONDS", 0.01)
    spawn, refusals = os.posix_spawn, [OSError(12, "Cannot allocate memory")] * 9

    def refusing(*arguments, **keywords):
        if refusals:
            raise refusals.pop()
        return spawn(*arguments, **keywords)

    monkeypatch.setattr(os, "posix_spawn", refusing)
    app = make_app(shadow.url)
    app.ask(times=3)
    assert app.drained() == {"eligible": 3, "compared": 3, "agree": 3}
    assert caplog.text.count("could not be started") == 1
    assert "Cannot allocate memory" in caplog.text


def test_one_process_is_elected_however_many_want_to_start_it(start, shadow, runtime):
    programs: list[Program] = [
        start("process_program.py", "many_and_out", SHADOW_TARGETS=shadow.url, SHADOW_DRAIN_SECONDS="60")
        for _ in range(6)
    ]
    most = 0
    while any(program.process.poll() is None for program in programs):
        most = max(most, len(runtime.mirrors()))
    assert most == 1
    runtime.wait_gone()
    assert tallies(programs[0].store) == {"eligible": 180, "compared": 180, "agree": 180}
    assert runtime.files == []


def test_the_repr_names_the_socket(runtime):
    assert repr(MirrorProcess({})).startswith(f"MirrorProcess('{runtime.path}/shadow_mw-")
