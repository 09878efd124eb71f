"""The manifest of an archive: its members and their blocks.

It is the root of a hash tree: a block has the SHA-256 of its content, a member the digest of its
blocks, and the archive's digest is the SHA-256 of its manifest.

A content fingerprint that does not depend on order, so that any two stores can be compared.

A MongoDB collection without its documents: name, options, indexes.

Objects of a source that no version contains, with the reasons.
"""

import builtins
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import msgspec
from xxhash import xxh3_128_intdigest

from mediatool_assets.core.texts import JsonDocument, decoded

_MODULUS = 1 << 128


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The number of items, and the sum of their XXH3-128 digests modulo 2**128.

    Equal multisets of byte strings have equal fingerprints in any order. A lost, duplicated or
    changed item changes the fingerprint. It protects against accidents; the SHA-256 of archives
    protects against tampering. ``str`` and ``parse`` are inverse: ``"<count>:<32 hex digits>"``.
    """

    count: int = 0
    digest: int = 0

    @classmethod
    def of(cls, items: Iterable[bytes]) -> "Fingerprint":
        """Fingerprint every item: one NDJSON line without its newline, or one BSON document."""
        count, digest = 0, 0
        for item in items:
            count += 1
            digest += xxh3_128_intdigest(item)
        return cls(count, digest % _MODULUS)

    @classmethod
    def parse(cls, text: str) -> "Fingerprint":
        """Read what ``str`` wrote; raises ValueError on anything else."""
        count, _, digest = text.partition(":")
        if len(digest) != 32:
            raise ValueError(f"{text!r} is not a fingerprint")
        return cls(int(count), int(digest, 16))

    def __add__(self, other: "Fingerprint") -> "Fingerprint":
        return Fingerprint(self.count + other.count, (self.digest + other.digest) % _MODULUS)

    def __str__(self) -> str:
        return f"{self.count}:{self.digest:032x}"


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """A collection's options and indexes, as mongod lists them."""

    name: str
    options: dict[str, object]
    indexes: tuple[dict[str, object], ...]


_WHY = {
    "cast": "it belongs to no schema",
    "default privileges": "they name roles of the source's server",
    "event trigger": "it belongs to no schema",
    "extension": "nothing in the exported schemas uses it",
    "foreign data wrapper": "it belongs to no schema",
    "foreign server": "it belongs to no schema",
    "grant": "it names a role of the source's server",
    "language": "it belongs to no schema",
    "large objects": "they belong to no table",
    "locale": "a restored database has the locale of its server",
    "owner": "the role that restores owns the restored objects",
    "policy": "it may name roles of the source's server; row security stays on",
    "publication": "it belongs to no schema",
    "revoked": "it names a role of the source's server; a restored object has the defaults",
    "schema": "MEDIATOOL_POSTGRES_SCHEMA does not name it",
    "security label": "it belongs to a provider on the source's server",
    "setting": "it belongs to the database or a role; its value is not shown",
    "stored rows": "no archive contains them; a restore computes them from the restored tables",
    "subscription": "it belongs to no schema",
    "tablespace": "it belongs to the source's server",
    "transform": "it belongs to no schema",
    "user mapping": "it names a role, and may hold a password",
}
"""Every kind, with the reason why versions do not contain it."""


class NotCarried(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object that versions do not contain: its kind, its name or content, and its owners.

    ``("grant", "SELECT to reporting", ("table shop.orders", ...))``,
    ``("publication", "changes", ("table shop.orders", ...))``, ``("cast", "(text AS shop.code)")``.
    """

    kind: str
    name: str
    objects: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """Why versions do not contain it."""
        return _WHY.get(self.kind, "")


def in_few_words(found: Iterable[NotCarried]) -> str:
    """The number of each kind: ``1 publication, 3 grants``; empty if there are none."""
    counts: dict[str, int] = {}
    for each in found:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    return ", ".join(f"{count} {_plural(kind, count)}" for kind, count in counts.items())


def _plural(kind: str, count: int) -> str:
    if count == 1 or kind.endswith("s") or kind == "revoked":
        return kind
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


FORMAT = "mediatool-archive/2"
FORMAT_1 = "mediatool-archive/1"
"""Format 1 has one SHA-256 for each member and none for a block: a part cannot be verified."""

MOST_SAID = 2 << 20
"""Bytes of JSON for the source, the exclusions and all warnings."""
_MOST_FACTS = 8 << 20  # bytes of JSON; some 500 a table and step

ArchiveKind = Literal["raw", "transformed", "dump", "sanitized"]


class Block(NamedTuple):
    """One gzip member of the archive that holds whole rows of one file, and nothing else."""

    offset: int
    """Offset in bytes from the start of the archive."""
    length: int
    """Compressed bytes."""
    rows: int
    bytes: int
    """Uncompressed bytes."""
    digest: str = ""
    """SHA-256 of the uncompressed bytes; empty in format 1."""


def undigested(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Blocks whose bytes are known to be those that were written: readers hash them no more."""
    return tuple(block._replace(digest="") for block in blocks)


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of the archive.

    ``rows`` counts NDJSON lines or BSON documents and is 0 for other files; ``digest`` is
    ``digest_of`` its blocks; ``fingerprint`` is ``str(Fingerprint)`` over its rows; ``table`` or
    ``collection`` names what it holds the rows of. Format 1 has no ``digest`` but ``sha256``, of
    the uncompressed file.
    """

    name: str
    rows: int
    bytes: int
    blocks: tuple[Block, ...]
    digest: str = ""
    sha256: str = ""
    fingerprint: str | None = None
    table: str | None = None
    collection: str | None = None

    @property
    def content(self) -> str:
        """The identity of the content: equal for equal files of one format."""
        return self.digest or self.sha256


class Exclusion(msgspec.Struct, frozen=True):
    """A table that was left out on purpose; ``rows`` is null if they cannot be counted."""

    table: str
    reason: str
    rows: int | None


class Manifest(msgspec.Struct, JsonDocument, frozen=True, omit_defaults=True):
    """The last file of every archive.

    ``source`` says where the rows came from (server version, snapshot, or the archive read);
    ``facts`` is what the flow that wrote the archive adds: JSON values only.
    """

    format: str
    kind: ArchiveKind
    version: str
    members: tuple[Member, ...]
    source: dict[str, str | int | None] = {}
    exclusions: tuple[Exclusion, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: dict[str, object] = {}

    @property
    def is_sanitized(self) -> bool:
        """Whether it is a sanitized copy, or was made from one."""
        return "sanitized" in (self.kind, self.source.get("kind"))

    @property
    def computed_anew(self) -> dict[str, list[str]]:
        """The columns, by table, that are null here and that PostgreSQL computes in a restore.

        Raises msgspec.ValidationError if the manifest's entry is malformed.
        """
        return msgspec.convert(self.facts.get("computed_anew", {}), dict[str, list[str]])

    @property
    def not_carried(self) -> tuple[NotCarried, ...]:
        """What the source had but versions do not contain; raises msgspec.ValidationError."""
        return msgspec.convert(self.facts.get("not_carried", ()), tuple[NotCarried, ...])

    @property
    def rows(self) -> int:
        """Rows or documents in all members."""
        return sum(member.rows for member in self.members)

    @property
    def bytes(self) -> int:
        """Uncompressed bytes of all members."""
        return sum(member.bytes for member in self.members)

    def member(self, name: str) -> Member | None:
        """The member with that file name; None if there is none."""
        return next((m for m in self.members if m.name == name), None)

    def tables(self) -> dict[str, Member]:
        """The members that hold a table's rows, by table."""
        return {m.table: m for m in self.members if m.table is not None}

    def collections(self) -> dict[str, Member]:
        """The members that hold a collection's documents, by collection."""
        return {m.collection: m for m in self.members if m.collection is not None}

    def collection_fingerprints(self) -> dict[str, str | None]:
        """The fingerprint of each collection's documents."""
        return {name: member.fingerprint for name, member in self.collections().items()}

    def to_json(self) -> builtins.bytes:
        """The bytes of ``manifest.json``: one line without its newline."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: builtins.bytes) -> "Manifest":
        """Read ``manifest.json``; raises msgspec.MsgspecError if it is malformed or too large."""
        said = decoded(data, _UnboundedParts)
        size = sum(map(len, map(bytes, (said.source, said.exclusions, said.warnings))))
        for what, found, most in (
            ("source, exclusions and warnings", size, MOST_SAID),
            ("facts", len(bytes(said.facts)), _MOST_FACTS),
        ):
            if found > most:
                raise msgspec.ValidationError(f"{found} bytes of {what}; at most {most} are read")
        return super().from_json(data)


def digest_of(blocks: Iterable[Block]) -> str:
    """A member's digest: the SHA-256 of a line ``DIGEST ROWS BYTES`` for each of its blocks."""
    lines = (f"{block.digest} {block.rows} {block.bytes}\n" for block in blocks)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def archive_digest(data: bytes) -> str:
    """An archive's digest: the SHA-256 of its manifest.json, without the newline of format 1."""
    return hashlib.sha256(data.removesuffix(b"\n")).hexdigest()


class _UnboundedParts(msgspec.Struct):
    """The parts of a manifest whose size is not bounded by its blocks, not decoded."""

    source: msgspec.Raw = msgspec.Raw(b"")
    exclusions: msgspec.Raw = msgspec.Raw(b"")
    warnings: msgspec.Raw = msgspec.Raw(b"")
    facts: msgspec.Raw = msgspec.Raw(b"")


def shortened(manifest: Manifest) -> Manifest:
    """The manifest with the first warnings, as many as readers accept, and a count of the rest."""
    room = MOST_SAID // 2
    for kept, warning in enumerate(manifest.warnings):
        room -= len(msgspec.json.encode(warning))
        if room < 0:
            left = f"and {len(manifest.warnings) - kept} more warnings, which are not kept"
            return msgspec.structs.replace(manifest, warnings=(*manifest.warnings[:kept], left))
    return manifest
