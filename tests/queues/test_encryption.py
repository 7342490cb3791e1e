"""Encryption of what goes to a broker: what is opened, what is refused, and what is no file of keys."""

from __future__ import annotations

import base64
import logging
import os
import sys

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from shadow_mw.encryption import Keyring
from shadow_mw.exceptions import EnvelopeError, MissingExtraError, SettingsError

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
RING = Keyring({"2026-11": NEW, "2026-05": OLD})


def in_base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes, mode: int = 0o600) -> str:
        path = tmp_path / "keys"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return str(path)

    return write


@given(st.binary(max_size=2000), st.binary(max_size=100))
def test_what_is_encrypted_is_decrypted_and_nothing_of_it_shows(value, associated):
    key_id, sealed = RING.encrypt(value, associated=associated)
    assert key_id == "2026-11"
    assert len(sealed) == 12 + len(value) + 16
    assert len(value) < 4 or value not in sealed
    assert RING.decrypt(key_id, sealed, associated=associated) == value


def test_the_same_value_is_never_encrypted_to_the_same_bytes():
    sealed = [RING.encrypt(b"features", associated=b"1")[1] for _ in range(100)]
    assert len({one[:12] for one in sealed}) == 100
    assert len({one[12:] for one in sealed}) == 100


def test_every_flipped_byte_is_refused():
    key_id, sealed = RING.encrypt(b"a prediction", associated=b"id")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(EnvelopeError, match="altered"):
            RING.decrypt(key_id, bytes(altered), associated=b"id")


@given(st.binary(max_size=60))
def test_short_and_foreign_bytes_are_refused(value):
    with pytest.raises(EnvelopeError, match="too few" if len(value) < 28 else "altered"):
        RING.decrypt("2026-11", value, associated=b"")


def test_what_is_cut_short_or_longer_is_refused():
    key_id, sealed = RING.encrypt(b"a prediction", associated=b"")
    for wrong in (sealed[:-1], sealed[1:], sealed + b"\0"):
        with pytest.raises(EnvelopeError):
            RING.decrypt(key_id, wrong, associated=b"")


def test_other_associated_data_is_refused():
    key_id, sealed = RING.encrypt(b"a prediction", associated=b"exchange 1")
    for other in (b"exchange 2", b"", b"exchange 1\0"):
        with pytest.raises(EnvelopeError, match="altered"):
            RING.decrypt(key_id, sealed, associated=other)


def test_the_id_of_the_key_is_authenticated():
    ring = Keyring({"a": NEW, "b": NEW})
    key_id, sealed = ring.encrypt(b"a prediction", associated=b"id")
    assert key_id == "a"
    with pytest.raises(EnvelopeError, match="altered"):
        ring.decrypt("b", sealed, associated=b"id")


def test_an_unknown_key_is_named_and_cannot_steer_the_log():
    with pytest.raises(EnvelopeError) as error:
        RING.decrypt("gone\n" + "x" * 100, bytes(40), associated=b"")
    assert str(error.value) == (
        "encrypted with the key 'gone\\n" + "x" * 59 + "', which is not in SHADOW_ENCRYPTION_KEYS"
    )


def test_rotation():
    before, both, after = Keyring({"1": OLD}), Keyring({"2": NEW, "1": OLD}), Keyring({"2": NEW})
    old = before.encrypt(b"old", associated=b"")
    new = both.encrypt(b"new", associated=b"")
    assert (old[0], new[0]) == ("1", "2")
    assert both.decrypt(*old, associated=b"") == b"old"
    assert after.decrypt(*new, associated=b"") == b"new"
    with pytest.raises(EnvelopeError, match="'1', which is not in"):
        after.decrypt(*old, associated=b"")


def test_a_key_of_the_same_id_and_other_bytes_is_refused():
    with pytest.raises(EnvelopeError, match="that key is another one here"):
        Keyring({"1": OLD}).decrypt(*Keyring({"1": NEW}).encrypt(b"x", associated=b""), associated=b"")


def test_the_cipher_is_aes_256_gcm_by_its_published_vector():
    """Test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    associated = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    cipher = Keyring({"1": key})._ciphers["1"]
    assert cipher.encrypt(nonce, plain, associated) == sealed
    assert cipher.decrypt(nonce, sealed, associated) == plain


def test_the_bytes_are_laid_out_as_documented():
    """Read by another interface of the cipher, as a program of another language would."""
    key_id, sealed = RING.encrypt(b"a prediction", associated=b"exchange 1")
    nonce, ciphertext, tag = sealed[:12], sealed[12:-16], sealed[-16:]
    opened = Cipher(algorithms.AES256(NEW), modes.GCM(nonce, tag)).decryptor()
    opened.authenticate_additional_data(key_id.encode() + b"\0" + b"exchange 1")
    assert opened.update(ciphertext) + opened.finalize() == b"a prediction"


def test_a_file_of_keys(file, caplog):
    path = file(
        f"\ufeff# rotated in May\n\n  new: {in_base64(NEW)}  \r\n  # the last one\nold:{in_base64(OLD)}"
    )
    ring = Keyring.from_file(path)
    assert repr(ring) == "Keyring(new, old)"
    assert ring.encrypt(b"x", associated=b"")[0] == "new"
    sealed = Keyring({"old": OLD}).encrypt(b"x", associated=b"")
    assert ring.decrypt(*sealed, associated=b"") == b"x"
    assert caplog.text == ""


KEY = in_base64(NEW)
WRONG = [
    ("", "it holds no key; write a line `id: base64 of 32 bytes`"),
    ("# nothing\n\n", "it holds no key"),
    (f"a: {in_base64(NEW[:16])}", "line 1: the key is 16 bytes long and must be 32"),
    (f"a: {in_base64(NEW + OLD)}", "line 1: the key is 64 bytes long"),
    ("\na:", "line 2: the key is 0 bytes long"),
    (f"a: {KEY[:-1]}", "line 1: what follows the id is not base64"),
    (f"a: {KEY} # mine", "line 1: what follows the id is not base64"),
    (f"a: {KEY[:-4]}ähm=", "line 1: what follows the id is not base64"),
    (f"a: {KEY}\n\n# b\na: {KEY}", "line 4: its id stands in line 1 already"),
    (KEY, "line 1: it is not written as `id: base64 of 32 bytes`"),
    (f": {KEY}", "line 1: the id must be 1 to 64 characters of A-Z a-z 0-9 . _ -"),
    (f"a b: {KEY}", "line 1: the id must be"),
    (f"{KEY}: a", "line 1: the id must be"),
    (f"{'x' * 65}: {KEY}", "line 1: the id must be"),
    (b"\xff\xfe\x00", "it is not text in UTF-8"),
    (bytes(2**20 + 1), "it is larger than 1 MiB"),
]


@pytest.mark.parametrize(("content", "sentence"), WRONG)
def test_a_wrong_file_is_told_by_variable_file_line_and_mend_and_nothing_of_a_key(file, content, sentence):
    path = file(content)
    with pytest.raises(SettingsError) as error:
        Keyring.from_file(path)
    assert str(error.value).startswith(f"SHADOW_ENCRYPTION_KEYS: {path}")
    assert sentence in str(error.value)
    assert KEY[:10] not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/nowhere/keys", "No such file or directory"), ("/", "Is a directory"), ("a\0b", "null")],
)
def test_a_file_that_cannot_be_read_is_a_sentence(path, reason):
    with pytest.raises(SettingsError, match="SHADOW_ENCRYPTION_KEYS") as error:
        Keyring.from_file(path)
    assert f"it can't be read: {reason}" in str(error.value) or reason == "null"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a file has no such mode")
@pytest.mark.parametrize(("mode", "is_warned"), [(0o600, False), (0o440, False), (0o644, True)])
def test_a_file_that_everybody_can_read_is_warned_of(file, caplog, mode, is_warned):
    path = file(f"a: {KEY}", mode)
    with caplog.at_level(logging.WARNING, "shadow_mw"):
        Keyring.from_file(path)
    told = f"SHADOW_ENCRYPTION_KEYS: everybody on this machine can read {path}: chmod o-r it"
    assert caplog.messages == [told] * is_warned


def test_no_key_shows_in_what_one_meets_in_a_debugger():
    told = repr(RING) + str(RING) + repr(vars(RING))
    assert repr(RING) == "Keyring(2026-11, 2026-05)"
    for key in (OLD, NEW):
        assert in_base64(key) not in told
        assert repr(key)[2:-1] not in told
        assert key.hex() not in told


def test_without_the_extra_the_command_is_named(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(MissingExtraError) as error:
        Keyring.from_file(file(f"a: {KEY}"))
    assert "SHADOW_ENCRYPTION_KEYS" in str(error.value)
    assert "pip install 'shadow-mw[encryption]'" in str(error.value)
