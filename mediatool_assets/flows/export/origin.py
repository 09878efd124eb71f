"""Chooses the source of a day: its raw archive, an RDS snapshot export, or the database.

Rows are only stored under the day that they belong to: the live database has today's rows only.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal, NamedTuple

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.domain.errors import AlreadyExists, BadSource, Misuse, NothingOfDay, PastDay
from mediatool_assets.domain.keys import archive_key, archive_prefix
from mediatool_assets.domain.manifest import Member
from mediatool_assets.domain.rds_export import day_prefix
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.export.rds_source import RdsExport, find
from mediatool_assets.flows.ports import ObjectStore, Source, SourceSnapshot
from mediatool_assets.flows.versions import archives, catalog
from mediatool_assets.flows.versions.archives import StoredArchive
from mediatool_assets.flows.workers.ordered_results import in_order

Asked = Literal["auto", "postgres", "rds", "archive"]


@dataclass(frozen=True, slots=True)
class OnDay:
    """A live source whose snapshot must be taken on one day, even if the run has to wait first."""

    source: Source
    day: date
    today: Callable[[], date]

    @contextmanager
    def snapshot(self) -> Iterator[SourceSnapshot]:
        """Take the source's snapshot; raises PastDay if the day had ended when it was taken."""
        with self.source.snapshot() as snapshot:
            if (today := self.today()) != self.day:
                raise PastDay(
                    f"{self.day} was over (UTC) when the snapshot of the live database was taken, "
                    f"and nothing was exported; export {today}"
                )
            yield snapshot

    @property
    def primary(self) -> "OnDay | None":
        """The source's primary, on the same day."""
        primary = self.source.primary
        return None if primary is None else OnDay(primary, self.day, self.today)


class Origin(NamedTuple):
    """The source of a day. Without ``source`` it is the raw archive of ``version``.

    Without ``version`` it is the live database, and the run chooses the version.
    """

    version: Version | None
    source: Source | None


@dataclass(frozen=True, slots=True)
class SourceCandidates:
    """The possible sources of a day: the bucket, and the live database if there is one."""

    objects: ObjectStore
    live: Source | None
    schema: str
    today: date
    may_be_empty: frozenset[str] = frozenset()
    """Tables that may have no row in an RDS export though a version near it has some."""

    @classmethod
    def of(
        cls, settings: Settings, objects: ObjectStore, live: Source | None, today: date
    ) -> "SourceCandidates":
        """Build them from the settings."""
        may_be_empty = settings.rds_empty_tables | settings.exclude_tables
        return cls(objects, live, settings.postgres_schema, today, may_be_empty)

    def origin(self, partition: str, asked: Asked, wanted: Version | None = None) -> Origin:
        """Return the first of archive, RDS export and live database that has the day.

        For today, ``auto`` selects the live database: a request for today means its current rows.
        ``wanted`` is the required version if the run already has one. Raises PastDay, NothingOfDay
        or Misuse naming what is missing, and BadSource for a damaged export.
        """
        is_today = partition == self.today.isoformat()
        past = asked == "auto" and not is_today
        if asked == "archive" or past:
            version = wanted or self._newest(partition)
            if self._archived(version):
                return Origin(version, None)
        if asked == "rds":
            export = self.export(partition, wanted)
            return Origin(wanted or self._to_make(export), export)
        if past and (found := self._found(partition, wanted)) is not None:
            return Origin(wanted or self._to_make(found), found)
        if asked in ("auto", "postgres") and is_today:
            if self.live is None:
                raise Misuse(f"{partition} is exported live; set MEDIATOOL_POSTGRES_URL")
            return Origin(None, self.live)
        raise self._missing(partition, asked, wanted)

    def export(self, partition: str, wanted: Version | None = None) -> RdsExport:
        """Return the day's RDS export in the bucket; raises NothingOfDay, BadSource."""
        export = self._found(partition, wanted)
        if export is None:
            raise self._missing(partition, "rds", wanted)
        return export

    def has_exports(self, partition: str) -> bool:
        """True if the day has any RDS export, usable or not."""
        return any(True for _ in self.objects.folders(day_prefix(partition)))

    def has_complete(self, partition: str) -> bool:
        """Whether the day has a complete version."""
        day = date.fromisoformat(partition)
        return any(True for _ in catalog.versions(self.objects, day, day))

    def _found(self, partition: str, wanted: Version | None) -> RdsExport | None:
        export = find(self.objects, partition, self.schema, self.live, wanted)
        if export is None and wanted is not None:
            newest = find(self.objects, partition, self.schema, self.live)
            if newest is not None and self._to_make(newest) == wanted:
                export = newest
        return export and replace(export, may_be_empty=self.may_be_empty)

    def _to_make(self, export: RdsExport) -> Version:
        """Choose the version to make from an export: normally the export's own.

        If that version already has a raw archive, which may be damaged, and the day is past, return
        the next second without one.
        """
        version = export.version
        while version.day < self.today and self._archived(version):
            version = Version(version.moment + timedelta(seconds=1))
        if version.day != export.version.day:
            raise AlreadyExists(self.objects.uri(archive_key("raw", export.version)))
        return version

    def lacks_export(self, partition: str, asked: Asked, wanted: Version | None = None) -> bool:
        """True if AWS has to export a snapshot before ``origin`` can return an RDS export.

        For today, only an export that no version was made from counts.
        """
        is_today = partition == self.today.isoformat()
        if asked != "rds" and (asked != "auto" or is_today):
            return False
        if asked == "auto" and self._archived(wanted or self._newest(partition)):
            return False
        try:
            export = self._found(partition, wanted)
        except BadSource:  # there are unusable or unfinished exports
            return True
        used = is_today and wanted is None and export is not None
        return export is None or (used and self._archived(export.version))

    def _archived(self, version: Version | None) -> bool:
        if version is None:
            return False
        return self.objects.head(archive_key("raw", version)) is not None

    def _newest(self, partition: str) -> Version | None:
        """The newest complete version of the day, else its newest raw archive."""
        day = date.fromisoformat(partition)
        complete = list(catalog.versions(self.objects, day, day))
        if complete:
            return complete[-1]
        found = [i.key for i in self.objects.list(archive_prefix("raw", partition))]
        names = [key.rpartition("/")[2].removesuffix("-raw.tar.gz") for key in found]
        return Version.parse(names[-1]) if names else None

    def _missing(
        self, partition: str, asked: Asked, wanted: Version | None
    ) -> PastDay | NothingOfDay:
        of = f"version {wanted}" if wanted else partition
        archive = f"no raw archive of {of}"
        rds = f"no RDS snapshot export of {of} under {self.objects.uri(day_prefix(partition))}"
        match asked:
            case "archive":
                return NothingOfDay(f"there is {archive}; `mediatool versions` lists what there is")
            case "rds":
                return NothingOfDay(f"there is {rds}; export a snapshot of that day to there")
            case _:
                absent = "" if asked == "postgres" else f"there is {archive} and {rds}, and "
                return PastDay(
                    f"{absent}the live database can be exported only for today, {self.today} "
                    f"(UTC), not for {partition}: it does not hold that day's rows; "
                    "export an RDS snapshot of that day, or take another day"
                )


def adopt(objects: ObjectStore, executor: Executor, version: Version) -> StoredArchive:
    """Read every byte of a version's raw archive again; raises BadArchive if it is damaged."""
    reader = archives.reader(objects, "raw", version)
    archived = StoredArchive(reader.source.name, reader.source.size, reader.manifest)
    reader.check_tar()
    bare = ArchiveReader(reader.source)  # workers need no manifest
    shares: Sequence[tuple[ArchiveReader, Member]] = [(bare, m) for m in archived.manifest.members]
    with in_order(executor, verify_member, shares) as verified:
        for _ in verified:
            pass
    return archived


def verify_member(share: tuple[ArchiveReader, Member]) -> None:
    """In a worker: read one file of an archive again and verify it."""
    reader, member = share
    reader.verify(member)
