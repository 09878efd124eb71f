"""A masking key is random, and nobody sees it."""

import base64
import hmac
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.signing import KeyedDigest, MaskingKey

SECRET = bytes(i * 37 % 256 for i in range(32))


@given(st.binary(max_size=64), st.binary())
def test_a_keyed_digest_is_hmac_sha256(key: bytes, message: bytes) -> None:
    """As the standard library's, message after message."""
    digest = KeyedDigest(key)
    assert digest(message) == digest(message) == hmac.digest(key, message, "sha256")


@pytest.mark.parametrize(
    "text",
    [
        SECRET.hex(),
        SECRET.hex().upper(),
        base64.b64encode(SECRET).decode(),
        base64.urlsafe_b64encode(SECRET).decode().rstrip("="),
        f"  {SECRET.hex()}\n",
    ],
)
def test_hexadecimal_and_base64_are_one_key(text: str) -> None:
    """However a key is written, it is the same key."""
    assert MaskingKey.parse(text) == MaskingKey(SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "correct horse battery staple, and more of it",
        SECRET[:31].hex(),
        "00" * 32,
        "0123456789abcdef" * 4,
        "ab" * 64,
        (SECRET[:16] * 2).hex(),
        base64.b64encode(b"a" * 48).decode(),
        "é" * 64,
    ],
)
def test_a_weak_key_is_refused_unseen(text: str) -> None:
    """Short, repeated and plain keys raise, and the message does not show them."""
    with pytest.raises(ValueError, match="openssl rand -hex 32") as caught:
        MaskingKey.parse(text)
    assert not text or text not in str(caught.value)


def different(count: int, length: int) -> bytes:
    """So many different bytes, and the last of them until the length is reached."""
    return bytes(min(n, count - 1) * 7 % 256 for n in range(length))


@pytest.mark.parametrize("secret", [different(20, 32), different(32, 32), different(20, 64)])
def test_the_least_that_is_taken(secret: bytes) -> None:
    """32 bytes, of which 20 are different."""
    assert MaskingKey.parse(secret.hex()).secret == secret


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        (different(31, 31), "holds 31 bytes and needs 32"),
        (different(19, 32), "not random enough"),
        (different(19, 64), "not random enough"),
        (different(20, 20) * 2, "not random enough"),
        (different(30, 30) + different(30, 29), "not random enough"),
        (different(30, 30) * 2, "not random enough"),
    ],
)
def test_less_is_refused(secret: bytes, says: str) -> None:
    """And what says the same twice, even if its last byte is missing."""
    with pytest.raises(ValueError, match=says):
        MaskingKey.parse(secret.hex())


@pytest.mark.parametrize("length", [32, 33, 34, 35])
def test_base64_of_any_length(length: int) -> None:
    """With its padding, without, and for URLs; another character is refused."""
    secret = Random(5).randbytes(length)
    text = base64.b64encode(secret).decode()
    for written in (text, text.rstrip("="), base64.urlsafe_b64encode(secret).decode()):
        assert MaskingKey.parse(written) == MaskingKey(secret)
    for written in (f"{text[:20]}!{text[20:]}", f"{text[:20]} {text[20:]}"):
        with pytest.raises(ValueError, match="neither hexadecimal nor base64"):
            MaskingKey.parse(written)


@given(st.integers(0, 2**64))
def test_a_random_key_is_taken(seed: int) -> None:
    """What a generator of random bytes gives is never called weak."""
    secret = Random(seed).randbytes(32)
    assert MaskingKey.parse(secret.hex()).secret == secret


def test_the_key_does_not_print() -> None:
    """Neither the key nor settings that hold it show it."""
    key = MaskingKey.parse(SECRET.hex())
    settings = Settings.parse({"MEDIATOOL_MASKING_KEY": SECRET.hex()})
    for shown in (repr(key), str(key), repr(settings), str(replace(settings, workers=1))):
        assert SECRET.hex() not in shown
        assert repr(SECRET) not in shown


def test_a_weak_key_is_a_wrong_setting() -> None:
    """It is reported with all other problems, by its variable's name."""
    with pytest.raises(BadSettings, match=r"MEDIATOOL_MASKING_KEY holds 2 bytes and needs 32"):
        Settings.parse({"MEDIATOOL_MASKING_KEY": "abcd"})


def test_kinds_have_keys_of_their_own() -> None:
    """Different purposes, and different keys, derive different bytes; the id tells keys apart."""
    one, other = MaskingKey(SECRET), MaskingKey(SECRET[::-1])
    assert len({one.derive("a"), one.derive("b"), other.derive("a"), other.derive("b")}) == 4
    assert one.id != other.id
    assert len(one.id) == 16


def test_a_key_stays_what_it_was() -> None:
    """The same key gives the same pseudonyms for years, and reports name it by the same id."""
    key = MaskingKey(SECRET)
    assert key.id == "c54bb8c6a1f21557"
    assert key.derive("a") == hmac.digest(SECRET, b"mediatool masking 1\0a", "sha256")
