"""Who made a version, whether the chain of versions is whole, and what verifications found.

Who made a version: its metadata compared with the signature in it, and with the trusted keys.

The chain of versions: signed entries, each with the digest of the one before it.

An entry states that a version was made, and with which digests, or that it was deleted, and why. A
version that is replaced, removed or inserted later is therefore found. Whoever controls the bucket
can cut off the end of the chain unnoticed, unless a checkpoint is kept elsewhere.

The verdict on a version: the result of one verification.

Daily samples: a different part each day, so that everything is read after some days.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal, TypeVar

import msgspec

from mediatool_assets.core import texts
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.metadata import Metadata, in_utc
from mediatool_assets.core.outcomes import Outcome, worst
from mediatool_assets.core.signing import Signed, SigningKey, TrustedKey
from mediatool_assets.core.texts import JsonDocument
from mediatool_assets.core.version import CHAIN_PREFIX, VERDICTS_PREFIX, Version


class ChainStatement(msgspec.Struct, frozen=True, omit_defaults=True):
    """The signed content of an entry of the chain.

    ``number`` counts from 1, ``previous`` is the digest of the entry before it. ``archives`` has
    the digests of the three archives, ``metadata`` the digest of the metadata's content.
    """

    entry: Literal["version", "deletion"]
    number: int
    previous: str
    version: str
    archives: dict[str, str | None] = {}
    rows: int = 0
    documents: int = 0
    schema: str = ""
    databases: tuple[str, ...] = ()
    metadata: str = ""
    reason: str = ""

    def differences(self, other: "ChainStatement") -> list[str]:
        """The names of the fields in which the two differ."""
        return [
            name for name in self.__struct_fields__ if getattr(self, name) != getattr(other, name)
        ]


def of_version(metadata: Metadata, content: str, number: int, previous: str) -> ChainStatement:
    """The entry of a version; ``content`` is ``content_digest`` of its metadata file."""
    exports, made = metadata.exports, metadata.databases_created
    return ChainStatement(
        "version",
        number,
        previous,
        metadata.timestamp,
        archives={str(kind): export.digest for kind, export in exports.by_archive.items()},
        rows=exports.raw.record_count,
        documents=sum(exports.transformed.documents.values()),
        schema=exports.raw.schema_fingerprint,
        databases=tuple(name for name in (made.postgres, made.mongodb) if name is not None),
        metadata=content,
    )


def content_digest(data: bytes) -> str:
    """The SHA-256 of a metadata file without its proof: of its JSON, compact, with sorted names.

    Raises msgspec.MsgspecError.
    """
    found = texts.decoded(data, dict[str, object])
    found.pop("proof", None)
    return hashlib.sha256(msgspec.json.encode(found, order="sorted")).hexdigest()


def encode_statement(statement: ChainStatement) -> str:
    """The text that is signed."""
    return msgspec.json.encode(statement).decode()


def decode_statement(signed: Signed) -> ChainStatement:
    """What was signed; raises msgspec.MsgspecError."""
    return texts.decoded(signed.statement.encode(), ChainStatement)


def entry_key(number: int) -> str:
    """Where an entry is stored."""
    return f"{CHAIN_PREFIX}{number:08}.json"


def number_of(key: str) -> int | None:
    """The number of the entry with this key; None for any other object."""
    digits = key.removeprefix(CHAIN_PREFIX).removesuffix(".json")
    return int(digits) if digits.isdecimal() and entry_key(int(digits)) == key else None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The number and the digest of an entry, to be kept outside of the bucket."""

    number: int
    digest: str

    @classmethod
    def of(cls, number: int, data: bytes) -> "Checkpoint":
        """The checkpoint of an entry, from its bytes."""
        return cls(number, hashlib.sha256(data).hexdigest())

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read what ``str`` wrote; raises Misuse."""
        number, _, digest = text.strip().partition(":")
        if not number.isdecimal() or len(digest) != 64:
            raise Misuse(f"{text[:80]!r} is no checkpoint; `mediatool keys checkpoint` prints one")
        return cls(int(number), digest)

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


BEGINNING = Checkpoint(0, "")
"""The position before the first entry: number 0, and an empty digest."""


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


Item = TypeVar("Item")


class DailySample:
    """The part that is read on one day of ``days``; everything if ``percent`` is None."""

    def __init__(self, percent: float | None, today: date) -> None:
        if percent is not None and not 0 < percent <= 100:
            raise Misuse(f"--sample must be above 0 and at most 100, not {percent:g}")
        self.percent = percent
        self.days = 1 if percent is None else math.ceil(100 / percent)
        self.offset = today.toordinal() % self.days

    @property
    def is_whole(self) -> bool:
        """Whether every day reads everything."""
        return self.days == 1

    def includes(self, number: int) -> bool:
        """Whether today's sample has an item with a permanent number instead of a position."""
        return number % self.days == self.offset

    def choose(self, things: Iterable[Item]) -> list[Item]:
        """Today's sample: every ``days``-th thing, starting one later each day."""
        return [thing for index, thing in enumerate(things) if self.includes(index)]


FAILED, NOT_CHECKED = "-failed.json", "-not-checked.json"
"""The ends of the keys of such verdicts, so that a list need not read the others."""

CheckedPart = Literal["raw", "transformed", "dump", "mongodb", "postgres", "authenticity", "chain"]


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result for one archive or database.

    ``checked`` of ``total`` files, blocks, collections or tables were read, ``bytes`` uncompressed.
    ``findings`` say what is wrong, or why the outcome is unknown; each names the thing.
    """

    part: CheckedPart
    thing: str
    outcome: Outcome
    checked: int = 0
    total: int = 0
    bytes: int = 0
    findings: tuple[str, ...] = ()


class Verdict(
    msgspec.Struct,
    JsonDocument,
    frozen=True,
    omit_defaults=True,
    rename={"outcome": "verdict"},  # in the stored JSON
):
    """One verification of one version; ``sample`` is the percentage, None if all was read.

    ``authenticity`` says who made the version, if known.
    """

    INDENT: ClassVar = 0

    version: str
    at: str
    seconds: float
    outcome: Outcome
    checks: tuple[Check, ...]
    sample: float | None = None
    authenticity: str = ""

    def checked(self) -> "Verdict":
        """The verdict, whose sample and time must be possible, with its time in today's format."""
        try:
            DailySample(self.sample, datetime.fromisoformat(self.at).date())
        except (ValueError, OverflowError, Misuse) as error:
            raise msgspec.ValidationError(str(error)) from error
        return msgspec.structs.replace(self, at=in_utc(self.at))


def judged(checks: Iterable[Check]) -> Outcome:
    """The verdict of all checks; ``not checked`` if the sample had no part of the version."""
    outcomes = {check.outcome for check in checks}
    return "not checked" if outcomes - {"absent"} == {"not checked"} else worst(outcomes)


def standing(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The current verdict of a version, from all its verdicts in order of time.

    The newest ``failed`` one, until everything was read again and passed: in one run, or by samples
    of one percentage. Otherwise the newest one that read anything.
    """
    failed = max((n for n, each in enumerate(verdicts) if each.outcome == "failed"), default=None)
    if failed is not None and not _all_read(verdicts[failed:]):
        return verdicts[failed]
    read = [each for each in verdicts if each.outcome != "not checked"] or verdicts
    return read[-1] if read else None


def _all_read(verdicts: Iterable[Verdict]) -> bool:
    """Whether the verdicts that found no problem read the whole version together."""
    read: dict[int, set[int]] = {}
    for each in verdicts:
        if each.outcome in ("passed", "not checked"):
            sample = DailySample(each.sample, datetime.fromisoformat(each.at).date())
            read.setdefault(sample.days, set()).add(sample.offset)
    return any(len(offsets) == days for days, offsets in read.items())


def verdict_key(version: Version, verdict: Verdict) -> str:
    """The key of a verdict: by the version's day, then in order of time."""
    at = datetime.fromisoformat(verdict.at)
    end = {"failed": FAILED, "not checked": NOT_CHECKED}.get(verdict.outcome, ".json")
    return f"{verdicts_prefix(version)}{at:%Y%m%dT%H%M%S.%f}{end}"


def verdicts_prefix(version: Version) -> str:
    """The prefix of all verdicts on a version."""
    return f"{VERDICTS_PREFIX}{version.partition}/{version}-"


def unreadable(key: str) -> Verdict:
    """What the key of a damaged verdict contains: its version, its time, and whether it failed."""
    name = key.rpartition("/")[2]
    day, _, time = name[16:].partition("T")
    at = f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:13]}Z"
    return Verdict(name[:15], at, 0.0, "failed" if name.endswith(FAILED) else "unknown", ())
