"""Provides a version's sanitized copy in place of its raw archive."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mediatool_assets.archive.reader import Bytes, LocalFile
from mediatool_assets.archive.writer import Sink
from mediatool_assets.core.authenticity import ACCEPT_ALL, SignaturePolicy
from mediatool_assets.core.errors import AlreadyExists, DamagedInput, NotFound, UnknownName
from mediatool_assets.core.model import Model
from mediatool_assets.core.version import AS_DESCRIBED, DatabaseNames, Version, archive_key
from mediatool_assets.sanitize.flow import LocalFolder, Sanitizing, origin, report_keys, sanitize
from mediatool_assets.sanitize.report import Report
from mediatool_assets.stores.ports import ArchiveStore, ObjectStore
from mediatool_assets.transform.flow import transform
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.work.scratch import Workspace, scratch_folder


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """A sanitized copy in the bucket, its reports' locations, and the content of the JSON one."""

    archived: StoredArchive
    reports: tuple[str, ...]
    report: Report

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the report does not prove the copy, one line per problem."""
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
    """Make the version's sanitized copy at its key; one made from the same input is reused.

    The report is read back from the bucket. Raises the errors of ``sanitize``, and AlreadyExists
    for a copy that was made with other rules or another key.
    """
    key = archive_key("sanitized", version)
    source = catalog.reader(objects, "raw", version)
    if objects.head(key) is None:
        sanitize(source.source, objects, key, workspace, how)
    archive = catalog.reader(objects, "sanitized", version)
    wanted = origin(source, how.rules, how.key)
    if any(archive.manifest.facts.get(name) != value for name, value in wanted.items()):
        raise AlreadyExists(
            objects.uri(key), "and was made with other rules or another key; remove it first"
        )
    names = report_keys(key)
    archived = StoredArchive(objects.uri(key), archive.source.size, archive.manifest)
    return StoredCopy(archived, tuple(map(objects.uri, names)), _report(objects, names[0]))


def _report(objects: ObjectStore, name: str) -> Report:
    data, _ = objects.get(name)
    try:
        return Report.from_json(data)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(name)} cannot be read ({error}); sanitize the version again"
        ) from error


@dataclass(frozen=True)
class _CachedFile(LocalFile):
    """A local file that was made from an object, and has its name."""

    of: str = ""

    @property
    def name(self) -> str:
        """The object's URI."""
        return self.of


@dataclass(frozen=True, slots=True)
class SanitizedCopy:
    """An ArchiveStore of one version whose raw archive is the copy; the rest is in ``folder``.

    With it, flows that read a raw archive read the copy, and write their results to no bucket.
    """

    source: Bytes
    version: Version
    folder: Path = field(repr=False)
    database_names: DatabaseNames = AS_DESCRIBED

    @property
    def signature_policy(self) -> SignaturePolicy:
        """No key: the copy was authenticated before, and nothing else is read from a bucket."""
        return ACCEPT_ALL

    def uri(self, key: str) -> str:  # noqa: ARG002  # the copy is the only archive
        """The location of the copy, for any key."""
        return self.source.name

    def head(self, key: str) -> object | None:
        """None if it does not exist."""
        return self.source if self._is_raw(key) else LocalFolder(self.folder).head(Path(key).name)

    def open(self, key: str) -> Bytes:
        """Open the copy, or an archive that was made from it."""
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
    """Open the sanitized copy in place of the raw archive, to restore it to PostgreSQL.

    Raises UnknownName if there is none, NotAuthentic if it is not signed by a trusted key.
    """
    try:
        source = catalog.reader(objects, "sanitized", version).source
    except NotFound as error:
        raise UnknownName(
            f"{objects.uri(archive_key('sanitized', version))} does not exist; make it with "
            f"`mediatool sanitize --input {version} --output s3://BUCKET`"
        ) from error
    with scratch_folder() as folder:
        yield SanitizedCopy(source, version, folder, objects.database_names)


@contextmanager
def sanitized_documents(
    objects: ArchiveStore, workspace: Workspace, version: Version, model: Model
) -> Iterator[SanitizedCopy]:
    """Transform the sanitized copy by the model on local disk, to restore it to MongoDB."""
    with sanitized_store(objects, version) as copy:
        transform(copy, workspace, version, model)
        yield copy
