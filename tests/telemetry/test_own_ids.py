"""Ids of spans, and what they leave alone: the random numbers of the app."""

from __future__ import annotations

import os
import random

from asgi_driver import chunked, http_scope, run
from stub_shadow import StubShadow

from shadow_mw import ShadowMiddleware
from shadow_mw.telemetry.own_ids import OwnIds
from shadow_mw.testing import drain


async def app(scope, receive, send):
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(random.random()).encode()})


def test_an_app_that_seeded_its_random_numbers_draws_the_same_ones(monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    with StubShadow() as shadow:
        mirrored = ShadowMiddleware(app, targets=shadow.url, routes="POST /predict")
        _ask(mirrored)  # the worker's libraries draw when they are imported
        random.seed(42)
        _ask(mirrored)
        drawn = random.random()
    random.seed(42)
    random.random()  # the app's own
    assert drawn == random.random()


def test_processes_with_the_same_seed_make_different_ids():
    random.seed(42)
    first = OwnIds().generate_trace_id()
    random.seed(42)
    assert OwnIds().generate_trace_id() != first


def test_a_forked_child_makes_ids_of_its_own():
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"%032x" % OwnIds().generate_trace_id())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reading, 32), 16) != OwnIds().generate_trace_id()


def _ask(mirrored: ShadowMiddleware) -> None:
    run(mirrored, http_scope(), chunked(b"{}"))
    assert drain(20)
