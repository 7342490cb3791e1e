"""Digests: keyed hashes that stand in place of values, the same for the same value."""

from __future__ import annotations

import hmac
import json
import re
from pathlib import Path
from typing import Any

_DIGITS = 16
_SHAPE = re.compile(rf"hmac:[0-9a-f]{{{_DIGITS}}}")
_FILE = "file:"
_LEAST_BYTES = 16
_LARGEST_BYTES = 4096
_MAKE = "`openssl rand -hex 32` makes one"


class Digest:
    """Makes `hmac:` and 16 hex digits of a value: HMAC-SHA-256 of its canonical JSON. Immutable, thread-safe.

    Keys of objects are sorted, there is no white space, and a whole number is written without a fraction, so
    that 1 and 1.0 are the same. Bytes are taken as they are. What is a digest already stays one.
    """

    def __init__(self, key: str) -> None:
        """Take the key."""
        self._key = key.encode()

    def __repr__(self) -> str:
        """Nothing of the key."""
        return "Digest()"

    def __call__(self, value: Any) -> str:
        """The digest.

        Raises:
            ValueError: the value has no canonical JSON, for it is nested too deep.

        """
        if is_digest(value):
            return str(value)
        digest = hmac.digest(self._key, _canonical(value), "sha256")
        return f"hmac:{digest.hex()[:_DIGITS]}"


def is_digest(value: object) -> bool:
    """True for the text of a digest."""
    return isinstance(value, str) and _SHAPE.fullmatch(value) is not None


def checked_key(key: str) -> str:
    """The key that a setting gives, itself or as `file:` and a path; empty where there is none.

    Raises:
        ValueError: the file can't be read, or the key is too short; no message holds anything of a key.

    """
    found = _read(key.removeprefix(_FILE)) if key.startswith(_FILE) else key
    if key and len(found.encode()) < _LEAST_BYTES:
        raise ValueError(
            f"the key is shorter than {_LEAST_BYTES} bytes, so that it could be guessed; {_MAKE}"
        )
    return found


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ValueError(f"the key file {path} can't be read: {reason or error}") from None
    if len(content) > _LARGEST_BYTES:
        raise ValueError(f"the key file {path} is larger than {_LARGEST_BYTES} bytes, so it is no key")
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"the key file {path} is not text in UTF-8; {_MAKE}") from None


def _canonical(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        text = json.dumps(_whole(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    except RecursionError:
        raise ValueError("nested too deep") from None
    return text.encode("utf-8", "surrogatepass")


def _whole(value: Any) -> Any:
    """The value with floats that are whole numbers as such."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
