"""Versions from Python: ``open_version("latest")["campaigns"].to_pandas()``.

For scripts and notebooks; a Dagster asset gets the same objects from the IO managers. The servers
are those of the command line: from the environment, or the local ones that are up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.keys import Kind
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.query.handles import ArchiveHandle, Documents, TableRows, archive_of
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.names import named_version
from mediatool_assets.stores.environment import settings
from mediatool_assets.stores.s3 import S3Objects


@dataclass(frozen=True)
class OpenVersion(Mapping[str, TableRows]):
    """One version, opened for reading: a mapping of its tables by name.

    Values are read on demand: row by row, or whole with ``to_arrow``, ``to_pandas``,
    ``to_polars`` or ``to_duckdb``.
    """

    version: Version
    objects: ObjectStore = field(repr=False)
    kind: Kind = "raw"

    @cached_property
    def _tables(self) -> dict[str, TableRows]:
        return ArchiveHandle(self.archive).tables()

    @cached_property
    def archive(self) -> ArchiveReader:
        """The archive of rows that the tables are read from."""
        return archives.reader(self.objects, self.kind, self.version)

    def __getitem__(self, table: str) -> TableRows:
        """The table of that name; raises NotFound."""
        try:
            return self._tables[table]
        except KeyError as error:
            raise NotFound(
                f"{self.version} has no table {table}; it has {', '.join(self._tables)}"
            ) from error

    def __contains__(self, table: object) -> bool:
        """Whether the version has a table of that name."""
        return table in self._tables

    def __iter__(self) -> Iterator[str]:
        """The names of the tables."""
        return iter(self._tables)

    def __len__(self) -> int:
        """How many tables there are."""
        return len(self._tables)

    def collection(self, name: str) -> Documents:
        """A collection of the transformed archive; raises NotFound."""
        return archive_of(self.objects, "transformed", self.version).collection(name)


def open_version(
    name: str = "latest", *, sanitized: bool = False, allow_unsigned: bool = False
) -> OpenVersion:
    """Open a version: ``20261127-020000``, ``2026-11-27``, ``latest`` or ``latest~1``.

    With ``sanitized`` the tables are those of its sanitized copy. If MEDIATOOL_TRUSTED_KEYS is set,
    a trusted key must have signed the version; with ``allow_unsigned`` it may also be unsigned.
    Raises NotFound, Misuse, NotAuthentic, Unreachable; BadSettings if no server is set.
    """
    objects = S3Objects.of(settings(), allow_unsigned=allow_unsigned)
    return OpenVersion(named_version(objects, name), objects, "sanitized" if sanitized else "raw")
