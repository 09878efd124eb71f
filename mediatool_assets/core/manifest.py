"""The manifest of an archive: its members and their blocks.

It is the root of a hash tree: a block has the SHA-256 of its content, a member the digest of its
blocks, and the archive's digest is the SHA-256 of its manifest.
"""

import builtins
import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

import msgspec

from mediatool_assets.domain.json_documents import JsonDocument, decoded
from mediatool_assets.domain.not_carried import NotCarried

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
