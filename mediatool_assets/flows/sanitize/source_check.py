"""Checks the raw archive to sanitize against its own manifest."""

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.schema import Schema


def schema_of(archive: ArchiveReader) -> Schema:
    """The schema of a raw archive, if it describes its members; raises BadArchive."""
    name, manifest = archive.source.name, archive.manifest
    archive.check_tar()
    if manifest.kind != "raw":
        raise BadArchive(name, f"is a {manifest.kind} archive; name a raw one")
    return archive.schema()
