"""Accounting: compares the rows of the raw archive with the documents of all stores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import BadArchive, CheckFailed, CountMismatch, NotFound, Refused
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.manifest import Manifest
from mediatool_assets.domain.targets import Targets
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import DocumentStore, ObjectStore
from mediatool_assets.flows.transform.counts import HOMES
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.version_databases import loaded


@dataclass(frozen=True, slots=True)
class VersionArchives:
    """The archives of a version, opened; ``dump`` is None if it has no MongoDB database."""

    raw: ArchiveReader
    transformed: ArchiveReader
    dump: ArchiveReader | None

    def __iter__(self) -> Iterator[ArchiveReader]:
        """In the order in which they were made."""
        made = (self.raw, self.transformed, self.dump)
        return (archive for archive in made if archive is not None)

    @classmethod
    def of(cls, objects: ObjectStore, version: Version, targets: Targets) -> "VersionArchives":
        """Open what a version of these targets has; raises NotFound naming what was not made.

        Raises Refused for a dump that ``targets`` has no place for: the version was begun with
        MongoDB.
        """
        key = archive_key("dump", version, objects.database_names)
        if not targets.mongodb and objects.head(key) is not None:
            raise Refused(
                f"{objects.uri(key)} is there: {version} was begun with MongoDB; finish it with "
                "mongodb in MEDIATOOL_TARGETS"
            )
        return cls(
            archives.reader(objects, "raw", version),
            archives.reader(objects, "transformed", version),
            archives.reader(objects, "dump", version) if targets.mongodb else None,
        )


def compare(made: VersionArchives, documents: DocumentStore | None, version: Version) -> None:
    """Account for every row from the source to the last archive; raises CountMismatch, CheckFailed.

    With a dump, the database has to be there, complete; raises NotFound.
    """
    for archive in made:
        if archive.manifest.version != str(version):
            raise CountMismatch(archive.source.name, "version", version, archive.manifest.version)
    _compare_rows(made.raw.manifest, made.transformed)
    if made.dump is None:
        return
    database = None if documents is None else loaded(documents, version)
    if database is None:
        raise NotFound(
            f"the MongoDB database of {version} is absent or half-loaded; run its load again"
        )
    transformed = made.transformed.manifest.collection_fingerprints()
    _compare_collections("loaded", transformed, database.fingerprints)
    _compare_collections("dumped", transformed, made.dump.manifest.collection_fingerprints())


def homes(transformed: ArchiveReader) -> dict[str, dict[str, int]]:
    """For each table, the rows read and the rows by home; raises BadArchive."""
    return _fact(transformed, "rows", dict[str, dict[str, int]])


def homes_in_all(transformed: ArchiveReader) -> dict[str, int]:
    """The rows of all tables together by home; raises BadArchive."""
    tables = homes(transformed).values()
    return {home: sum(counts.get(home, 0) for counts in tables) for home in HOMES}


def unresolved(transformed: ArchiveReader) -> dict[str, int]:
    """Unresolved references by ``collection.field``; raises BadArchive."""
    return _fact(transformed, "unresolved", dict[str, int], {})


def losses(transformed: ArchiveReader) -> dict[str, dict[str, int]]:
    """Values that BSON could not hold, by ``table.column`` and kind; raises BadArchive."""
    return _fact(transformed, "losses", dict[str, dict[str, int]], {})


Fact = TypeVar("Fact")


def _fact(
    transformed: ArchiveReader, name: str, kind: type[Fact], otherwise: object = None
) -> Fact:
    try:
        return msgspec.convert(transformed.manifest.facts.get(name, otherwise), kind)
    except msgspec.ValidationError as error:
        raise BadArchive(transformed.source.name, f"no count of its {name} ({error})") from error


def _compare_rows(raw: Manifest, transformed: ArchiveReader) -> None:
    """Compare each table's rows with the sum over its homes in the transform's record."""
    facts = homes(transformed)
    tables = raw.tables()
    if facts.keys() != tables.keys():
        odd = ", ".join(sorted(facts.keys() ^ tables.keys()))
        raise CheckFailed(
            f"{transformed.source.name}: tables {odd}: only in the raw or only in the transformed "
            "archive; the version is not published, run it again"
        )
    for table, member in tables.items():
        counts = facts[table]
        if counts.get("in") != member.rows:
            raise CountMismatch(table, "rows transformed", member.rows, counts.get("in"))
        housed = sum(counts.get(home, 0) for home in HOMES)
        if housed != member.rows:
            raise CountMismatch(table, "rows that are accounted for", member.rows, housed)


def _compare_collections(
    what: str, expected: Mapping[str, str | None], found: Mapping[str, str | None]
) -> None:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise CountMismatch(
                name, f"documents {what} (count:fingerprint)", expected.get(name), found.get(name)
            )
