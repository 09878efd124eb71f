"""Who made a version: its metadata compared with the signature in it, and with the trusted keys."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from mediatool_assets.domain.chain import (
    ChainStatement,
    content_digest,
    decode_statement,
    of_version,
)
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.signing import Signed, SigningKey, TrustedKey
from mediatool_assets.domain.version import Version

Status = Literal["signed and trusted", "signed", "unsigned", "unfinished", "unknown key", "forged"]
"""``signed``: has a signature, which was not checked because no trusted keys are set.
``unfinished``: has no metadata yet, and therefore no signature.
"""


@dataclass(frozen=True, slots=True)
class SignaturePolicy:
    """The keys whose versions are read.

    Without keys, every version is read. With keys, the versions that they have signed; with
    ``allow_unsigned`` also versions without a signature; with ``is_maker``, which is for the
    process that makes versions, also unfinished ones.
    """

    keys: tuple[TrustedKey, ...] = ()
    allow_unsigned: bool = False
    is_maker: bool = False

    def key(self, identity: str) -> TrustedKey | None:
        """The trusted key with that id; None if there is none."""
        return next((each for each in self.keys if each.key.id == identity), None)

    def refuses(self, found: "Authenticity") -> bool:
        """Whether a version with this result is refused."""
        match found.status:
            case "signed and trusted":
                return False
            case "unsigned":
                return bool(self.keys) and not self.allow_unsigned
            case "unfinished":
                return bool(self.keys) and not (self.allow_unsigned or self.is_maker)
        return bool(self.keys)


ACCEPT_ALL = SignaturePolicy()
"""No keys: every version in the bucket is read."""


@dataclass(frozen=True, slots=True)
class Authenticity:
    """Who made a version, as far as known, and why; ``statement`` is the signed content."""

    status: Status
    reason: str
    statement: ChainStatement | None = None

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}" if self.reason else self.status


def authenticity(data: bytes, version: Version, policy: SignaturePolicy) -> Authenticity:
    """Check the metadata file of a version; raises msgspec.MsgspecError if it is not metadata."""
    metadata = Metadata.from_json(data)
    proof = metadata.proof
    if proof is None:
        return Authenticity("unsigned", f"the metadata of {version} has no signature")
    if not policy.keys:
        return Authenticity("signed", f"by key {proof.key}; MEDIATOOL_TRUSTED_KEYS is not set")
    if (problem := signature_problem(proof, policy)) is not None:
        return problem
    try:
        statement = decode_statement(proof)
    except msgspec.MsgspecError as error:
        reason = f"key {proof.key} signed something else than a statement of a version ({error})"
        return Authenticity("forged", reason)
    expected = of_version(metadata, content_digest(data), statement.number, statement.previous)
    differences = expected.differences(statement)
    if metadata.timestamp != str(version):
        differences = [f"it belongs to version {metadata.timestamp}", *differences]
    if differences:
        reason = f"the metadata of {version} differs from what was signed: {', '.join(differences)}"
        return Authenticity("forged", reason)
    return _of_its_days(proof, version, policy, statement)


class CopyStatement(msgspec.Struct, frozen=True):
    """The signed content of a sanitized copy's signature: its version, and the archive's digest."""

    entry: Literal["sanitized"]
    version: str
    digest: str


def sign_copy(key: SigningKey, version: Version, digest: str) -> Signed:
    """The signature that is stored beside a sanitized copy."""
    statement = CopyStatement("sanitized", str(version), digest)
    return key.sign(msgspec.json.encode(statement).decode())


def copy_authenticity(
    signed: Signed, version: Version, digest: str, policy: SignaturePolicy
) -> Authenticity:
    """Check the signature of a sanitized copy against the version and the digest of the copy."""
    if (problem := signature_problem(signed, policy)) is not None:
        return problem
    expected = CopyStatement("sanitized", str(version), digest)
    if signed.statement.encode() != msgspec.json.encode(expected):
        return Authenticity("forged", f"the copy differs from what key {signed.key} signed")
    return _of_its_days(signed, version, policy)


def _of_its_days(
    signed: Signed,
    version: Version,
    policy: SignaturePolicy,
    statement: ChainStatement | None = None,
) -> Authenticity:
    """The result for a valid signature: whether its key may sign versions of that day."""
    if (trusted := policy.key(signed.key)) and trusted.covers(version.day):
        return Authenticity("signed and trusted", f"by key {signed.key}", statement)
    return Authenticity("unknown key", f"key {signed.key} may not sign versions of {version.day}")


def signature_problem(signed: Signed, policy: SignaturePolicy) -> Authenticity | None:
    """The problem of a signature: its key is not trusted, or it does not fit the statement."""
    trusted = policy.key(signed.key)
    if trusted is None:
        return Authenticity("unknown key", f"key {signed.key} is not one of the trusted keys")
    if not trusted.key.has_signed(signed):
        return Authenticity("forged", f"the signature was not made with key {signed.key}")
    return None
