"""Models that try to get out; each says what it met, and the test looks from outside what came of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LIBC = ctypes.CDLL(None, use_errno=True)


def tries(attempt: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """What an attempt met: the name of an error, or `done` and what it returned."""

    def model(features: dict[str, Any]) -> Any:
        try:
            return ["done", attempt(features)]
        except OSError as error:
            return [type(error).__name__, error.errno]

    return model


def system(number: int, *arguments: int) -> int:
    result = _LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return int(result)


@tries
def tcp(given):
    socket.create_connection(("127.0.0.1", given["port"]), timeout=20).sendall(b"out")


@tries
def udp(given):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"out", ("127.0.0.1", given["udp_port"]))


@tries
def unix(given):
    with socket.socket(socket.AF_UNIX) as sender:
        sender.connect(given["unix"])


@tries
def unix_by_pair(given):
    """A pair's end can be used to send to others, unless it is a stream."""
    one, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"out", given["unix_datagrams"])


@tries
def sends_from_stream_pair(given):
    one, _ = socket.socketpair()
    one.sendto(b"out", given["unix_datagrams"])


@tries
def netlink(given):
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


@tries
def packet(given):
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


@tries
def resolves(given):
    socket.getaddrinfo("shadow-mw.example", 80)


@tries
def writes(given):
    Path(given["folder"], "new").write_text("x")


@tries
def appends(given):
    with open(given["file"], "a") as file:
        file.write("x")


@tries
def truncates(given):
    os.truncate(given["file"], 0)


@tries
def truncates_by_opening(given):
    os.close(os.open(given["file"], os.O_RDONLY | os.O_TRUNC))


@tries
def unlinks(given):
    os.unlink(given["file"])


@tries
def renames(given):
    os.rename(given["file"], given["file"] + ".moved")


@tries
def makes_folder(given):
    os.mkdir(os.path.join(given["folder"], "new"))


@tries
def chmods(given):
    os.chmod(given["file"], 0o777)


@tries
def chmods_a_descriptor(given):
    os.fchmod(os.open(given["file"], os.O_RDONLY), 0o777)


@tries
def touches(given):
    os.utime(given["file"], (1, 1))


@tries
def sets_attribute(given):
    os.setxattr(given["file"], "user.x", b"x")


@tries
def locks(given):
    import fcntl

    fcntl.flock(os.open(given["file"], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)


@tries
def symlinks(given):
    os.symlink("/etc/passwd", os.path.join(given["folder"], "new"))


@tries
def symlinks_out(given):
    link = Path(tempfile.gettempdir(), "link")
    link.symlink_to(given["folder"])
    (link / "new").write_text("x")


@tries
def hard_links_in(given):
    os.link(given["file"], os.path.join(tempfile.gettempdir(), "link"))
    with open(os.path.join(tempfile.gettempdir(), "link"), "a") as file:
        file.write("x")


@tries
def makes_device(given):
    os.mknod(os.path.join(tempfile.gettempdir(), "disk"), 0o60600, os.makedev(254, 0))


@tries
def shared_memory(given):
    Path("/dev/shm", given["name"]).write_text("x")


@tries
def scratch(given):
    path = Path(tempfile.mkdtemp(), "file")
    path.write_text("x" * 1000)
    path.rename(path.with_name("other"))
    path.with_name("unlisted").mkdir(mode=0o300)
    (path.with_name("unlisted") / "file").write_text("x")
    Path(os.devnull).write_text("x")
    return str(path.with_name("other"))


@tries
def ptraces_parent(given):
    system({"x86_64": 101, "aarch64": 117}[os.uname().machine], 16, os.getppid(), 0, 0)


@tries
def reads_memory_of_parent(given):
    with open(f"/proc/{os.getppid()}/mem", "rb"):
        pass


@tries
def kills_parent(given):
    os.kill(os.getppid(), signal.SIGKILL)


@tries
def kills_all(given):
    os.kill(-1, signal.SIGKILL)


@tries
def signals_parent_by_descriptor(given):
    import fcntl

    one, other = os.pipe()
    fcntl.fcntl(one, fcntl.F_SETOWN, os.getppid())
    fcntl.fcntl(one, fcntl.F_SETFL, os.O_ASYNC)
    os.write(other, b"x")


@tries
def starves_parent(given):
    import resource

    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, 3))


@tries
def slows_parent(given):
    os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)


@tries
def takes_priority(given):
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@tries
def outlives_parent(given):
    if _LIBC.prctl(1, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "refused")


@tries
def forks(given):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
        os._exit(0)


@tries
def forks_raw(given):
    """By `clone` itself, which has flags in a register."""
    if system({"x86_64": 56, "aarch64": 220}[os.uname().machine], signal.SIGCHLD, 0, 0, 0, 0) == 0:
        time.sleep(600)
        os._exit(0)


@tries
def clones_by_structure(given):
    """By `clone3`, whose flags a filter can't see."""
    arguments = (ctypes.c_uint64 * 8)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    if system(435, ctypes.addressof(arguments), ctypes.sizeof(arguments)) == 0:
        time.sleep(600)
        os._exit(0)


@tries
def starts_program(given):
    subprocess.run([sys.executable, "-c", _CALLING, str(given["port"])], check=True)


def becomes_program(given):
    os.execv(sys.executable, [sys.executable, "-c", _CALLING, str(given["port"])])


_CALLING = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).sendall(b'out')"


@tries
def io_uring(given):
    parameters = (ctypes.c_uint32 * 30)()
    system(425, 4, ctypes.addressof(parameters))


@tries
def unshares(given):
    if _LIBC.unshare(0x10000000):
        raise OSError(ctypes.get_errno(), "refused")


@tries
def mounts(given):
    if _LIBC.mount(b"none", given["folder"].encode(), b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "refused")


@tries
def hides_memory(given):
    os.memfd_create("hidden")


def eats_private(given):
    held = []
    while True:
        held.append(bytearray(2**24))
        held[-1][::4096] = b"x" * 4096


def eats_shared(given):
    import mmap

    held = []
    while len(held) < 640:
        held.append(mmap.mmap(-1, 2**24))
        held[-1].write(b"x" * 2**24)
    return "ate 10 GiB"


def spins(given):
    if given is None:
        return os.getpid()
    while True:
        pass


def floods(given):
    for _ in range(1000):
        os.write(1, b"x" * 100_000)
        os.write(2, b"x" * 100_000)
    return "quiet"


def idles(given):
    return os.getpid()


async def waits(given):
    """An event loop needs a pair of sockets."""
    import asyncio

    await asyncio.sleep(0)
    return await asyncio.to_thread(lambda: "threads work")


def opens_many(given):
    held = []
    with contextlib.suppress(OSError):
        while len(held) < 100_000:
            held.append(os.open(os.devnull, os.O_RDONLY))
    return len(held)


_FOREST: list[Any] = []


def forest(given):
    """scikit-learn, imported and fitted where it runs, on threads."""
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier

    if not _FOREST:
        table, labels = make_classification(n_samples=200, n_features=4, random_state=1)
        _FOREST.append(RandomForestClassifier(n_estimators=10, n_jobs=2, random_state=1).fit(table, labels))
    return _FOREST[0].predict_proba([given["row"]])[0]


def stored_forest(given):
    import joblib

    return joblib.load(given["path"]).predict_proba([given["row"]])[0]


def any_of_them(given):
    """The one that is named; so one process serves many cases, as long as it is not hurt."""
    return globals()[given["do"]](given)
