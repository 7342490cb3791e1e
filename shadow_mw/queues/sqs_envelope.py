"""An envelope as the body of a message: the JSON format of CloudEvents 1.0, the value in base64.

SQS takes only what XML may hold, so the body is ASCII. Headers become attributes of the event, whose names
are lower-case letters and digits; `headernames` says which header an attribute was, where that is not known
anyway. A value that is too large for a message is elsewhere: `dataref` says where (the claim check of
CloudEvents), and `datasha256` what it must be.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re

import msgspec

from shadow_mw.records import Envelope

#: What SQS takes in one message, or one batch of them, with names, types and values of attributes.
LIMIT_BYTES = 1_048_576
#: What it took before August 2025, and other makes of it do.
OLD_LIMIT_BYTES = 262_144
#: Kept free for the reason that a dead letter is given.
RESERVE_BYTES = 2_048

_ATTRIBUTES = {
    "ce_id": "id",
    "ce_source": "source",
    "ce_specversion": "specversion",
    "ce_time": "time",
    "ce_type": "type",
    "content-type": "datacontenttype",
    "key_id": "keyid",
    "request_id": "requestid",
    "traceparent": "traceparent",
    "tracestate": "tracestate",
}
_HEADERS = {attribute: header for header, attribute in _ATTRIBUTES.items()}
_REQUIRED = {"specversion": "1.0", "source": "shadow_mw", "type": "shadow_mw.envelope"}
_VALUE = ("data_base64", "dataref", "datasha256", "partitionkey", "headernames")
_TAKEN = {*_HEADERS, *_VALUE, "data", "dataschema", "subject"}
_FILTERED = ("request_id", "traceparent", "ce_type")
_STRANGE = re.compile(r"[^a-z0-9]")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_GROUP = re.compile(r"[!-~]{1,128}\Z")


class Claim(msgspec.Struct, frozen=True):
    """Where a value is that did not fit into its message, and what it must be. Immutable."""

    ref: str
    sha256: str


class Parcel(msgspec.Struct, frozen=True):
    """What is sent. Immutable."""

    body: str
    attributes: dict[str, str]

    @property
    def size_bytes(self) -> int:
        """What SQS counts."""
        return size_of(self.body, self.attributes)


def encode(envelope: Envelope, claim: Claim | None = None) -> Parcel:
    """The message of an envelope, with its value inside, or else with the claim to it."""
    event = _named(envelope.headers)
    event["id"] = envelope.id
    for name, value in _REQUIRED.items():
        event.setdefault(name, value)
    if envelope.key != envelope.headers.get("request_id"):
        event["partitionkey"] = envelope.key
    if claim is None:
        event["data_base64"] = base64.b64encode(envelope.value).decode()
    else:
        event["dataref"], event["datasha256"] = claim.ref, claim.sha256
    told = {name: printable(envelope.headers.get(name, "")) for name in _FILTERED}
    return Parcel(json.dumps(event), {name: text for name, text in told.items() if text})


def decode(body: str) -> tuple[Envelope, Claim | None]:
    """The envelope in a message, and the claim to its value where that is elsewhere.

    Never raises: what is not ours is an envelope without headers, its value the text itself.
    """
    try:
        event = json.loads(body)
        return _opened(event)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        value = body.encode("utf-8", "surrogatepass")
        return Envelope(id="", key="", headers={}, value=value), None


def digest(value: bytes) -> str:
    """The SHA-256 of a value, as it stands in a claim."""
    return hashlib.sha256(value).hexdigest()


def size_of(body: str, attributes: dict[str, str]) -> int:
    """What SQS counts of a message: its body, and the names, types and values of its attributes."""
    named = sum(len(name) + len("String") + len(text.encode()) for name, text in attributes.items())
    return len(body.encode("utf-8", "surrogatepass")) + named


def attributes_of(texts: dict[str, str]) -> dict[str, dict[str, str]]:
    """Texts as the attributes of a message."""
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}


def printable(text: str) -> str:
    """A text without what an attribute can't hold."""
    return _UNPRINTABLE.sub("?", text)


def group_of(text: str) -> str:
    """A text as the name of a group or as what tells duplicates, which may hold 128 printable characters."""
    return text if _GROUP.match(text) else digest(text.encode("utf-8", "surrogatepass"))


def _named(headers: dict[str, str]) -> dict[str, str]:
    """The headers by the names that CloudEvents allows."""
    event: dict[str, str] = {}
    names: dict[str, str] = {}
    for header, text in headers.items():
        attribute = _ATTRIBUTES.get(header) or _free(header, event)
        event[attribute] = text
        if _HEADERS.get(attribute, attribute) != header:
            names[attribute] = header
    if names:
        event["headernames"] = json.dumps(names)
    return event


def _free(header: str, event: dict[str, str]) -> str:
    """A name for the attribute of a header that has none of its own."""
    stem = _STRANGE.sub("", header)[:20] or "header"
    attribute, number = stem, 1
    while attribute in event or attribute in _TAKEN:
        number += 1
        attribute = f"{stem}{number}"
    return attribute


def _opened(event: dict[str, str]) -> tuple[Envelope, Claim | None]:
    if not all(isinstance(text, str) for text in event.values()):
        raise TypeError("an attribute of ours is a text")
    names: dict[str, str] = json.loads(event.get("headernames", "{}"))
    headers = {
        str(names.get(name) or _HEADERS.get(name, name)): text
        for name, text in event.items()
        if name not in _VALUE
    }
    claim = None
    value = b""
    if "dataref" in event:
        claim = Claim(event["dataref"], event.get("datasha256", ""))
    else:
        value = _bytes(event["data_base64"])
    key = event.get("partitionkey", event.get("requestid", ""))
    return Envelope(id=event["id"], key=key, headers=headers, value=value), claim


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
