"""Payloads: the Python value inside a body, decoded within a bound, and its text for records."""

from __future__ import annotations

import json
import re
import zlib
from functools import lru_cache
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.parser import ParsedResult

from shadow_mw.exceptions import PayloadError
from shadow_mw.records import Headers
from shadow_mw.streams import read_stream

_GZIP_WBITS = 16 + zlib.MAX_WBITS
#: How much is fed to zlib at once; what is left of a piece behind a gzip member is copied by zlib.
_PIECE_BYTES = 16 * 1024
#: At a third of the cost; it writes null for NaN and infinities, so that a null is not to be trusted.
_to_plain_json = msgspec.json.Encoder().encode
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_JSON_TYPE = re.compile(r"(application|text)/json\Z|[^/]+/[^/]+\+json\Z")
_EVENT_STREAM = "text/event-stream"
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^"';\s]+)""", re.IGNORECASE)
#: What a JMESPath function may raise that is given a value it did not expect.
_SEARCH_ERRORS = (
    JMESPathError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
#: Codecs that take linear time and map bytes to text; Python has others (`idna`, `hex`) that do not.
_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin-1": "latin-1",
    "windows-1252": "cp1252",
}


def decode_payload(body: bytes, headers: Headers, *, max_bytes: int) -> Any:
    """The value in a body: JSON as Python values, text as str, the rest as bytes, nothing as None.

    Server-sent events are put together to one value; see `shadow_mw.streams`.

    Content encodings identity, gzip (RFC 1952, several members too) and deflate (RFC 9110, and without
    its zlib header) are undone first. `max_bytes` caps the decoded size, and so the memory of a
    decompression bomb. JSON may hold NaN and Infinity, as Python's own writer makes them. Without a content
    type the body is JSON if it parses.

    Raises:
        PayloadError: an unknown encoding, a broken or too large body, JSON that is none, a cut stream.

    """
    content = _decompressed(body, _header(headers, b"content-encoding").strip().lower(), max_bytes)
    if not content:
        return None
    content_type = _header(headers, b"content-type")
    if content_type == "application/json":
        return _json(content)
    media_type = content_type.partition(";")[0].strip().lower()
    if _JSON_TYPE.match(media_type):
        return _json(content)
    if media_type == _EVENT_STREAM:
        return _streamed(content)
    if media_type.startswith("text/"):
        return _text(content, content_type)
    return content if media_type else _json_or_bytes(content)


def is_event_stream(headers: Headers) -> bool:
    """Whether a body comes as server-sent events."""
    return _header(headers, b"content-type").partition(";")[0].strip().lower() == _EVENT_STREAM


def extract(value: Any, expression: str) -> Any:
    """The part of a value that a JMESPath expression finds; an empty expression finds the value itself.

    Raises:
        PayloadError: the expression finds nothing or null, does not fit the value, or is not JMESPath.

    """
    if not expression:
        return value
    try:
        found = _compiled(expression).search(value)
    except _SEARCH_ERRORS as error:
        raise PayloadError(f"the path {expression!r} does not fit this body: {_reason(error)}") from None
    if found is None:
        raise PayloadError(f"the path {expression!r} finds nothing in this body")
    return found


def encode_text(value: Any, max_chars: int) -> tuple[str, bool]:
    """Compact JSON text of a decoded value for records and spans, and whether it was cut to `max_chars`.

    Always encodable as UTF-8: lone surrogates stand as JSON escapes. NaN and infinities stand as `NaN` and
    `Infinity`. Bytes are only described.
    """
    text = f"<{len(value)} bytes>" if isinstance(value, bytes) else _json_text(value)
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text[:max_chars], len(text) > max_chars


def _reason(error: Exception) -> str:
    if isinstance(error, JMESPathTypeError):  # its own message quotes the value, which may be a secret
        return f"{error.function_name}() cannot take a {error.actual_type}"
    return next(iter(str(error).splitlines()), type(error).__name__)


def _header(headers: Headers, name: bytes) -> str:
    return b",".join([value for key, value in headers if key.lower() == name]).decode("latin-1")


def _decompressed(body: bytes, encoding: str, max_bytes: int) -> bytes:
    try:
        if encoding in ("", "identity"):
            content = body
        elif encoding in ("gzip", "x-gzip"):
            content = _gunzipped(body, max_bytes)
        elif encoding == "deflate":
            content, _ = _inflated(body, 0, _deflate_wbits(body), max_bytes)
        else:
            raise PayloadError(
                f"content encoding {encoding[:40]!r} is not supported: only gzip and deflate are"
            )
    except zlib.error as error:
        raise PayloadError(f"the body is not {encoding}: {error}") from None
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    return content


def _gunzipped(body: bytes, max_bytes: int) -> bytes:
    content = bytearray()
    position = 0
    while position < len(body):
        if position and not body[position] and not body[position:].strip(b"\0"):
            break  # gzip files may be padded with zeros
        member, position = _inflated(body, position, _GZIP_WBITS, max_bytes - len(content))
        content += member
    return bytes(content)


def _inflated(body: bytes, position: int, wbits: int, max_bytes: int) -> tuple[bytes, int]:
    """What one deflate stream that begins at `position` holds, and where it ends."""
    inflater = zlib.decompressobj(wbits)
    content = bytearray()
    while not inflater.eof and position < len(body):
        piece = body[position : position + _PIECE_BYTES]
        content += inflater.decompress(piece, max_bytes - len(content) + 1)
        if len(content) > max_bytes:
            raise _too_large(max_bytes)
        position += len(piece) - len(inflater.unused_data)
    if body and not inflater.eof:
        raise PayloadError("the compressed body is truncated")
    return bytes(content), position


def _too_large(max_bytes: int) -> PayloadError:
    return PayloadError(f"the decoded body is larger than {max_bytes} bytes")


def _deflate_wbits(body: bytes) -> int:
    has_zlib_header = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if has_zlib_header else -zlib.MAX_WBITS


def _json(content: bytes) -> Any:
    try:
        return _parsed(content)
    except RecursionError:
        raise PayloadError("the body is JSON nested too deep") from None
    except ValueError as error:
        raise PayloadError(f"the body is not JSON: {error}") from None


def _json_or_bytes(content: bytes) -> Any:
    try:
        return _parsed(content)
    except (RecursionError, ValueError):
        return content


def _streamed(content: bytes) -> Any:
    try:
        return read_stream(content, _parsed)
    except RecursionError:
        raise PayloadError("the events hold JSON nested too deep") from None


def _parsed(content: bytes | str) -> Any:
    try:
        return msgspec.json.decode(content)
    except (ValueError, msgspec.DecodeError):  # which is no ValueError in older versions
        return json.loads(content)  # NaN, Infinity, 1e400, lone surrogates, UTF-16


def _text(content: bytes, content_type: str) -> str:
    match = _CHARSET.search(content_type)
    charset = match[1].lower() if match else "utf-8"
    if charset not in _CHARSETS:
        raise PayloadError(f"charset {charset[:40]!r} is not supported: only {', '.join(_CHARSETS)} are")
    try:
        return content.decode(_CHARSETS[charset])
    except UnicodeDecodeError as error:
        raise PayloadError(f"the body is not {charset} text: {error.reason}") from None


def _json_text(value: Any) -> str:
    try:
        text = _to_plain_json(value).decode()
        if "null" not in text:
            return text
    except (OverflowError, RecursionError, TypeError, ValueError):
        pass
    try:
        return _to_json(value)
    except RecursionError:
        return f"<{type(value).__name__} nested too deep>"
    except (TypeError, ValueError):  # an expression of JMESPath can be the result of one
        return f"<{type(value).__name__} that is not JSON>"


@lru_cache(maxsize=64)
def _compiled(expression: str) -> ParsedResult:
    return jmespath.compile(expression)
