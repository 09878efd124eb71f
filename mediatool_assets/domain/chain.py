"""The chain of versions: signed entries, each with the digest of the one before it.

An entry states that a version was made, and with which digests, or that it was deleted, and why. A
version that is replaced, removed or inserted later is therefore found. Whoever controls the bucket
can cut off the end of the chain unnoticed, unless a checkpoint is kept elsewhere.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import msgspec

from mediatool_assets.domain import json_documents
from mediatool_assets.domain.errors import Misuse
from mediatool_assets.domain.keys import CHAIN_PREFIX
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.signing import Signed


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
    found = json_documents.decoded(data, dict[str, object])
    found.pop("proof", None)
    return hashlib.sha256(msgspec.json.encode(found, order="sorted")).hexdigest()


def encode_statement(statement: ChainStatement) -> str:
    """The text that is signed."""
    return msgspec.json.encode(statement).decode()


def decode_statement(signed: Signed) -> ChainStatement:
    """What was signed; raises msgspec.MsgspecError."""
    return json_documents.decoded(signed.statement.encode(), ChainStatement)


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
