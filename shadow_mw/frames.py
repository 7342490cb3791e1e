"""Frames: messages between an app and its worker on one host, length-prefixed msgpack.

A frame is one byte of version, four of length, four of number (both big-endian, unsigned), and the payload.
Fields that a receiver does not know are ignored, ones that it misses take their defaults.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Generic, TypeAlias, TypeVar

import msgspec

from shadow_mw.exceptions import FrameError
from shadow_mw.records import CapturedRequest, CapturedResponse, Exchange
from shadow_mw.restraints import Restraint
from shadow_mw.snapshots import Statistics

VERSION = 1
_HEAD = struct.Struct(">BII")
_encoder = msgspec.msgpack.Encoder()
_T = TypeVar("_T")


class Counts(msgspec.Struct, frozen=True, omit_defaults=True, tag="counts"):
    """What the app's side added to the books: for each route and shadow the counts by word."""

    added: tuple[tuple[str, str, dict[str, int]], ...]
    restraints: tuple[Restraint, ...] = ()
    """Who holds back, of those whose counts these are."""


class Flush(msgspec.Struct, frozen=True, tag="flush"):
    """A request to bring everything sent before to the store, and to say so."""

    token: int


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The numbers of frames whose comparisons are in the store."""

    numbers: list[int]
    parts: tuple[tuple[int, str], ...] = ()
    """Numbers of which only that of one shadow, which is named, is in the store yet."""


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """The worker's statistics; with the token of the `Flush` that it answers, or 0."""

    statistics: Statistics
    token: int = 0


class Logged(msgspec.Struct, frozen=True, tag="logged"):
    """A line for the app's log."""

    level: int
    text: str


ToWorker: TypeAlias = Exchange | CapturedRequest | CapturedResponse | Counts | Flush
ToApp: TypeAlias = Done | Snapshot | Logged


def encode(message: msgspec.Struct, number: int = 0) -> bytes:
    """One frame."""
    payload = _encoder.encode(message)
    return _HEAD.pack(VERSION, len(payload), number & 0xFFFFFFFF) + payload


class FrameReader(Generic[_T]):
    """Bytes as they come in, frames out. Not thread-safe."""

    def __init__(self, kind: object, limit_bytes: int) -> None:
        """Decode frames of `kind` (a union of tagged structs) that are at most so large."""
        self._decoder: msgspec.msgpack.Decoder[_T] = msgspec.msgpack.Decoder(kind)
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, _T]]:
        """The frames that are complete now, each with its number.

        Raises:
            FrameError: what came is no frame of ours; the connection can't be read on.

        """
        self._buffer += data
        start = 0
        while len(self._buffer) - start >= _HEAD.size:
            version, length, number = _HEAD.unpack_from(self._buffer, start)
            self._check(version, length)
            end = start + _HEAD.size + length
            if len(self._buffer) < end:
                break
            yield number, self._decode(memoryview(self._buffer)[start + _HEAD.size : end].tobytes())
            start = end
        del self._buffer[:start]

    def _check(self, version: int, length: int) -> None:
        if version != VERSION:
            raise FrameError(
                f"frame version {version} is not known: the app and its worker differ in version"
            )
        if length > self._limit_bytes:
            raise FrameError(f"a frame of {length} bytes is larger than {self._limit_bytes}")

    def _decode(self, payload: bytes) -> _T:
        try:
            return self._decoder.decode(payload)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise FrameError(f"a frame could not be decoded: {error}") from error
