"""A version's sanitized copy in the place of its raw archive, for whatever reads that."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mediatool_assets.archive.reader import Bytes, LocalFile
from mediatool_assets.archive.writer import Sink
from mediatool_assets.domain.authenticity import EVERYBODY, Trust
from mediatool_assets.domain.errors import AlreadyExists, DamagedInput, NotFound, UnknownName
from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.keys import archive_key
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ArchiveStore, ObjectStore
from mediatool_assets.flows.sanitize import Sanitizing, origin, report_keys, sanitize
from mediatool_assets.flows.sanitize.destinations import LocalFolder
from mediatool_assets.flows.sanitize.report import Report
from mediatool_assets.flows.transform import transform
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.archives import StoredArchive
from mediatool_assets.flows.workers.scratch import scratch_folder
from mediatool_assets.flows.workers.workspace import Workspace


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """A sanitized copy that is in the bucket, where its reports lie, and what the JSON one says."""

    archived: StoredArchive
    reports: tuple[str, ...]
    report: Report

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the report does not prove the copy, one line each."""
        manifest, report = self.archived.manifest, self.report
        rows = {name: member.rows for name, member in manifest.tables().items()}
        facts = {"rules_sha256": report.rules_sha256, "key_id": report.key_id}
        return (
            *report.proof.findings,
            *(["the report is of another version"] if report.version != manifest.version else []),
            *(["the report has other counts of rows"] if report.rows != rows else []),
            *(
                f"the report has another {name} than the copy"
                for name, value in facts.items()
                if manifest.facts.get(name) != value
            ),
        )


def sanitized_copy(
    objects: ObjectStore, workspace: Workspace, version: Version, how: Sanitizing
) -> StoredCopy:
    """Make the version's sanitized copy at its key; one made from the same input is used.

    The report is read back from the bucket. Raises as ``sanitize`` does, AlreadyExists for a copy
    that was made by other rules or with another key.
    """
    key = archive_key("sanitized", version)
    source = archives.reader(objects, "raw", version)
    if objects.head(key) is None:
        sanitize(source.source, objects, key, workspace, how)
    archive = archives.reader(objects, "sanitized", version)
    wanted = origin(source, how.rules, how.key)
    if any(archive.manifest.facts.get(name) != value for name, value in wanted.items()):
        raise AlreadyExists(
            objects.uri(key), "and was made by other rules or with another key; remove it first"
        )
    names = report_keys(key)
    archived = StoredArchive(objects.uri(key), archive.source.size, archive.manifest)
    return StoredCopy(archived, tuple(map(objects.uri, names)), _report(objects, names[0]))


def _report(objects: ObjectStore, name: str) -> Report:
    data, _ = objects.get(name)
    try:
        return decoded(data, Report)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(name)} cannot be read ({error}); sanitize anew"
        ) from error


@dataclass(frozen=True)
class _CachedFile(LocalFile):
    """A file that was made of an object, and is known by its name."""

    of: str = ""

    @property
    def name(self) -> str:
        """The object's URI."""
        return self.of


@dataclass(frozen=True, slots=True)
class SanitizedCopy:
    """An ArchiveStore of one version: its raw archive is the copy, and the rest lies in ``folder``.

    So the flows that read a raw archive read the copy, and what they make of it reaches no bucket.
    """

    source: Bytes
    version: Version
    folder: Path = field(repr=False)

    @property
    def trust(self) -> Trust:
        """The copy was proven before it was opened here; nothing else comes from a bucket."""
        return EVERYBODY

    def uri(self, key: str) -> str:  # noqa: ARG002  # one archive stands for all of the version's
        """Where the copy lies, whatever was made of it."""
        return self.source.name

    def head(self, key: str) -> object | None:
        """None where it is not there."""
        return self.source if self._is_raw(key) else LocalFolder(self.folder).head(Path(key).name)

    def open(self, key: str) -> Bytes:
        """The copy, or what was made of it."""
        if self._is_raw(key):
            return self.source
        return _CachedFile(self.folder / Path(key).name, self.uri(key))

    def create(self, key: str) -> AbstractContextManager[Sink]:
        """Write into the folder; raises AlreadyExists."""
        return LocalFolder(self.folder).create(Path(key).name)

    def _is_raw(self, key: str) -> bool:
        return key == archive_key("raw", self.version)


@contextmanager
def sanitized_store(objects: ArchiveStore, version: Version) -> Iterator[SanitizedCopy]:
    """The sanitized copy in the place of the raw archive, to be restored to PostgreSQL.

    Raises UnknownName where there is none, NotAuthentic where it is not to be trusted.
    """
    try:
        source = archives.reader(objects, "sanitized", version).source
    except NotFound as error:
        raise UnknownName(
            f"{objects.uri(archive_key('sanitized', version))} is not there; make it with "
            f"`mediatool sanitize --input {version} --output s3://BUCKET`"
        ) from error
    with scratch_folder() as folder:
        yield SanitizedCopy(source, version, folder)


@contextmanager
def sanitized_documents(
    objects: ArchiveStore, workspace: Workspace, version: Version, model: Model
) -> Iterator[SanitizedCopy]:
    """The sanitized copy, transformed by the model on local disk, to be restored to MongoDB."""
    with sanitized_store(objects, version) as copy:
        transform(copy, workspace, version, model)
        yield copy
