"""The row counts of PostgreSQL for the snapshot of a raw archive, from its manifest."""

import msgspec

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import BadArchive, CountMismatch


def source_counts(raw: ArchiveReader) -> dict[str, int]:
    """Rows by table; a table that was not counted is left out. Raises BadArchive."""
    try:
        return msgspec.convert(raw.manifest.facts.get("counted", {}), dict[str, int])
    except msgspec.ValidationError as error:
        raise BadArchive(raw.source.name, f"no count of the source ({error})") from error


def require_source_counts(raw: ArchiveReader) -> None:
    """Raise CountMismatch unless each counted table has as many rows in the archive."""
    members = raw.manifest.tables()
    for table, rows in source_counts(raw).items():
        found = members[table].rows if table in members else None
        if found != rows:
            raise CountMismatch(table, "rows of the source", rows, found)
