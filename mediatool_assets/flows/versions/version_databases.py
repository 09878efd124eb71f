"""The databases of a version: what was loaded or restored into them, and their names."""

import hashlib
import re
from dataclasses import dataclass, field

import msgspec

from mediatool_assets.domain.errors import CheckFailed, Refused
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.restore_record import content_of
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import DocumentStore, RestoreTarget

_OF_A_VERSION = re.compile(r"media_?tool_(?:sanitized_)?[0-9]{8}-[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A complete database; ``documents`` and ``fingerprints`` are by collection.

    ``load`` names the load that made it; empty for one from before 2026-11-28.
    """

    database: str
    documents: dict[str, int]
    fingerprints: dict[str, str]
    bytes: dict[str, int]
    load: str = field(default="", compare=False)

    @property
    def content(self) -> str:
        """The SHA-256 of every collection's name and fingerprint: equal where all documents are."""
        lines = (f"{name} {found}\n" for name, found in sorted(self.fingerprints.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def agrees_with(self, manifest: Manifest) -> bool:
        """True if the database holds exactly the documents of the archive."""
        return self.fingerprints == {
            name: member.fingerprint for name, member in manifest.collections().items()
        }


def loaded(documents: DocumentStore, version: Version) -> Loaded | None:
    """What the version's complete database holds; None where it is absent or half-loaded."""
    database = documents.database_names.in_mongodb(version)
    marker = documents.marker(database)
    if marker is None:
        return None
    try:
        return Loaded(
            database,
            documents=msgspec.convert(marker["documents"], dict[str, int]),
            fingerprints=msgspec.convert(marker["fingerprints"], dict[str, str]),
            bytes=msgspec.convert(marker["bytes"], dict[str, int]),
            load=str(marker.get("load", "")),
        )
    except (KeyError, msgspec.ValidationError) as error:
        raise CheckFailed(
            f"{database}: its marker cannot be read ({error}); load it again: "
            f"`mediatool restore {version} --to mongodb --replace`"
        ) from error


@dataclass(frozen=True, slots=True)
class Restored:
    """A database that was restored and read back; ``rows`` is by table or collection.

    ``part`` is true if only part of the version was requested. ``notes`` lists how its objects
    differ from the source, and why.
    """

    database: str
    rows: dict[str, int]
    part: bool = False
    notes: tuple[str, ...] = ()


def restored(target: RestoreTarget, manifest: Manifest) -> Restored | None:
    """The version's own database, if a restore put all of this raw archive into it; else None."""
    database = target.database_names.in_postgres(Version.parse(manifest.version))
    marker = target.marker(database)
    if marker is None or marker.content != content_of(manifest):
        return None
    rows = {name: member.rows for name, member in manifest.tables().items()}
    return Restored(database, rows, bool(marker.tables), marker.notes)


def own_name(asked: str | None, own: str) -> str:
    """The name to restore to; raises Refused if it is that of another version's database."""
    if asked is not None and asked != own and _OF_A_VERSION.fullmatch(asked):
        raise Refused(
            f"{asked} is the name of another version's database; leave --database out for {own}, "
            "or use a name that belongs to no version"
        )
    return own if asked is None else asked
