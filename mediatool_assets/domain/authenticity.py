"""Who made a version: its metadata compared with the signature in it, and with the trusted keys."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from mediatool_assets.domain import metadata as metadata_file
from mediatool_assets.domain.chain import (
    ChainStatement,
    content_digest,
    decode_statement,
    of_version,
)
from mediatool_assets.domain.signing import Signed, TrustedKey
from mediatool_assets.domain.version import Version

Status = Literal["signed and trusted", "signed", "unsigned", "unknown key", "forged"]
"""``signed``: nobody said which keys to trust, so that nothing was checked."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose versions are read.

    Without keys every one. With keys those that they have signed, and with ``allow_unsigned`` also
    those that nobody has.
    """

    keys: tuple[TrustedKey, ...] = ()
    allow_unsigned: bool = False

    def key(self, identity: str) -> TrustedKey | None:
        """The trusted key of that id."""
        return next((each for each in self.keys if each.key.id == identity), None)

    def refuses(self, found: "Authenticity") -> bool:
        """Whether such a version is not read."""
        if not self.keys or found.status == "signed and trusted":
            return False
        return not (found.status == "unsigned" and self.allow_unsigned)


EVERYBODY = Trust()
"""No keys: whatever is in the bucket is read."""


@dataclass(frozen=True, slots=True)
class Authenticity:
    """What is known of who made a version, and why; ``statement`` is what was signed and agrees."""

    status: Status
    reason: str
    statement: ChainStatement | None = None

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}" if self.reason else self.status


def authenticity(  # noqa: PLR0911  # a verdict each
    data: bytes, version: Version, trust: Trust
) -> Authenticity:
    """Judge the metadata file of a version; raises msgspec.MsgspecError where it is none."""
    metadata = metadata_file.decode(data)
    proof = metadata.proof
    if proof is None:
        return Authenticity("unsigned", f"the metadata of {version} has no signature")
    if not trust.keys:
        return Authenticity("signed", f"by key {proof.key}; MEDIATOOL_TRUSTED_KEYS is not set")
    if (problem := signature_problem(proof, trust)) is not None:
        return problem
    try:
        statement = decode_statement(proof)
    except msgspec.MsgspecError as error:
        return Authenticity("forged", f"what key {proof.key} has signed is no statement ({error})")
    expected = of_version(metadata, content_digest(data), statement.number, statement.previous)
    differences = expected.differences(statement)
    if metadata.timestamp != str(version):
        differences = [f"it is that of {metadata.timestamp}", *differences]
    if differences:
        reason = f"the metadata of {version} is not what was signed: {', '.join(differences)}"
        return Authenticity("forged", reason)
    if (trusted := trust.key(proof.key)) and trusted.covers(version.day):
        return Authenticity("signed and trusted", f"by key {proof.key}", statement)
    return Authenticity("unknown key", f"key {proof.key} may not sign versions of {version.day}")


def signature_problem(signed: Signed, trust: Trust) -> Authenticity | None:
    """What is wrong with a signature: its key is not trusted, or it is not of the statement."""
    trusted = trust.key(signed.key)
    if trusted is None:
        return Authenticity("unknown key", f"key {signed.key} is none of the trusted ones")
    if not trusted.key.has_signed(signed):
        return Authenticity("forged", f"the signature is not that of key {signed.key}")
    return None
