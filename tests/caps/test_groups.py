"""Cgroups of our own: real ones where the machine lets us make them, else what is said instead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from process_tools import until

from shadow_mw.caps.delegation import delegated_folder, is_delegated
from shadow_mw.caps.group import PREFIX, Group, sweep
from shadow_mw.caps.hierarchy import own_folder, up_from
from shadow_mw.caps.wish import Wish

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="cgroups are Linux's")
WANTED = {"tasks": "pids.max", "memory": "memory.max", "CPU": "cpu.max"}
CONTROLLERS = {"tasks": "pids", "memory": "memory", "CPU": "cpu"}


@pytest.mark.parametrize("controller", ["", "cpu", "memory", "pids"])
def test_the_folder_of_this_process_has_it_in_it(controller):
    folder = own_folder(controller)
    if folder is not None:
        assert str(os.getpid()) in (folder / "cgroup.procs").read_text().split()
        assert next(iter(up_from(folder))) == folder
    else:
        told = Path("/proc/self/cgroup").read_text().splitlines()
        assert not any(line.split(":")[1] == controller and line[0] != "0" for line in told)


def test_each_cap_that_the_machine_has_holds_and_the_others_are_told(cgroup):
    wish = Wish(memory_bytes=2**28, cpu_cores=0.25, cgroup=str(cgroup))
    if cgroup is None:
        with pytest.raises(OSError, match="no cgroup of version 2"):
            Group.made(wish)
        return
    given = (cgroup / "cgroup.controllers").read_text().split()
    if not {"cpu", "memory", "pids"} & set(given):
        with pytest.raises(OSError, match=r"was not given the controller cpu; the cgroup .* memory; .* pids"):
            Group.made(wish)
        assert not list(cgroup.glob(f"{PREFIX}*"))
        return
    group = Group.made(wish)
    assert {cap.name: cap.holds for cap in group.caps} == {
        name: controller in given for name, controller in CONTROLLERS.items()
    }
    kept = {
        cap.name: (group.folder / WANTED[cap.name]).read_text().strip() for cap in group.caps if cap.holds
    }
    wanted = {"tasks": "1024", "memory": str(2**28), "CPU": "25000 100000"}
    assert kept == {name: wanted[name] for name in kept}
    if "cpu" in given:
        idle = group.folder / "cpu.idle"
        assert (idle.read_text() if idle.exists() else (group.folder / "cpu.weight").read_text()) == "1\n"
    group.remove()
    assert not group.folder.exists()


ENTERS = """
import sys
from pathlib import Path
from shadow_mw.caps.group import Group
from shadow_mw.caps.hierarchy import own_folder
group, before = Group(Path(sys.argv[1]), ()), own_folder()
group.enter()
assert own_folder() == group.folder, own_folder()
print(own_folder(), flush=True)
if sys.argv[2] == "stay":
    sys.stdin.read()
group.leave()
assert own_folder() == before
"""


def entered(folder: Path, how: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ENTERS, str(folder), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_process_enters_its_group_and_takes_it_away_when_it_leaves(cgroup):
    if cgroup is None:
        assert own_folder() is None or not os.access(own_folder(), os.W_OK)
        return
    folder = cgroup / f"{PREFIX}1-1"
    folder.mkdir()
    with entered(folder, "leave") as process:
        assert process.stdout.read().strip() == str(folder)
    assert process.returncode == 0
    assert not folder.exists()


def test_what_a_killed_process_leaves_is_swept_away_and_what_lives_is_not(cgroup):
    if cgroup is None:
        sweep(Path("/nowhere"))
        return
    with entered(cgroup, "stay") as process:
        process.send_signal(signal.SIGKILL)
    dead = cgroup / f"{PREFIX}{process.pid}-1"
    dead.mkdir()
    living = cgroup / f"{PREFIX}{os.getpid()}-7"
    living.mkdir()
    sweep(cgroup)
    assert not dead.exists()
    assert living.exists()


def test_what_is_ours_only_because_we_are_root_is_left_alone(cgroup):
    """As `system.slice` would be, the parent of a service's own cgroup, which belongs to systemd."""
    if cgroup is None:
        assert not is_delegated(Path("/nowhere"))
        return
    if os.geteuid() == 0 and os.readlink("/proc/self/ns/cgroup") == "cgroup:[4026531835]":
        assert not is_delegated(cgroup)
        os.setxattr(cgroup, "user.delegate", b"1")
    assert is_delegated(cgroup)


IN_A_NAMESPACE = """
import sys
from pathlib import Path
from shadow_mw.caps.delegation import delegated_folder
try:
    print(delegated_folder("auto"))
except OSError as error:
    print(error)
"""


def test_below_a_delegated_cgroup_its_parent_is_found(cgroup):
    """An app that was started in a cgroup below the one that systemd has marked as handed over."""
    if cgroup is None or os.geteuid() != 0:
        with pytest.raises(OSError, match=r"no cgroup|is in the delegated cgroup"):
            delegated_folder("auto")
        return
    inner = cgroup / "app"
    inner.mkdir()
    for mark, says in ((None, "no cgroup is delegated to the app"), (b"1", str(cgroup))):
        if mark:
            os.setxattr(cgroup, "user.delegate", mark)
        command = f"echo $$ > {inner}/cgroup.procs && exec {sys.executable} -c '{IN_A_NAMESPACE}'"
        told = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
        assert told.stdout.strip() == says


def test_an_app_in_the_delegated_cgroup_itself_is_told_to_start_below(cgroup):
    if cgroup is None or os.geteuid() != 0:
        return
    os.setxattr(cgroup, "user.delegate", b"1")
    command = f"echo $$ > {cgroup}/cgroup.procs && exec {sys.executable} -c '{IN_A_NAMESPACE}'"
    told = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == f"the app is in the delegated cgroup {cgroup} itself: start it in one below"


@pytest.mark.parametrize(
    ("place", "says"),
    [("off", "SHADOW_CGROUP is off"), ("/tmp", "SHADOW_CGROUP is /tmp, which is no cgroup of version 2")],
)
def test_a_place_that_is_none_is_told(place, says):
    with pytest.raises(OSError, match=says):
        delegated_folder(place)


def test_the_mirror_process_is_in_a_group_of_its_own_or_says_why_not(
    cgroup, make_app, shadow, runtime, caplog
):
    caplog.set_level("INFO", "shadow_mw")
    place = str(cgroup or "/sys/fs/cgroup/none")
    app = make_app(shadow.url, cgroup=place, memory_bytes="512MiB", cpu_seconds_per_second=0.5)
    app.ask()
    assert app.drained()["compared"] == 1
    [line] = until(
        lambda: [text for text in caplog.messages if text.startswith("caps of the mirror process")], "caps"
    )
    own = Path(f"/proc/{runtime.mirror()}/cgroup").read_text()
    if "by an own cgroup holds" in line:
        assert f"/{PREFIX}" in own
        assert "memory by an own cgroup holds: memory.max is 536870912" in line
    else:
        assert PREFIX not in own
        assert "own cgroup does not hold: " in line
        assert "no cgroup of version 2" in line or "was not given the controller pids" in line
    assert "lowest priority holds: SCHED_IDLE" in line
    assert "memory of its own holds: RLIMIT_DATA is 536870912" in line
    app.installation.close()
    runtime.wait_gone()
    if cgroup is not None:
        assert not list(cgroup.glob(f"{PREFIX}*"))


def test_a_group_of_a_killed_mirror_process_goes_with_the_next_one(cgroup, make_app, shadow, runtime):
    app = make_app(shadow.url, cgroup=str(cgroup or "/sys/fs/cgroup/none"))
    app.ask()
    app.drained()
    first = runtime.mirror()
    os.kill(first, signal.SIGKILL)
    runtime.other_mirror(first)
    app.ask()
    app.drained()
    assert not cgroup or not list(cgroup.glob(f"{PREFIX}{first}-*"))
