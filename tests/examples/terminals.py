"""A user who types the commands of an example's README into several terminals."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clean_environment import clean_environment, commands_path
from process_tools import Runtime, comparisons, until

EXAMPLES = Path(__file__).parents[2] / "examples"
#: For a command that ends by itself, on a machine that may be busy.
PATIENCE_SECONDS = 150.0
_MADE = (
    "broker-data",
    "keys",
    "worker*.log",
    "worker*.pid",
    "production",
    "challenger",
    "*.joblib",
    "*.onnx",
)
_KEPT_OUT = shutil.ignore_patterns(".*", "__pycache__", *_MADE)


class Shells:
    """Several terminals in one folder. Ends what it has started."""

    def __init__(
        self, folder: Path, runtime: Runtime, variables: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Take the folder, and what each terminal has set; a `PATH` among `variables` comes first."""
        self.folder = folder
        self._runtime = runtime
        self._variables = variables
        self._started: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Shells:  # noqa: PYI034 (Self is of Python 3.11)
        return self

    def __exit__(self, *_: object) -> None:
        for name, process in self._started.items():
            if process.poll() is None:
                self.ctrl_c(name)
        for path in self.folder.glob("worker*.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.read_text()), signal.SIGKILL)
        for process in self._started.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def run(self, block: str) -> str:
        """Type a block and wait for its end; what it says."""
        output = self.folder / "terminal.log"
        with output.open("wb") as said:
            done = subprocess.run(
                self._shell(block),
                cwd=self.folder,
                env=self._environment(),
                stdout=said,  # no pipe: what goes on in the background would keep it open
                stderr=subprocess.STDOUT,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        assert done.returncode == 0, output.read_text()
        return output.read_text()

    def start(self, name: str, block: str, says: str = "") -> None:
        """Type a block in a terminal where it stays, and wait until it says something."""
        with (self.folder / f"terminal-{name}.log").open("wb") as log:
            self._started[name] = subprocess.Popen(
                self._shell(block),
                cwd=self.folder,
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def has_said() -> bool:
            assert self._started[name].poll() is None or says in self.said(name), self.said(name)
            return says in self.said(name)

        until(has_said, lambda: f"{says!r} of {name}: {self.said(name)}", PATIENCE_SECONDS)

    def said(self, name: str) -> str:
        return (self.folder / f"terminal-{name}.log").read_text()

    def ends(self, name: str) -> str:
        """Wait for the end of what was started; what it said."""
        assert self._started[name].wait(PATIENCE_SECONDS) == 0, self.said(name)
        return self.said(name)

    def ctrl_c(self, name: str) -> None:
        """End what runs in a terminal."""
        os.killpg(self._started[name].pid, signal.SIGINT)
        self._started[name].wait(PATIENCE_SECONDS)

    def _shell(self, block: str) -> list[str]:
        settings = ". ./settings.sh\n" if (self.folder / "settings.sh").exists() else ""
        return ["bash", "-euc", f"{settings}{block}"]

    def _environment(self) -> dict[str, str]:
        """The environment of a user's terminal."""
        kept = clean_environment("AWS_")
        path = commands_path(self._variables.get("PATH", ""))
        more = {"PATH": path, "XDG_RUNTIME_DIR": str(self._runtime.path), "PYTHONUNBUFFERED": "1"}
        return {**kept, **self._variables, **more}


class Terminals(Shells):
    """One example in a folder of its own, on ports that are free here."""

    def __init__(
        self,
        name: str,
        folder: Path,
        runtime: Runtime,
        *ports: int,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Copy the example, with other ports in all of its files."""
        super().__init__(folder / name, runtime, variables)
        shutil.copytree(EXAMPLES / name, self.folder, ignore=_KEPT_OUT)
        free = free_ports(len(ports))
        self.ports = dict(zip(ports, free, strict=True))
        for path in filter(Path.is_file, self.folder.rglob("*")):
            mode, text = path.stat().st_mode, path.read_text()
            for written, other in self.ports.items():
                text = re.sub(rf"\b{written}\b", str(other), text)
            path.write_text(text)
            path.chmod(mode)

    def __enter__(self) -> Terminals:  # noqa: PYI034 (Self is of Python 3.11)
        return self

    def blocks(self) -> list[str]:
        """The commands of the README, block by block."""
        return re.findall(r"```sh\n(.*?)```", (self.folder / "README.md").read_text(), re.DOTALL)


def _account(report: str) -> dict[str, Any]:
    """The figures of the one shadow in a report."""
    (shadow,) = json.loads(report)["shadows"]
    agreement = shadow["analysis"]["agreement"]
    counts = shadow["analysis"]["account"]
    return {
        "eligible": counts["eligible"],
        "compared": counts["buckets"]["compared"],
        "unaccounted": counts["unaccounted"],
        "agree": agreement["agree"],
        "disagree": agreement["disagree"],
    }


def reported(terminals: Terminals, command: str, requests: int) -> dict[str, Any]:
    """The figures once so many requests are in the books."""

    def found() -> dict[str, Any] | None:
        figures = _account(terminals.run(f"{command.strip()} --json"))
        return figures if figures["eligible"] >= requests else None

    store = terminals.folder / ".shadow"
    until(lambda: len(comparisons(store)) >= requests, f"{requests} comparisons", PATIENCE_SECONDS)
    return dict(until(found, f"{requests} requests in the report"))


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as probes:
        taken = [probes.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in taken]
