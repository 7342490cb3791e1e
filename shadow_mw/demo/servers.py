"""The demo's server processes: started on loopback, waited for, stopped by their pid."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from shadow_mw.exceptions import ShadowMWError

HOST = "127.0.0.1"
# The first import of scikit-learn from a cold disk takes most of it.
READY_SECONDS = 90.0
STOP_SECONDS = 15.0
GRACE_SECONDS = 5
_POLL_SECONDS = 0.05
_LOG_LINES = 5


class DemoError(ShadowMWError):
    """The demo cannot go on; the message says why and names the log."""


class Server:
    """One app under uvicorn in a process of its own, in a session of its own, so Ctrl-C does not reach it."""

    def __init__(self, name: str, port: int, log: Path, environment: Mapping[str, str]) -> None:
        """Start the process of `shadow_mw.demo.<name>`; its output goes to the file `log`."""
        self.name = name
        self.url = f"http://{HOST}:{port}"
        self.log = log
        command = [sys.executable, "-m", "shadow_mw.demo.serve", f"shadow_mw.demo.{name}:app"]
        options = ["--host", HOST, "--port", str(port), "--log-level", "warning", "--no-access-log"]
        # An open page would else hold up the end of the dashboard.
        options += ["--no-proxy-headers", "--timeout-graceful-shutdown", str(GRACE_SECONDS)]
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 our own interpreter and our own module
                [*command, *options],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __repr__(self) -> str:
        """Name, address and pid."""
        return f"Server({self.name!r}, {self.url!r}, pid={self._process.pid})"

    def wait_until_ready(self, deadline: float) -> None:
        """Wait until the app answers.

        Raises:
            DemoError: it ended, or `deadline` (by the monotonic clock) has passed.

        """
        with httpx.Client(base_url=self.url, timeout=2.0, trust_env=False) as client:
            while not self._answers(client):
                if self._process.poll() is not None:
                    raise DemoError(f"the {self.name} server ended at start. {self._last_lines()}")
                if time.monotonic() > deadline:
                    raise DemoError(f"the {self.name} server did not start in time. {self._last_lines()}")
                time.sleep(_POLL_SECONDS)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask the process to end, which drains the mirror; kill it when it has not within `seconds`."""
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        finally:
            assert self._process.stdin is not None
            self._process.stdin.close()

    @staticmethod
    def _answers(client: httpx.Client) -> bool:
        try:
            return client.get("/health").is_success
        except httpx.TransportError:
            return False

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:]
        return "\n".join([f"Its log is {self.log}:", *lines])


def free_port(wanted: int = 0) -> int:
    """The wanted port, or any for 0; nobody listened on it a moment ago.

    Raises:
        DemoError: it is taken.

    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise DemoError(f"port {wanted} cannot be used ({error.strerror}): leave --port out") from None
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses every connection: it is bound, so nobody else gets it, and nobody listens."""
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        yield silent.getsockname()[1]


def own_environment() -> dict[str, str]:
    """The user's environment without `SHADOW_*` variables, which stay out of the demo."""
    return {key: value for key, value in os.environ.items() if not key.upper().startswith("SHADOW_")}


def production_environment(shadow_url: str, store: Path, mode: str) -> dict[str, str]:
    """Everything that the mirrored app is told."""
    environment = own_environment()
    environment.setdefault("OTEL_SERVICE_NAME", "shadow-mw-demo")
    return environment | {
        "SHADOW_TARGETS": f"forest={shadow_url}",
        "SHADOW_ROUTES": "POST /predict",
        "SHADOW_MODE": mode,
        "SHADOW_COMPARE": "label",
        "SHADOW_PREDICTION": "{label: digit, score: max(probabilities)}",
        "SHADOW_FEATURES": "pixels",
        "SHADOW_STORE": str(store),
        "SHADOW_TIMEOUT_SECONDS": "1",
        "SHADOW_BREAKER_RESET_SECONDS": "3",
    }
