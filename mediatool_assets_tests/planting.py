"""Defects planted in the stores of a version: in its archives, its documents, its restored rows."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import psycopg
from pymongo import MongoClient
from pymongo.collection import Collection

from mediatool_assets.archive.reader import ArchiveReader, LocalFile, split_lines
from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.version import Version, archive_key
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.versions.catalog import publish
from mediatool_assets_tests.compared import with_manifest
from mediatool_assets_tests.database_names import mongodb_database, postgres_database
from mediatool_assets_tests.twins import DirectoryObjects

Document = dict[str, Any]


@contextmanager
def live_collection(
    documents: MongoDocuments, version: Version, name: str
) -> Iterator[Collection[Document]]:
    """A collection of the version's database, that takes whatever it is given."""
    with MongoClient[Document](documents.url.reveal()) as client:
        database = client[mongodb_database(version)]
        options = database[name].options()
        database.command({"collMod": name, "validationLevel": "off"})
        yield database[name]
        level = options.get("validationLevel", "strict")
        database.command({"collMod": name, "validationLevel": level})


@contextmanager
def restored_database(target: PostgresTarget, version: Version) -> Iterator[Callable[[str], None]]:
    """Executes statements in the version's restored database, in the schema `media_tool`."""
    url = target.database(postgres_database(version), "media_tool").url
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute("SET search_path TO media_tool")
        yield lambda statement: (connection.execute(statement.encode()), None)[1]


def lines_of(path: Path, table: str) -> list[bytes]:
    """The lines of a table in a raw archive."""
    reader = ArchiveReader(LocalFile(path))
    blocks = reader.manifest.tables()[table].blocks
    return [line for content in reader.blocks(blocks) for line in split_lines(content)]


def rewritten(path: Path, table: str, lines: Sequence[bytes], counted: int | None = None) -> None:
    """The raw archive with other rows of a table, and a manifest that agrees with them."""
    archive = ArchiveReader(LocalFile(path))
    manifest = archive.manifest
    facts = manifest.facts
    if counted is not None:
        facts = {**facts, "counted": {**facts["counted"], table: counted}}  # type: ignore[dict-item]

    def write(writer: ArchiveWriter) -> Manifest:
        for member in manifest.members:
            if member.table is None:
                writer.add_file(member.name, archive.read_file(member.name))
                continue
            blocks: Iterable[Sequence[bytes]] = map(split_lines, archive.blocks(member.blocks))
            with TemporaryDirectory() as folder:
                of = [lines] if member.table == table else blocks
                spool = spool_rows(Path(folder, "rows"), of)
                writer.add_rows(member.name, [spool], table=member.table)
        return writer.finish(msgspec.structs.replace(manifest, members=(), facts=facts))

    with TemporaryDirectory() as folder:
        version = Version.parse(manifest.version)
        publish(DirectoryObjects(Path(folder)), "raw", version, write)
        path.write_bytes(Path(folder, "objects", archive_key("raw", version)).read_bytes())


def with_member(path: Path, name: str, **edit: object) -> None:
    """Edit what the manifest says of one table or collection, everything else left as it is."""

    def edited(manifest: Manifest) -> Manifest:
        members = tuple(
            msgspec.structs.replace(m, **edit) if name in (m.table, m.collection) else m
            for m in manifest.members
        )
        return msgspec.structs.replace(manifest, members=members)

    with_manifest(LocalFile(path), edited)
