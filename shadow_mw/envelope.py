"""Envelopes: exchanges and counts as a broker carries them, versioned, encrypted where keys are set.

The value is msgpack; the headers follow the binary mode of CloudEvents 1.0. Fields that a reader does not
know are ignored, ones that it misses take their defaults; an unknown version is refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Protocol, TypeAlias

import msgspec

from shadow_mw.exceptions import EnvelopeError
from shadow_mw.frames import Counts
from shadow_mw.ids import uuid7
from shadow_mw.records import Envelope, Exchange

VERSION = 1
CONTENT_TYPE = "application/vnd.shadow-mw+msgpack"
ENCRYPTED_TYPE = "application/vnd.shadow-mw+msgpack+aes256gcm"
_TYPE = re.compile(r"shadow_mw\.(exchange|counts)\.v([0-9]{1,6})\Z")
_LONGEST_SOURCE = 200
#: What a header may hold on every broker's way, and in the JSON of CloudEvents.
_UNPRINTABLE = re.compile(r"[^\x21-\x7e]")

Sealed: TypeAlias = Exchange | Counts


class Keys(Protocol):
    """What encrypts and decrypts."""

    def encrypt(self, value: bytes, *, associated: bytes) -> tuple[str, bytes]:
        """The id of the key, and the value that only its owners can read."""
        ...

    def decrypt(self, key_id: str, value: bytes, *, associated: bytes) -> bytes:
        """The value again.

        Raises:
            EnvelopeError: the key is unknown, or the value or what is associated with it was altered.

        """
        ...


class Sealer:
    """Puts exchanges and counts into envelopes. Immutable."""

    def __init__(
        self,
        *,
        service: str,
        production_version: str = "",
        keys: Keys | None = None,
        conceal: Callable[[Exchange], Exchange] = lambda exchange: exchange,
    ) -> None:
        """Sign with the app's service and version; `conceal` takes out what may not leave the host."""
        self._service = service
        self._source = _UNPRINTABLE.sub("_", service)[:_LONGEST_SOURCE] or "shadow_mw"
        self._production_version = production_version
        self._keys = keys
        self._conceal = conceal
        self._encode = msgspec.msgpack.Encoder().encode

    def exchange(self, exchange: Exchange) -> Envelope:
        """The envelope of an exchange."""
        exchange = self._conceal(exchange)
        request = msgspec.structs.replace(
            exchange.request,
            service=exchange.request.service or self._service,
            production_version=exchange.request.production_version or self._production_version,
        )
        signed = msgspec.structs.replace(exchange, request=request)
        moment = request.ts_us / 1e6
        traces = {"traceparent": request.traceparent, "tracestate": request.tracestate}
        headers = {"request_id": request.request_id, **{name: text for name, text in traces.items() if text}}
        return self._sealed("exchange", request.exchange_id, request.request_id, moment, signed, headers)

    def counts(self, counts: Counts) -> Envelope:
        """The envelope of counts."""
        number = uuid7()
        return self._sealed("counts", number, number, time.time(), counts, {})

    def _sealed(
        self, kind: str, number: str, key: str, moment: float, content: Sealed, more: dict[str, str]
    ) -> Envelope:
        headers = {
            "ce_specversion": "1.0",
            "ce_id": number,
            "ce_type": f"shadow_mw.{kind}.v{VERSION}",
            "ce_source": self._source,
            "ce_time": datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds"),
            "content-type": CONTENT_TYPE,
            **more,
        }
        value = self._encode(content)
        if self._keys is not None:
            headers["content-type"] = ENCRYPTED_TYPE
            headers["key_id"], value = self._keys.encrypt(value, associated=_associated(headers))
        return Envelope(id=number, key=key, headers=headers, value=value)


class Opener:
    """Takes exchanges and counts out of envelopes. Immutable."""

    def __init__(self, keys: Keys | None = None) -> None:
        """Decrypt with these keys."""
        self._keys = keys
        self._decoders: dict[str, msgspec.msgpack.Decoder[Sealed]] = {
            "exchange": msgspec.msgpack.Decoder(Exchange),
            "counts": msgspec.msgpack.Decoder(Counts),
        }

    def open(self, envelope: Envelope) -> Sealed:
        """What is in an envelope.

        Raises:
            EnvelopeError: it is none of ours, of an unknown version, altered, or its key is not known.

        """
        kind = _kind_of(envelope)
        try:
            return self._decoders[kind].decode(self._plain(envelope))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise EnvelopeError(f"the envelope's value could not be decoded: {error}") from error

    def _plain(self, envelope: Envelope) -> bytes:
        key_id = envelope.headers.get("key_id", "")
        if not key_id:
            return envelope.value
        if self._keys is None:
            raise EnvelopeError(
                f"the envelope is encrypted with the key {key_id[:64]!r}, and "
                "SHADOW_ENCRYPTION_KEYS is not set"
            )
        return self._keys.decrypt(key_id, envelope.value, associated=_associated(envelope.headers))


def _kind_of(envelope: Envelope) -> str:
    """`exchange` or `counts`, of a version that we know."""
    told = envelope.headers.get("ce_type", "")
    match = _TYPE.match(told)
    if match is None:
        raise EnvelopeError(f"this is no envelope of shadow_mw: its ce_type is {told[:80]!r}")
    if int(match[2]) != VERSION:
        raise EnvelopeError(
            f"envelope version {match[2]} is not known here, where it is {VERSION}: "
            "the app and the worker differ in version"
        )
    return match[1]


def _associated(headers: dict[str, str]) -> bytes:
    """What an encrypted value can't be parted from: its kind, version and id."""
    # A header from outside may hold what is no UTF-8; whatever it is, it was not sealed with that.
    return f"{headers.get('ce_type', '')}\0{headers.get('ce_id', '')}".encode("utf-8", "surrogatepass")
