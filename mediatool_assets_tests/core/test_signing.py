"""Keys, signatures and whom they let through."""

import base64
from datetime import date

import msgspec
import pytest

from mediatool_assets.core.authenticity import (
    Authenticity,
    SignaturePolicy,
    Status,
    authenticity,
    content_digest,
    copy_authenticity,
    encode_statement,
    of_version,
    sign_copy,
)
from mediatool_assets.core.signing import (
    PublicKey,
    SigningKey,
    TrustedKey,
    is_public,
    is_secret,
    trusted_keys,
)
from mediatool_assets.core.version import Version
from mediatool_assets_tests.metadata_examples import example

KEY, OTHER = SigningKey(bytes(range(32))), SigningKey(bytes(32))
VERSION = Version.parse("20250621-143000")
DAY = VERSION.day
TRUST = SignaturePolicy((TrustedKey(OTHER.public), TrustedKey(KEY.public)))


def test_keys_are_text() -> None:
    """Both halves are read as they were written; the secret one shows in no other way."""
    assert PublicKey.parse(f" {KEY.public}\n") == KEY.public
    assert SigningKey.parse(f" {KEY.reveal()}\n") == KEY
    assert (is_public(str(KEY.public)), is_secret(str(KEY.public))) == (True, False)
    assert (is_public(KEY.reveal()), is_secret(KEY.reveal())) == (False, True)
    for secret in (KEY.reveal().split(":")[1], repr(KEY.secret)):
        assert secret not in f"{KEY!r} {KEY}"
    assert KEY.public.id == "56475aa75463474c"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_has_32_bytes(size: int) -> None:
    """And its prefix; anything else is named as no key, without its text."""
    text = base64.b64encode(bytes(size)).decode()
    for parse in (PublicKey.parse, SigningKey.parse):
        for wrong in (f"ed25519:{text}", f"ed25519-secret:{text}", KEY.reveal()[15:], "ed25519:?"):
            with pytest.raises(ValueError, match="is not a key as `mediatool keys new`") as caught:
                parse(wrong)
            assert (text or "?") not in str(caught.value)


def test_a_key_has_no_other_characters() -> None:
    """Those of base64 alone: one key has one text."""
    for parse, text in ((PublicKey.parse, str(KEY.public)), (SigningKey.parse, KEY.reveal())):
        with pytest.raises(ValueError, match="is not a key"):
            parse(f"{text[:-4]} {text[-4:]}")


def test_a_signature_is_of_its_text_and_key() -> None:
    """A changed text, key or signature is found, and so is one that is no signature."""
    signed = KEY.sign("text")
    assert (signed.statement, signed.key) == ("text", KEY.public.id)
    assert KEY.public.has_signed(signed)
    assert not OTHER.public.has_signed(signed)
    for other in (
        {"statement": "texts"},
        {"signature": OTHER.sign("text").signature},
        {"signature": "?"},
        {"signature": f"{signed.signature}\n"},
        {"signature": ""},
    ):
        assert not KEY.public.has_signed(msgspec.structs.replace(signed, **other))


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        ("", None, None),
        ("@2025-06-01..", date(2025, 6, 1), None),
        ("@..2025-06-30", None, date(2025, 6, 30)),
        ("@2025-06-01..2025-06-30", date(2025, 6, 1), date(2025, 6, 30)),
    ],
)
def test_the_days_of_a_key(days: str, first: date | None, last: date | None) -> None:
    """Both ends included; no end where none is given."""
    trusted = TrustedKey.parse(f" {KEY.public}{days} ")
    assert trusted == TrustedKey(KEY.public, first, last)
    assert str(trusted) == f"{KEY.public}{days}"
    may = [trusted.covers(date(2025, *day)) for day in ((5, 31), (6, 1), (6, 30), (7, 1))]
    assert may == [first is None, True, True, last is None]


def test_several_keys() -> None:
    """Separated by commas or lines, with comments."""
    text = f"# ours\n{KEY.public}, {OTHER.public}@..2025-06-30 # old\n\n"
    assert trusted_keys(text) == (
        TrustedKey(KEY.public),
        TrustedKey(OTHER.public, None, date(2025, 6, 30)),
    )
    for wrong, says in (
        ("# none", "contains no key"),
        (f"{KEY.public}@2025-06-01", "needs FIRST..LAST after @"),
        (f"{KEY.public}@2025-06-31..", "day is out of range"),
    ):
        with pytest.raises(ValueError, match=says):
            trusted_keys(wrong)


@pytest.mark.parametrize(
    ("status", "without_keys", "with_keys", "unsigned_allowed", "by_maker"),
    [
        ("signed and trusted", False, False, False, False),
        ("signed", False, True, True, True),
        ("unsigned", False, True, False, True),
        ("unfinished", False, True, False, False),
        ("unknown key", False, True, True, True),
        ("forged", False, True, True, True),
    ],
)
def test_who_is_refused(
    status: Status, without_keys: bool, with_keys: bool, unsigned_allowed: bool, by_maker: bool
) -> None:
    """Nobody without keys; with keys, who has not signed, unless that is allowed."""
    found = Authenticity(status, "why")
    assert str(found) == f"{status}: why"
    assert str(Authenticity(status, "")) == status
    keys = TRUST.keys
    assert [
        trust.refuses(found)
        for trust in (
            SignaturePolicy(),
            SignaturePolicy(keys),
            SignaturePolicy(keys, allow_unsigned=True),
            SignaturePolicy(keys, is_maker=True),
        )
    ] == [without_keys, with_keys, unsigned_allowed, by_maker]


def test_a_version_and_its_signature() -> None:
    """Who signed it is told from the trusted keys; what differs from the statement is forged."""
    plain = example(str(VERSION))
    statement = of_version(plain, content_digest(plain.to_json()), 3, "before")
    made = plain.databases_created
    assert statement.databases == (made.postgres, made.mongodb)
    signed = msgspec.structs.replace(plain, proof=KEY.sign(encode_statement(statement)))
    data = signed.to_json()
    assert authenticity(plain.to_json(), VERSION, TRUST).status == "unsigned"
    assert authenticity(data, VERSION, SignaturePolicy()).status == "signed"
    found = authenticity(data, VERSION, TRUST)
    assert (found.status, found.statement) == ("signed and trusted", statement)
    assert authenticity(data, VERSION, SignaturePolicy(TRUST.keys[:1])).status == "unknown key"
    for days, status in (
        ((DAY, DAY), "signed and trusted"),
        ((None, date(2025, 6, 20)), "unknown key"),
    ):
        trust = SignaturePolicy((TrustedKey(KEY.public, *days),))
        assert authenticity(data, VERSION, trust).status == status
    changed = msgspec.structs.replace(signed, notes="other").to_json()
    assert str(authenticity(changed, VERSION, TRUST)).endswith("was signed: metadata")
    other = authenticity(data, Version.parse("20250622-143000"), TRUST)
    assert other.status == "forged"
    assert other.reason.endswith("was signed: it belongs to version 20250621-143000")
    for proof in (KEY.sign("{}"), msgspec.structs.replace(KEY.sign("{}"), statement="[]")):
        wrong = msgspec.structs.replace(plain, proof=proof).to_json()
        assert authenticity(wrong, VERSION, TRUST).status == "forged"


def test_a_sanitized_copy_and_its_signature() -> None:
    """It is of one version and one archive."""
    signed = sign_copy(KEY, VERSION, "d")
    assert copy_authenticity(signed, VERSION, "d", TRUST).status == "signed and trusted"
    assert copy_authenticity(signed, VERSION, "e", TRUST).status == "forged"
    later = Version.parse("20250622-143000")
    assert copy_authenticity(signed, later, "d", TRUST).status == "forged"
    assert (
        copy_authenticity(signed, VERSION, "d", SignaturePolicy(TRUST.keys[:1])).status
        == "unknown key"
    )
    expired = SignaturePolicy((TrustedKey(KEY.public, None, date(2025, 6, 20)),))
    assert copy_authenticity(signed, VERSION, "d", expired).status == "unknown key"
    copied = msgspec.structs.replace(signed, signature=KEY.sign("x").signature)
    assert copy_authenticity(copied, VERSION, "d", TRUST).status == "forged"
