"""All processes of one benchmark, and one variant's turn of load."""

from __future__ import annotations

import http.client
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from figures import Round, Turn, quantile
from machine import Others, wait_for_quiet
from model import request_bodies
from processes import Child, GunicornChild, ServerChild, stop_all
from proxies import ProxyChild
from variants import Variant

ALL_CORES = float(os.cpu_count() or 1)
_MIRROR_PATIENCE_SECONDS = 10.0
_QUIET_PATIENCE_SECONDS = 20.0
_TRIES = 4
_PROBES = 3
#: As the mirror process's, since a worker would run on another host.
_LOWEST = 19


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    rate: float
    warm_up: int
    settle_seconds: float
    quiet_cores: float
    minutes: float
    """No round begins later than this."""
    seed: int


@dataclass(frozen=True)
class Serving:
    """What serves one variant: production, and a proxy in front of it, perhaps."""

    app: ServerChild
    proxy: ProxyChild | None

    @property
    def port(self) -> int:
        return (self.proxy or self.app).port

    def cpu_seconds(self) -> tuple[float, float, float]:
        """Of production, of the proxy and of the mirror process."""
        proxy = self.proxy.cpu_seconds() if self.proxy else 0.0
        return self.app.cpu_seconds(), proxy, self.app.beside_cpu_seconds()


class Bench:
    """All processes of one benchmark."""

    def __init__(
        self,
        side: ServerChild,
        load: Child,
        serving: Mapping[str, Serving],
        behind: Sequence[Any],
    ) -> None:
        """Take them all; those `behind` a broker are none of the other work on the machine."""
        self._side = side
        self._load = load
        self._serving = serving
        apps = {one.app for one in serving.values()}
        proxies = [one.proxy for one in serving.values() if one.proxy]
        self._children = [side, load, *apps, *proxies, *behind]

    def round(self, variants: Sequence[Variant], plan: Plan, order: random.Random) -> Round:
        """Every variant once."""
        return {
            variant.name: self._quiet_turn(variant, plan) for variant in order.sample(variants, len(variants))
        }

    def next_request_ms(self, name: str) -> float:
        """How long the second of two requests takes that follow each other on one connection."""
        return statistics.median(_second_ms(self._serving[name].port) for _ in range(_PROBES))

    def _quiet_turn(self, variant: Variant, plan: Plan) -> Turn:
        """The first turn that others did not disturb, or the least disturbed of several."""
        turns: list[Turn] = []
        while not turns or (len(turns) < _TRIES and turns[-1].others_cores > plan.quiet_cores):
            if plan.quiet_cores < ALL_CORES:
                wait_for_quiet(self._children, plan.quiet_cores, _QUIET_PATIENCE_SECONDS)
            turns.append(self._turn(variant, plan))
        quietest = min(turns, key=lambda turn: turn.others_cores)
        return replace(quietest, tries=len(turns))

    def _turn(self, variant: Variant, plan: Plan) -> Turn:
        """Load on one variant, until all that it mirrors has arrived and its batches are written."""
        serving = self._serving[variant.name]
        others = Others(self._children)
        before, calls = serving.cpu_seconds(), self._calls(variant)
        order = {"rate": plan.rate, "seconds": plan.seconds, "connections": variant.connections}
        result = self._load.ask({"port": serving.port, **order})
        requests = result["requests"]
        arrived = self._arrived(variant, calls, round(requests * variant.mirrored_share))
        time.sleep(plan.settle_seconds + variant.rest_seconds)
        used = [now - then for now, then in zip(serving.cpu_seconds(), before, strict=True)]
        app_us, proxy_us, mirror_us = (seconds / requests * 1e6 for seconds in used)
        return Turn(
            cpu_us=app_us + proxy_us,
            p50_ms=quantile(result["latencies"], 0.50) * 1e3,
            p99_ms=quantile(result["latencies"], 0.99) * 1e3,
            requests=requests,
            errors=result["errors"],
            mirrored_share=arrived / requests,
            late_p99_ms=quantile(result["late"], 0.99) * 1e3,
            others_cores=others.cores(),
            proxy_cpu_us=proxy_us,
            mirror_cpu_us=mirror_us,
        )

    def _calls(self, variant: Variant) -> int:
        return int(json.loads(self._side.get("/calls")[1]).get(variant.name, 0))

    def _arrived(self, variant: Variant, before: int, expected: int) -> int:
        deadline = time.monotonic() + _MIRROR_PATIENCE_SECONDS
        while (arrived := self._calls(variant) - before) < expected and time.monotonic() < deadline:
            time.sleep(0.05)
        return arrived


def _second_ms(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_MIRROR_PATIENCE_SECONDS)
    [body] = request_bodies(1)
    try:
        for _ in range(2):
            begun = time.perf_counter()
            connection.request("POST", "/predict", body, {"content-type": "application/json"})
            connection.getresponse().read()
        return (time.perf_counter() - begun) * 1e3
    finally:
        connection.close()


@contextmanager
def started(variants: Sequence[Variant]) -> Iterator[Bench]:
    """The processes, warm enough to answer; stopped by pid in the end."""
    children: list[Child] = []
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="shadow-overhead-"))
        brokers = _Brokers(stack)
        try:
            children += [side := ServerChild("side.py"), load := Child("load.py")]
            apps = {}
            for variant in variants:
                if not variant.proxy:
                    children.append(app := _serve(variant, side, folder, brokers))
                    apps[variant.name] = app
            for app in apps.values():
                app.get("/openapi.json")
            serving = {name: Serving(app, None) for name, app in apps.items()}
            for variant in variants:
                if variant.proxy:
                    children.append(proxy := _stand(variant, side, apps[variant.base], folder))
                    serving[variant.name] = Serving(apps[variant.base], proxy)
                    proxy.wait_until_it_listens()
            yield Bench(side, load, serving, brokers.running)
        finally:
            stop_all(children)


class _Brokers:
    """The broker, which is started for the first variant that has one, and a worker for each."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._broker: Any = None
        self.running: list[Any] = []
        """What of it uses CPU."""

    def behind(self, variant: Variant, places: dict[str, str]) -> dict[str, str]:
        """The environment of a variant, behind which a worker of lowest priority stands."""
        # Imported here, because most variants need nothing of it.
        from kafka_site import kafka, working

        if self._broker is None:
            self._broker = self._stack.enter_context(kafka())
            self.running.append(self._broker)
        queue = self._broker.queue(self._broker.new_topic())
        environment = _filled(variant, {**places, "kafka": queue})
        cores = [os.sched_getaffinity(0)]
        self.running += self._stack.enter_context(working(environment, 1, cores, nice=_LOWEST))
        return environment


def _serve(variant: Variant, side: ServerChild, folder: str, brokers: _Brokers) -> ServerChild:
    places = {"side": side.url, "name": variant.name, "folder": f"{folder}/{variant.name}"}
    environment = brokers.behind(variant, places) if variant.has_broker else _filled(variant, places)
    if variant.server == "gunicorn":
        return GunicornChild("flask_production.py", variant.app, environment=environment)
    return ServerChild("production.py", variant.app, environment=environment)


def _filled(variant: Variant, places: dict[str, str]) -> dict[str, str]:
    return {key: value.format(**places) for key, value in variant.environment.items()}


def _stand(variant: Variant, side: ServerChild, app: ServerChild, folder: str) -> ProxyChild:
    mirror = variant.mirror.format(side=side.url, name=variant.name)
    return ProxyChild(variant.proxy, Path(folder) / variant.name, app.url, mirror, variant.patience)
