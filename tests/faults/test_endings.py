"""A server that reloads its app again and again, with the mirror process of the default queue."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from process_tools import HERE, NOISE, Runtime, until
from stub_shadow import StubShadow


@pytest.mark.fault("reloads", "exits")
def test_a_server_that_reloads_has_one_mirror_process_and_in_the_end_none(
    start: Any, shadow: StubShadow, runtime: Runtime, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    for name in ("process_app.py", "process_core.py"):
        shutil.copy(HERE / name, code)
    command = ["-m", "uvicorn", "process_app:app", "--app-dir", str(code), "--port", "0"]
    program = start(*command, "--reload", "--reload-dir", str(code), SHADOW_TARGETS=shadow.url)
    sent, pids, threads = 0, set(), set()
    for life in range(3):
        pid = until(lambda: ask(program) not in pids and ask(program), lambda: program.log)
        pids.add(pid)
        program.ask_many(5)
        sent += 5
        answer = json.loads(program.ask("/statistics"))
        assert answer["is_drained"]
        threads.add(answer["threads"])
        until(lambda: len(runtime.mirrors()) == 1, lambda: f"one of {runtime.mirrors()}")
        (code / "process_app.py").write_text((HERE / "process_app.py").read_text() + f"# {life}\n")
    until(lambda: ask(program) not in pids, lambda: program.log)
    assert len(threads) == 1, "each life has as many"
    program.process.terminate()
    program.wait()
    program.wait_gone()
    runtime.wait_gone()
    assert program.books(sent) == {"eligible": sent, "compared": sent, "agree": sent}
    assert runtime.files == []
    assert not any(noise in program.log for noise in NOISE), program.log
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def ask(program: Any) -> int:
    """The process that answers now, or 0 while there is none."""
    try:
        return int(program.ask("/pid"))
    except (OSError, AssertionError, ValueError):
        return 0
