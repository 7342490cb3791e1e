"""Programs that use the mirror process and end, fork, thread and run short of things."""

from __future__ import annotations

import pytest
from process_tools import NOISE, closed, comparisons, tallies, until

EXPECTED = {
    "one_and_out": 1,
    "many_and_out": 30,
    "large_and_out": 3,
    "fork_after_first_use": 5,
    "fork_at_once": 10,
    "multiprocessing_fork": 5,
    "threads_and_out": 160,
    "on_trio": 3,
    "on_uvloop": 3,
    "many_descriptors": 3,
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """All programs at once, so that their starts overlap."""
    import contextlib

    from process_tools import Program, runtime_folder
    from stub_shadow import StubShadow

    with contextlib.ExitStack() as stack:
        shadow = stack.enter_context(StubShadow())
        shadow._server.socket.listen(128)
        found = {}
        for name in EXPECTED:
            runtime = stack.enter_context(runtime_folder())
            found[name] = (
                Program(
                    ["-X", "dev", "-W", "error", "process_program.py", name],
                    tmp_path_factory.mktemp(name),
                    runtime,
                    SHADOW_TARGETS=shadow.url,
                    SHADOW_DRAIN_SECONDS="60",
                ),
                runtime,
            )
            stack.callback(found[name][0].kill)
        yield found


@pytest.mark.fault("forks", "exits", "trio")
@pytest.mark.parametrize("name", EXPECTED)
def test_nothing_that_was_offered_is_lost_or_doubled(programs, name):
    program, runtime = programs[name]
    assert program.wait() == 0, program.log
    runtime.wait_gone()
    count = EXPECTED[name]
    assert closed(tallies(program.store)) == {"eligible": count, "compared": count, "agree": count}, (
        program.log
    )
    ids = {one["record_id"] for one in comparisons(program.store)}
    assert len(ids) == count
    assert runtime.files == []
    assert not any(noise in program.log for noise in NOISE), program.log
    assert "WARNING:shadow_mw" not in program.log


@pytest.mark.fault("killed")
def test_the_end_of_a_parent_is_seen_although_its_child_lives_on(start, shadow, runtime):
    program = start("process_program.py", "parent_dies_child_lives", SHADOW_TARGETS=shadow.url)
    program.says("the child lives")
    runtime.wait_gone()
    assert runtime.files == []


@pytest.mark.fault("descriptors")
def test_without_descriptors_production_answers_and_later_mirroring_goes_on(start, shadow):
    program = start("process_program.py", "few_descriptors", SHADOW_TARGETS=shadow.url)
    assert program.wait() == 0, program.log
    assert program.log.count("WARNING") <= 2, program.log


@pytest.mark.fault("no-children")
def test_where_child_processes_are_forbidden_the_worker_is_a_thread(start, shadow, runtime):
    program = start("process_program.py", "no_child_processes", SHADOW_TARGETS=shadow.url)
    assert program.wait() == 0, program.log
    assert program.log.count("WARNING") == 1, program.log
    assert "using inline: instead of process:" in program.log
    assert runtime.mirrors() == []


def test_signals_that_the_app_blocks_reach_the_mirror_process(start, shadow):
    program = start("process_program.py", "blocked_signals", SHADOW_TARGETS=shadow.url)
    assert program.wait() == 0, program.log


def test_the_store_is_written_by_the_mirror_process_alone(programs):
    program, _ = programs["many_descriptors"]
    until(lambda: tallies(program.store), "the store")
    assert len(list((program.store / "hot").glob("*.jsonl"))) == 1
