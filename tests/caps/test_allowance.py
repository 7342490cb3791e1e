"""How much CPU a process of ours may use: a cap, and less where the quota that it shares runs out."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

import anyio
import pytest
from quota_cores import QUOTA_CORES

from shadow_mw.caps.allowance import Allowance
from shadow_mw.caps.quota import Quota, shared_quota
from shadow_mw.shadows.pace import Pace, cpu_seconds


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def quota(tmp_path):
    """Two cores, and a file of counts as the kernel writes it."""
    (tmp_path / "cpu.stat").write_text("nr_periods 10\nnr_throttled 3\nthrottled_time 5\n")
    return Quota(tmp_path, 2.0)


def throttle(quota: Quota) -> None:
    (quota.folder / "cpu.stat").write_text(f"nr_periods 90\nnr_throttled {quota.times_throttled + 1}\n")


def test_without_cap_and_quota_there_is_nothing_to_keep():
    allowance = Allowance(None, None)
    assert allowance.is_endless
    assert allowance.pause_seconds(8.0, 0.1) == 0


def test_a_cap_is_kept_on_average_and_in_pauses_of_a_second_at_most():
    allowance = Allowance(0.5, None)
    assert allowance.pause_seconds(0.1, 0.25) == 0
    assert allowance.pause_seconds(0.25, 0.25) == pytest.approx(0.25)
    assert allowance.pause_seconds(0.0, 0.25) == 0
    assert allowance.pause_seconds(2.0, 1.0) == 1.0
    assert allowance.pause_seconds(0.0, 1.0) == 1.0
    assert allowance.pause_seconds(0.0, 2.0) == 0


@pytest.mark.fault("shared-quota")
def test_half_is_given_back_each_time_that_the_quota_runs_out_and_a_little_is_left(quota):
    clock = Clock()
    allowance = Allowance(None, quota, clock)
    assert not allowance.is_endless
    assert allowance.pause_seconds(0.25, 0.25) == 0
    assert allowance.cores is None
    seen = []
    for _ in range(8):
        throttle(quota)
        assert allowance.pause_seconds(0.25, 0.25) > 0
        seen.append(allowance.cores)
    assert seen[:3] == [0.5, 0.25, 0.125]
    assert seen[-1] == pytest.approx(0.04)


@pytest.mark.fault("shared-quota")
def test_it_is_taken_back_slowly_once_the_quota_lasts(quota):
    clock = Clock()
    allowance = Allowance(1.5, quota, clock)
    throttle(quota)
    allowance.pause_seconds(0.2, 0.2)
    assert allowance.cores == 0.5
    allowance.pause_seconds(0.0, 1.0)
    assert allowance.cores == 0.5
    clock.now += 2
    looks = 0
    while allowance.cores != 1.5:
        before = allowance.cores
        allowance.pause_seconds(0.0, 1.0)
        assert allowance.cores == pytest.approx(min(before * 1.1, 1.5))
        looks += 1
    assert looks == 12
    for _ in range(5):
        allowance.pause_seconds(0.0, 1.0)
    assert repr(allowance).startswith("Allowance(1.5, Quota(2 cores")


def test_a_quota_without_counts_is_no_reason_to_yield(tmp_path):
    assert Quota(tmp_path / "gone", 1.0).times_throttled == 0


TELLS = "from shadow_mw.caps.quota import shared_quota; print(shared_quota())"


def test_a_quota_is_found_where_there_is_one(quota_group):
    if quota_group is None:
        assert shared_quota() is None or shared_quota().cores > 0
        return
    told = in_quota(quota_group, TELLS)
    assert told.startswith(f"Quota({QUOTA_CORES:g} cores")


@pytest.mark.fault("shared-quota", "model-burns")
def test_a_model_that_burns_leaves_the_quota_to_production(quota_group):
    """Both want all of it, at the same priority: so the machine's other work does not decide between them."""
    if quota_group is None:
        assert shared_quota() is None, "a quota is here, and none can be made to test with"
        return

    async def share_of_model(quota: Quota | None) -> float:
        with burning(quota_group) as model, burning(quota_group) as production:
            pacing = asyncio.ensure_future(Pace(model.pid, Allowance(None, quota)).run())
            await used_more(production.pid, 0.05)
            before = cpu_seconds(model.pid), cpu_seconds(production.pid)
            await used_more(production.pid, 0.2)
            used = cpu_seconds(model.pid) - before[0], cpu_seconds(production.pid) - before[1]
            pacing.cancel()
            return used[0] / sum(used)

    assert anyio.run(share_of_model, None) > 0.3
    assert anyio.run(share_of_model, Quota(quota_group.folder, QUOTA_CORES)) < 0.2


@contextlib.contextmanager
def burning(group):
    with subprocess.Popen([sys.executable, "-S", "-c", "while 1: pass"], start_new_session=True) as process:
        group.enter(process.pid)
        yield process
        process.kill()


async def used_more(pid: int, seconds: float) -> None:
    end = cpu_seconds(pid) + seconds
    with anyio.fail_after(60):
        while cpu_seconds(pid) < end:  # noqa: ASYNC110 another process gives no event to wait for
            await anyio.sleep(0.02)


def in_quota(group, program: str, *arguments: str) -> str:
    command = f'echo $$ > {group.folder}/cgroup.procs && exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", command, "sh", sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
