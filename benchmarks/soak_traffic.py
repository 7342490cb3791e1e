"""What the callers of `soak.py` ask: a stream of requests that follows from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from model import FEATURES

#: More than this is not mirrored; the app takes it all the same.
CAP_BYTES = 256 * 1024
_LARGE_BYTES = 100_000
_OVERSIZED_BYTES = CAP_BYTES + 10_000
_LONGEST_TALK = 8
_MODEL = ("crashes", "leaks", "hangs", "raises", "prints")

Place = Literal["eligible", "loop", "request_incomplete", ""]


@dataclass(frozen=True)
class Ask:
    """One request, and where the books must have it."""

    method: str
    path: str
    place: Place
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    pieces: int = 0
    """Sent in so many chunks; 0 declares a length."""
    leaves: Literal["", "upload", "answer"] = ""
    """In the middle of what the caller hangs up."""
    is_last: bool = False
    """Whether the connection ends with it: uvicorn says so of an app that raises only by ending it."""


def talks(source: random.Random) -> Iterator[tuple[Ask, ...]]:
    """What is asked over one connection after the other."""
    while True:
        talk: list[Ask] = []
        length = source.choice((1, 1, source.randint(2, _LONGEST_TALK)))
        while len(talk) < length and not (talk and talk[-1].is_last):
            talk.append(_ask(source))
        yield tuple(talk)


def _ask(source: random.Random) -> Ask:
    [make] = source.choices([one for one, _ in _KINDS], [weight for _, weight in _KINDS])
    ask: Ask = make(source)
    return ask


def _json(source: random.Random, padding: int = 0, **more: str) -> bytes:
    given = {"features": [round(source.gauss(0.0, 1.0), 6) for _ in range(FEATURES)], **more}
    return json.dumps({**given, "padding": "." * padding} if padding else given).encode()


def _predict(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "eligible", _json(source))


def _in_chunks(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "eligible", _json(source), pieces=source.randint(1, 5))


def _large(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "eligible", _json(source, _LARGE_BYTES))


def _oversized(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "eligible", _json(source, _OVERSIZED_BYTES), pieces=source.choice((0, 7)))


def _no_json(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "eligible", source.randbytes(source.randint(0, 200)))


def _raises(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "eligible", _json(source, production="raises"), is_last=True)


def _hostile_model(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "eligible", _json(source, model=source.choice(_MODEL)))


def _stream(source: random.Random) -> Ask:
    return Ask("POST", "/stream?of=parts", "eligible", _json(source))


def _breaks(source: random.Random) -> Ask:
    return Ask("POST", "/stream", "eligible", _json(source, production="breaks"), is_last=True)


def _leaves_answer(source: random.Random) -> Ask:
    return Ask("POST", "/stream", "eligible", _json(source), leaves="answer", is_last=True)


def _leaves_upload(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "request_incomplete", _json(source, 20_000), leaves="upload", is_last=True)


def _marked(source: random.Random) -> Ask:
    return Ask("POST", "/predict", "loop", _json(source), (("shadow-request", "1"),))


def _about(source: random.Random) -> Ask:
    return Ask("GET", f"/about/{source.randint(0, 9)}", "")


def _upload(source: random.Random) -> Ask:
    size = source.choice((0, 100, _LARGE_BYTES, 2 * CAP_BYTES))
    return Ask("POST", "/upload", "", b"\xff" * size, pieces=source.choice((0, 3)))


def _unknown(source: random.Random) -> Ask:
    method = source.choice(("GET", "HEAD", "DELETE"))
    return Ask(method, source.choice(("/predict", "/nowhere", "/predict/more")), "")


#: With their weights.
_KINDS = (
    (_predict, 50),
    (_in_chunks, 8),
    (_large, 5),
    (_oversized, 3),
    (_no_json, 3),
    (_raises, 2),
    (_hostile_model, 2),
    (_stream, 6),
    (_breaks, 1),
    (_leaves_answer, 2),
    (_leaves_upload, 2),
    (_marked, 1),
    (_about, 8),
    (_upload, 4),
    (_unknown, 3),
)
