"""What a worker and the process of a Python model say to each other; framed msgpack, never pickle."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from shadow_mw.caps.place import Place
from shadow_mw.caps.wish import Wish
from shadow_mw.records import Headers
from shadow_mw.sandbox.layers import Layer, Policy

#: What a frame may have beside the body in it.
FRAME_OVERHEAD_BYTES = 1024 * 1024
#: How the reason begins for which a strict sandbox asks no model.
REFUSED = "the model is not asked: SHADOW_SANDBOX is strict"


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's process is started with."""

    name: str
    """`module:attribute`."""
    features: str
    max_body_bytes: int
    wish: Wish
    """Its caps."""
    parent: int
    """The process id of the worker."""
    sandbox: Policy
    is_beside_production: bool = True
    """Whether the worker is in production's session."""
    scratch: str = ""
    """The folder where it may write; none without a sandbox."""
    place: Place = Place()
    """The cgroup that the worker has made for it."""
    descriptor: int = -1


class Call(msgspec.Struct, frozen=True, tag="call"):
    """A request body to predict for."""

    body: bytes
    headers: Headers


class LockedDown(msgspec.Struct, frozen=True, tag="locked_down"):
    """Which layers of its sandbox hold, said before the model is imported, so that it can't alter it."""

    layers: tuple[Layer, ...]


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The model is imported."""


class Unready(msgspec.Struct, frozen=True, tag="unready"):
    """The model can't be imported, and why; the process ends."""

    error: str


class Predicted(msgspec.Struct, frozen=True, tag="predicted"):
    """A prediction as JSON."""

    body: bytes


class Raised(msgspec.Struct, frozen=True, tag="raised"):
    """The model raised an exception."""

    error_type: str
    error: str


class TooLarge(msgspec.Struct, frozen=True, tag="too_large"):
    """The prediction is larger than `max_body_bytes`."""

    error: str


FromModel: TypeAlias = LockedDown | Ready | Unready | Predicted | Raised | TooLarge
