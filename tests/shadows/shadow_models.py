"""Models that the tests load in child processes; each does to its process what its name says."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import os
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from shadow_mw.frames import VERSION, encode
from shadow_mw.shadows.model_frames import Predicted

served = 0


def predict(features: Any) -> Any:
    return {"sum": sum(features["x"])}


def echo(features: Any) -> Any:
    return features


async def later(features: Any) -> Any:
    return {"later": features}


class Model:
    def predict(self, features: Any) -> Any:
        return np.asarray(features["x"], dtype=np.float32) * 2


model = Model()
NUMBER = 7


@dataclasses.dataclass
class Scored:
    label: str
    score: Any


def scored(features: Any) -> Any:
    return Scored("a", np.float64(0.5)), np.int64(3), np.array([[1.5]])


def raises(features: Any) -> Any:
    raise KeyError("no\nsuch\ncolumn")


def exits_politely(features: Any) -> Any:
    sys.exit("bye")


def returns_no_json(features: Any) -> Any:
    return {"x": object()}


def huge(features: Any) -> Any:
    return "x" * 50_000_000


def dies(features: Any) -> Any:
    if features == "die":
        os._exit(3)
    return os.getpid()


def segfaults(features: Any) -> Any:
    return ctypes.string_at(0)


def hangs(features: Any) -> Any:
    if features != "hang":
        return os.getpid()
    Path(os.environ["HANGING"]).write_text(str(os.getpid()))
    while True:
        pass


def hangs_with_a_child(features: Any) -> Any:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    path = Path(os.environ["HANGING"])
    path.with_suffix(".part").write_text(str(child.pid))
    path.with_suffix(".part").rename(path)
    time.sleep(600)


def grows(features: Any) -> Any:
    """In shared memory, which the kernel does not count as data."""
    import mmap

    held = []
    while True:
        held.append(mmap.mmap(-1, 2**24))
        held[-1].write(b"x" * 2**24)
        time.sleep(0.01)


def allocates(features: Any) -> Any:
    return len(bytearray(2**34))


def speaks_out_of_turn(features: Any) -> Any:
    to_worker(b"garbage that is no frame of ours")
    return 1


def answers_ahead(features: Any) -> Any:
    """It sends what the next request would take for its answer."""
    global served
    served += 1
    to_worker(encode(Predicted(b'"ahead"'), served + 1))
    return 1


def announces_a_gigabyte(features: Any) -> Any:
    """It begins a frame of that length, and would go on for ever."""
    to_worker(struct.pack(">BII", VERSION, 2**30, 1) + b"x" * 100_000)
    time.sleep(600)


def to_worker(data: bytes) -> None:
    """The connection has the number it has in the worker, which may be a high one."""
    for descriptor in map(int, os.listdir("/dev/fd")):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, data)


def noisy(features: Any) -> Any:
    sys.stdout.write("x" * 10_000_000)
    os.write(2, b"y" * 1_000_000)
    return "quiet"


def priority(features: Any) -> Any:
    return [os.sched_getscheduler(0), os.nice(0), Path("/proc/self/comm").read_text().strip()]


def counts(features: Any) -> Any:
    """How many of its calls overlap, and who it is."""
    global served
    served += 1
    return [os.getpid(), served]


def surroundings(features: Any) -> Any:
    return {"cwd": str(Path.cwd()), "enabled": os.environ.get("SHADOW_ENABLED")}
