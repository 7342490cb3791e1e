"""One run of the demo: servers up, calls sent and shown, the mirror drained, servers down."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from pathlib import Path

import anyio
import anyio.to_thread
import httpx

from shadow_mw.demo.plan import Plan
from shadow_mw.demo.screen import Screen
from shadow_mw.demo.servers import (
    HOST,
    READY_SECONDS,
    Server,
    closed_port,
    free_port,
    own_environment,
    production_environment,
)
from shadow_mw.demo.traffic import Caller
from shadow_mw.demo.view import View, count_stored, read_last_disagreement, read_statistics
from shadow_mw.snapshots import ShadowStatistics

_VIEW_SECONDS = 0.5
_STATISTICS_SECONDS = 2.0
_SETTLE_SECONDS = 30.0


class Session:
    """A run of the demo, and afterwards what is left of it: the caller's figures, the store, the logs."""

    def __init__(self, plan: Plan) -> None:
        """Take the plan and make a new folder, so that the store holds this run and nothing else."""
        self.plan = plan
        self.folder = Path(tempfile.mkdtemp(prefix="shadow-mw-demo-"))
        self.store = self.folder / "store"
        self.caller = Caller()
        self._inputs: list[list[float]] = []

    def __repr__(self) -> str:
        """Plan and folder."""
        return f"Session({self.plan!r}, {str(self.folder)!r})"

    def serve_dashboard(self, running: contextlib.ExitStack) -> str:
        """Serve the page over the store, which fills as the demo goes, until `running` ends; its URL.

        Raises:
            DemoError: it did not start.

        """
        environment = own_environment() | {"SHADOW_STORE": str(self.store)}
        board = self._server(running, "board", free_port(), environment)
        board.wait_until_ready(time.monotonic() + READY_SECONDS)
        return f"{board.url}/"

    def run(self) -> None:
        """Start the servers, send and show the calls, drain and stop.

        Ctrl-C and SIGTERM end the sending; what was sent is still answered, mirrored and stored.

        Raises:
            DemoError: a server did not start; the others are stopped.

        """
        with contextlib.ExitStack() as running:
            production = self._start(running)
            with Screen(self._title(production)) as screen:
                anyio.run(self._send, production.url, screen)
        self._wait_for_records()

    def _start(self, running: contextlib.ExitStack) -> Server:
        """Start both servers side by side; `running` stops production first, so that its mirror can drain."""
        is_down = self.plan.fault == "down"
        port = free_port(self.plan.port)
        shadow_port = running.enter_context(closed_port()) if is_down else free_port()
        servers = []
        if not is_down:
            faulty = dict(os.environ) | {"DEMO_FAULT": self.plan.fault}
            servers.append(self._server(running, "challenger", shadow_port, faulty))
        environment = production_environment(f"http://{HOST}:{shadow_port}", self.store, self.plan.mode)
        servers.append(self._server(running, "production", port, environment))
        deadline = time.monotonic() + READY_SECONDS
        for server in servers:
            server.wait_until_ready(deadline)
        # From production, which has them: importing scikit-learn here too would take seconds.
        self._inputs = httpx.get(f"{servers[-1].url}/inputs", timeout=READY_SECONDS, trust_env=False).json()
        return servers[-1]

    def _server(
        self, running: contextlib.ExitStack, name: str, port: int, environment: dict[str, str]
    ) -> Server:
        server = Server(name, port, self.folder / f"{name}.log", environment)
        running.callback(server.stop)
        return server

    def _title(self, production: Server) -> str:
        fault = f", shadow fault: {self.plan.fault}" if self.plan.fault else ""
        return f"{production.url}/predict, mirrored to a random forest ({self.plan.mode}{fault})"

    async def _send(self, url: str, screen: Screen) -> None:
        async with (
            httpx.AsyncClient(base_url=url, timeout=_STATISTICS_SECONDS, trust_env=False) as client,
            anyio.create_task_group() as group,
        ):
            group.start_soon(self._stop_on_signal)
            group.start_soon(self._show, client, screen)
            await self.caller.send(url, self._inputs, self.plan.requests)
            await self._settle(client)
            screen.show(await self._view(client), is_last=True)
            group.cancel_scope.cancel()

    async def _settle(self, client: httpx.AsyncClient) -> None:
        """Wait until the mirror has accounted for every call, so that the report has them all."""
        with anyio.move_on_after(_SETTLE_SECONDS):
            while _accounted_for(await read_statistics(client)) < self.caller.sent:  # noqa: ASYNC110 polls a server
                await anyio.sleep(_VIEW_SECONDS)

    def _wait_for_records(self) -> None:
        """Wait until the mirror process, which outlives the app for a moment, has written what it has."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while count_stored(self.store) < self.caller.answered and time.monotonic() < deadline:
            time.sleep(_VIEW_SECONDS)

    async def _stop_on_signal(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                self.caller.stop()

    async def _show(self, client: httpx.AsyncClient, screen: Screen) -> None:
        while True:
            screen.show(await self._view(client))
            if screen.is_gone:
                self.caller.stop()
            await anyio.sleep(_VIEW_SECONDS)

    async def _view(self, client: httpx.AsyncClient) -> View:
        return View(
            sent=self.caller.sent,
            failed=self.caller.failed,
            caller=self.caller.latency(),
            shadow=await read_statistics(client),
            last_disagreement=await anyio.to_thread.run_sync(read_last_disagreement, self.store),
        )


def _accounted_for(shadow: ShadowStatistics | None) -> int:
    return 0 if shadow is None else shadow.count("eligible")
