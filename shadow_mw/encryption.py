"""Encryption: what a broker carries is AES-256-GCM, so that it can neither read nor alter it.

An encrypted value is 12 random bytes of nonce, then the ciphertext, which ends in a tag of 16 bytes (NIST
SP 800-38D). Authenticated beside it: the id of the key, a zero byte, and what the caller associates.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from shadow_mw.exceptions import EnvelopeError, MissingExtraError, SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_log = logging.getLogger("shadow_mw")
_VARIABLE = "SHADOW_ENCRYPTION_KEYS"
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 32, 12, 16
_LARGEST_FILE = 2**20
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAKE = "`openssl rand -base64 32` makes one"


class Keyring:
    """The keys of exchanges: the first one encrypts, all of them decrypt. Immutable, thread-safe.

    Nonces are random, so a key is good for 2^32 values (SP 800-38D, section 8.3). To rotate, put a new key at
    the end everywhere, then at the front everywhere, and take the old one out once no value of it is left.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take keys of 32 bytes by their ids, in order, at least one.

        Raises:
            MissingExtraError: the extra `encryption` is not installed.

        """
        make = _aesgcm()
        self._ciphers = {key_id: make(key) for key_id, key in keys.items()}
        self._first = next(iter(keys))

    def __repr__(self) -> str:
        """The ids, never the keys."""
        return f"Keyring({', '.join(self._ciphers)})"

    @classmethod
    def from_file(cls, path: str) -> Keyring:
        """The keys of a file: a line `id: base64 of 32 bytes` each, beside blank lines and `#` comments.

        Raises:
            SettingsError: it can't be read, or a line is no key; no message holds anything of a key.
            MissingExtraError: the extra `encryption` is not installed.

        """
        keys: dict[str, _Line] = {}
        for line in _lines(path):
            if line.key_id in keys:
                first = keys[line.key_id].number
                raise line.wrong(f"its id stands in line {first} already; give each key an id of its own")
            keys[line.key_id] = line
        if not keys:
            raise _wrong(path, f"it holds no key; write a line `id: base64 of 32 bytes`, {_MAKE}")
        return cls({key_id: line.key() for key_id, line in keys.items()})

    def encrypt(self, value: bytes, *, associated: bytes) -> tuple[str, bytes]:
        """The id of the first key, and the value encrypted with it; `associated` is authenticated alone."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._first].encrypt(nonce, value, _authenticated(self._first, associated))
        return self._first, nonce + sealed

    def decrypt(self, key_id: str, value: bytes, *, associated: bytes) -> bytes:
        """What was encrypted with the key of this id and with the same `associated`.

        Raises:
            EnvelopeError: the key is not known, or something was altered.

        """
        from cryptography.exceptions import InvalidTag

        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise EnvelopeError(f"encrypted with the key {key_id[:64]!r}, which is not in {_VARIABLE}")
        if len(value) < _NONCE_BYTES + _TAG_BYTES:
            raise EnvelopeError(f"{len(value)} bytes are too few for an encrypted value")
        nonce, sealed = value[:_NONCE_BYTES], value[_NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, sealed, _authenticated(key_id, associated))
        except InvalidTag:
            raise EnvelopeError(
                f"encrypted with the key {key_id!r}, and altered since, or that key is another one here"
            ) from None


class _Line(NamedTuple):
    """One key as it stands in the file."""

    path: str
    number: int
    key_id: str
    text: str

    def key(self) -> bytes:
        try:
            key = base64.b64decode(self.text, validate=True)
        except (binascii.Error, ValueError):
            raise self.wrong(f"what follows the id is not base64; {_MAKE}") from None
        if len(key) != _KEY_BYTES:
            raise self.wrong(f"the key is {len(key)} bytes long and must be {_KEY_BYTES}; {_MAKE}")
        return key

    def wrong(self, sentence: str) -> SettingsError:
        return _wrong(f"{self.path}, line {self.number}", sentence)


def _lines(path: str) -> Iterator[_Line]:
    for number, text in enumerate(_read(path).splitlines(), 1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        key_id, colon, key = text.partition(":")
        line = _Line(path, number, key_id.strip(), key.strip())
        if not colon:
            raise line.wrong("it is not written as `id: base64 of 32 bytes`")
        if not _ID.fullmatch(line.key_id):  # and not shown: it may be the key, at the wrong side of the colon
            raise line.wrong("the id must be 1 to 64 characters of A-Z a-z 0-9 . _ -")
        yield line


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _wrong(path, f"it can't be read: {reason or error}") from None
    if len(content) > _LARGEST_FILE:
        raise _wrong(path, "it is larger than 1 MiB, so it is no file of keys")
    if os.name == "posix" and mode & stat.S_IROTH:
        _log.warning("%s: everybody on this machine can read %s: chmod o-r it", _VARIABLE, path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(path, "it is not text in UTF-8, so it is no file of keys") from None


def _wrong(where: str, sentence: str) -> SettingsError:
    return SettingsError(f"{_VARIABLE}: {where}: {sentence}")


def _authenticated(key_id: str, associated: bytes) -> bytes:
    # An id holds no zero byte, so that no two pairs are the same bytes.
    return key_id.encode() + b"\0" + associated


def _aesgcm() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise MissingExtraError(_VARIABLE, "encryption") from None
    return AESGCM
