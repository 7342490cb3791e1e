"""What production is given first: the priority of our processes, and which of them dies first."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

import pytest
from process_tools import DEADLINE_SECONDS, closed, until

from shadow_mw.cli import main

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as Linux tells of processes")


def models(parent: int) -> list[int]:
    """The processes of models that a mirror process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            is_child = (folder / "stat").read_text().rpartition(") ")[2].split()[1] == str(parent)
        except OSError:
            continue
        if is_child and b"shadow_mw.shadows.child" in arguments:
            found.append(int(folder.name))
    return found


def policies(pid: int) -> set[int]:
    """The scheduling policies of all threads of a process."""
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found.add(os.sched_getscheduler(int(thread.name)))
    return found


def oom_score(pid: int | str) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


@pytest.mark.fault("model-burns")
def test_all_threads_of_the_mirror_and_of_its_models_come_last(make_app, runtime, caplog):
    caplog.set_level("INFO", "shadow_mw")
    app = make_app("python:caps_models:tells", max_concurrency=4, timeout_seconds=60)
    app.ask(times=3)
    assert app.drained()["eligible"] == 3
    mirror = runtime.mirror()
    [model] = models(mirror)
    assert len(list(Path(f"/proc/{mirror}/task").iterdir())) > 1, "threads that have inherited it"
    assert policies(mirror) == policies(model) == {os.SCHED_IDLE}
    assert os.sched_getscheduler(0) != os.SCHED_IDLE
    assert os.getsid(mirror) == os.getsid(0), "autogroups would schedule sessions against each other"
    assert os.getsid(model) == (os.getsid(0) if sys.version_info >= (3, 11) else model)
    assert oom_score("self") < oom_score(mirror) < oom_score(model) == 1000
    told = [text for text in caplog.messages if text.startswith("sandbox of shadow (best-effort) holds: ")]
    assert len(told) == 1, caplog.messages


@pytest.mark.fault("model-burns")
def test_models_of_a_worker_elsewhere_have_sessions_of_the_least_share(start, runtime):
    settings = {
        "SHADOW_TARGETS": "python:caps_models:tells",
        "SHADOW_QUEUE": f"unix://{runtime.path}/m.sock",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    worker = start("-m", "shadow_mw", "worker", **settings)
    [model] = until(lambda: models(worker.process.pid), "a model")

    def comes_last() -> bool:
        return policies(model) == {os.SCHED_IDLE}

    until(comes_last, lambda: policies(model))
    assert os.getsid(model) == model != os.getsid(0)
    with contextlib.suppress(OSError):  # a kernel without autogroups has no such file
        assert "nice 19" in Path(f"/proc/{model}/autogroup").read_text()


@pytest.mark.fault("model-burns", "model-hangs")
def test_a_burning_model_ends_at_the_deadline_and_production_answers_as_ever(make_app, runtime):
    app = make_app("python:caps_models:burns", timeout_seconds=1, breaker_failures=1000, queue_size=2)
    app.ask()
    [model] = until(lambda: models(runtime.mirror()), "a model")
    # It burns from the first call that finds it imported, until the deadline of that one.
    until(lambda: app.ask() or model not in models(runtime.mirror()), "the end of the model")
    counts = app.drained()
    assert counts["shadow_timeout"] >= 1
    assert counts.get("compared", 0) == 0
    closed(counts)


@pytest.mark.fault("thread-ends")
@pytest.mark.parametrize("queue", ["process:", "inline:"])
def test_mirror_and_model_outlive_the_thread_that_was_the_first_to_mirror(make_app, runtime, queue):
    """The kernel's signal at a parent's death comes with the death of the thread that started the process."""
    app = make_app("python:caps_models:tells", queue=queue, timeout_seconds=60)

    def mirror_first() -> None:
        app.ask()
        assert app.drained()["eligible"] == 1

    thread = threading.Thread(target=mirror_first)
    thread.start()
    thread.join(DEADLINE_SECONDS)
    assert not thread.is_alive()
    parent = runtime.mirror() if queue == "process:" else os.getpid()
    before = models(parent)
    assert len(before) == 1
    app.ask(times=3)
    counts = app.drained()
    assert counts["eligible"] == counts["compared"] == 4
    assert models(parent) == before
    if queue == "process:":
        assert runtime.mirror() == parent


def test_a_stopped_model_goes_on_at_its_pace_and_its_answers_are_whole(make_app, runtime):
    """Half a second of burning at an eighth of a core, by SIGSTOP and SIGCONT, twice."""
    app = make_app(
        "python:caps_models:burns_for", cpu_seconds_per_second=0.125, timeout_seconds=60, cgroup="off"
    )
    app.ask(body=b"0.5", times=2)
    counts = app.drained()
    assert counts["eligible"] == counts["compared"] == 2


def checked(monkeypatch, capsys, **settings: str) -> tuple[int, list[str]]:
    for name, value in settings.items():
        monkeypatch.setenv(f"SHADOW_{name}", value)
    code = main(["check"])
    return code, [line for line in capsys.readouterr().out.splitlines() if "caps: " in line]


def test_check_says_which_caps_hold_and_which_do_not_and_why(monkeypatch, capsys, cgroup):
    code, lines = checked(
        monkeypatch,
        capsys,
        QUEUE="process:",
        CGROUP=str(cgroup or "/tmp"),
        MEMORY_BYTES="300MiB",
        CPU_SECONDS_PER_SECOND="0.5",
    )
    assert code == 0, lines
    text = "\n".join(lines)
    assert "ok   caps: lowest priority holds: SCHED_IDLE" in text
    assert "ok   caps: killed before production when memory is short holds: OOM score" in text
    assert "ok   caps: memory of its own holds: RLIMIT_DATA is 314572800" in text
    assert "ok   caps: share of CPU holds: it reads nothing while it is over 0.5 cores" in text
    assert "caps: yielding in a CPU quota holds: " in text
    if "by an own cgroup holds" not in text:
        assert "note caps: own cgroup does not hold: " in text
        assert "no cgroup of version 2" in text or "was not given the controller" in text
    assert cgroup is None or not list(cgroup.glob("shadow_mw-*"))


def test_check_says_that_a_thread_of_the_app_has_none(monkeypatch, capsys):
    code, lines = checked(monkeypatch, capsys, QUEUE="inline:")
    assert code == 0
    assert lines == ["note caps: none, since with SHADOW_QUEUE=inline: the mirror is a thread of the app"]


def test_what_a_setting_asks_for_and_does_not_hold_is_a_failure(monkeypatch, capsys, tmp_path):
    """A Python whose kernel refuses the cap on memory, as some sandboxes do."""
    (tmp_path / "sitecustomize.py").write_text(
        "import resource\n"
        "def refuse(*_):\n    raise ValueError('not allowed to set this limit')\n"
        "resource.setrlimit = refuse\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, lines = checked(monkeypatch, capsys, QUEUE="process:", MEMORY_BYTES="300MiB")
    assert code == 1
    assert "FAIL caps: memory of its own does not hold: not allowed to set this limit" in "\n".join(lines)
