"""The sandbox against models that try to get out, for real, with the evidence looked at from outside."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="python: targets need POSIX")

PERMISSION = ["PermissionError", errno.EPERM]
ACCESS = ["PermissionError", errno.EACCES]
NOT_THERE = ["OSError", errno.ENOSYS]

#: What each attempt met, and `None` where it may be told anything as long as nothing came of it.
CASES = {
    "tcp": ACCESS,
    "udp": ACCESS,
    "unix": ACCESS,
    "unix_by_pair": ACCESS,
    "sends_from_stream_pair": ACCESS,
    "netlink": ACCESS,
    "packet": ACCESS,
    "resolves": None,
    "writes": ACCESS,
    "appends": ACCESS,
    "truncates": PERMISSION,
    "truncates_by_opening": ACCESS,
    "unlinks": ACCESS,
    "renames": ACCESS,
    "makes_folder": ACCESS,
    "chmods": PERMISSION,
    "chmods_a_descriptor": PERMISSION,
    "touches": PERMISSION,
    "sets_attribute": PERMISSION,
    "locks": PERMISSION,
    "symlinks": ACCESS,
    "symlinks_out": ACCESS,
    "hard_links_in": None,
    "makes_device": PERMISSION,
    "shared_memory": ACCESS,
    "ptraces_parent": PERMISSION,
    "reads_memory_of_parent": ACCESS,
    "kills_parent": PERMISSION,
    "kills_all": PERMISSION,
    "signals_parent_by_descriptor": PERMISSION,
    "starves_parent": PERMISSION,
    "slows_parent": PERMISSION,
    "takes_priority": PERMISSION,
    "outlives_parent": PERMISSION,
    "forks": PERMISSION,
    "forks_raw": PERMISSION,
    "clones_by_structure": NOT_THERE,
    "starts_program": PERMISSION,
    "io_uring": NOT_THERE,
    "unshares": PERMISSION,
    "mounts": PERMISSION,
    "hides_memory": PERMISSION,
}
NEEDED = {
    "parent death",
    "no terminal",
    "lowest priority",
    "limits",
    "no capabilities",
    "no new privileges",
    "files by Landlock",
    "truncation by Landlock",
    "system calls by seccomp",
}


def test_the_machine_has_every_layer_that_a_promise_needs(workplace):
    """Where this fails, the machine can't show what the other tests are about; it says what is missing."""
    layers = workplace.layers()
    assert {name: layers[name] for name in NEEDED} == dict.fromkeys(NEEDED, "")


@pytest.mark.fault("model-network", "model-writes")
@pytest.mark.parametrize("sandbox", ["best-effort", "strict"])
@pytest.mark.parametrize("attempt", CASES)
def test_it_gets_nowhere(workplace, reach, attempt, sandbox):
    met = workplace.ask({"do": attempt, **reach.features}, sandbox=sandbox)
    assert reach.heard() == []
    assert reach.state() == reach.before
    assert workplace.process.poll() is None
    assert met[0] != "done"
    if CASES[attempt] is not None:
        assert met == CASES[attempt]


def test_the_tests_would_see_it(workplace, reach):
    """Without a sandbox the same attempts come through, so their failing is the sandbox's doing."""

    def attempt(name: str) -> None:
        assert workplace.ask({"do": name, **reach.features}, sandbox="off")[0] == "done", name

    for name in ("tcp", "udp", "unix", "unix_by_pair"):
        attempt(name)
    assert sorted(reach.heard()) == ["tcp", "udp", "unix", "unix datagrams"]
    for name in ("appends", "chmods", "touches", "writes", "unlinks"):
        attempt(name)
        assert reach.state() != reach.before
        reach.before = reach.state()


@pytest.mark.fault("model-network")
def test_a_program_that_takes_its_place_has_no_network_either(workplace, reach):
    met = workplace.ask(reach.features, "hostile_models:becomes_program")
    assert met[0] == "ShadowProtocolError"
    assert reach.heard() == []


@pytest.mark.fault("model-writes")
def test_it_may_write_in_its_scratch_folder_which_goes_with_it(workplace):
    word, path = workplace.ask({"do": "scratch"}, "hostile_models:any_of_them", memory_bytes=2**40)
    assert word == "done"
    folder = next(parent for parent in Path(path).parents if parent.name.startswith("shadow-mw-model-"))
    assert folder.stat().st_uid == workplace.user
    assert folder.stat().st_mode & 0o777 == 0o700
    assert Path(path).read_text() == "x" * 1000
    met = workplace.ask({"do": "spins"}, memory_bytes=2**40, timeout_seconds=1)
    assert met == ["deadline", ""]
    assert workplace.ask({"do": "idles"}, memory_bytes=2**40)
    assert not folder.exists()


@pytest.mark.fault("model-grows")
@pytest.mark.parametrize("sandbox", ["best-effort", "strict", "off"])
@pytest.mark.parametrize("attempt", ["eats_private", "eats_shared"])
def test_memory_is_refused_or_costs_it_its_life(workplace, attempt, sandbox):
    order = {"memory_bytes": 2**28, "sandbox": sandbox}
    kind, sentence = workplace.ask({"do": attempt}, **order)
    if attempt == "eats_private":
        assert "MemoryError" in sentence or "SHADOW_MEMORY_BYTES" in sentence
    else:
        assert kind == "ShadowProtocolError"
        assert "its memory grew over SHADOW_MEMORY_BYTES" in sentence
    assert workplace.ask({"do": "idles"}, **order) > 0


@pytest.mark.fault("model-hangs")
def test_one_that_spins_is_killed_at_the_deadline_and_the_next_call_answered(workplace):
    first = workplace.ask(None, "hostile_models:spins")
    assert workplace.ask(1, "hostile_models:spins", timeout_seconds=1) == ["deadline", ""]
    second = workplace.ask(None, "hostile_models:spins")
    assert second != first
    assert not Path(f"/proc/{first}").exists()


def test_the_kernel_says_so_too(workplace):
    pid = workplace.ask({"do": "idles"}, sandbox="strict")
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["CapEff"], 16) in (0, 1 << 2), "none, or that of reading every file"
    assert (process / "oom_score_adj").read_text() == "1000\n"
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
    assert os.readlink(process / "ns/net") != os.readlink("/proc/self/ns/net")
    group, session, terminal = map(int, (process / "stat").read_text().rpartition(") ")[2].split()[2:5])
    assert (group, terminal) == (pid, 0)
    if sys.version_info >= (3, 11):
        assert session == os.getsid(0), "autogroups would schedule a session of its own against production's"


@pytest.mark.fault("model-prints")
def test_output_goes_nowhere(workplace):
    assert workplace.ask({"do": "floods"}) == "quiet"


@pytest.mark.fault("model-descriptors")
def test_descriptors_are_capped(workplace):
    assert workplace.ask({"do": "opens_many"}) < 1024


def test_event_loops_and_threads_work(workplace):
    assert workplace.ask(1, "hostile_models:waits", sandbox="strict") == "threads work"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.fault("killed")
@pytest.mark.parametrize("is_busy", [False, True])
def test_it_ends_with_a_worker_that_is_killed(own_workplace, is_busy):
    pid = own_workplace.ask(None, "hostile_models:spins", sandbox="strict")
    with open_end(pid) as ended:
        if is_busy:
            own_workplace.tell(1, "hostile_models:spins", sandbox="strict")
        own_workplace.process.kill()
        ended()
    assert not is_running(pid)


@contextlib.contextmanager
def open_end(pid: int):
    """What waits for the end of a process that is not ours."""
    import select

    descriptor = os.pidfd_open(pid)

    def ended() -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        assert poll.poll(60_000), "it has not ended"

    try:
        yield ended
    finally:
        os.close(descriptor)


@pytest.fixture
def stored(workplace, tmp_path_factory):
    import tempfile

    import joblib
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier

    table, labels = make_classification(n_samples=200, n_features=4, random_state=1)
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    path = Path(folder, "forest.joblib")
    model = RandomForestClassifier(n_estimators=10, n_jobs=2, random_state=1).fit(table, labels)
    joblib.dump(model, path)
    path.chmod(0o644)
    row = [0.1, -0.2, 0.3, 0.4]
    yield {"path": str(path), "row": row}, list(model.predict_proba([row])[0])
    shutil.rmtree(folder)


@pytest.mark.parametrize("model", ["forest", "stored_forest"])
@pytest.mark.parametrize("sandbox", ["best-effort", "strict"])
def test_a_model_of_scikit_learn_loads_and_predicts(workplace, stored, model, sandbox):
    features, expected = stored
    answer = workplace.ask(features, f"hostile_models:{model}", sandbox=sandbox)
    assert answer == pytest.approx(expected)
