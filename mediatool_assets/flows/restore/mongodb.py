"""Restore: a version into a MongoDB database, which is a load that is read back and marked last."""

from collections.abc import Iterable
from concurrent.futures import Executor

from mediatool_assets.domain.keys import mongodb_database, sanitized_mongodb_database
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.load import DocumentKind, load
from mediatool_assets.flows.ports import ArchiveStore, DocumentStore, Progress, silent
from mediatool_assets.flows.restore.result import Restored, own_name
from mediatool_assets.flows.versions import archives


def restore_mongodb(  # noqa: PLR0913  # as for PostgreSQL
    objects: ArchiveStore,
    documents: DocumentStore,
    executor: Executor,
    version: Version,
    *,
    kind: DocumentKind = "transformed",
    database: str | None = None,
    collections: Iterable[str] | None = None,
    replace: bool = False,
    progress: Progress = silent,
) -> Restored:
    """Restore the version's transformed archive into ``database``, else ``mediatool_{version}``.

    Or its dump, as ``kind`` says. It is a load, read back and compared and marked last. Of
    ``collections`` these alone are there, and the database does not count as complete. The archive
    is read to its end before anything is written. Raises as ``load`` does.
    """
    archive = archives.reader(objects, kind, version)
    archive.check_tar()
    sanitized = archive.manifest.is_sanitized
    own = sanitized_mongodb_database(version) if sanitized else mongodb_database(version)
    loaded = load(
        objects,
        documents,
        executor,
        version,
        kind=kind,
        database=own_name(database, own),
        collections=collections,
        replace=replace,
        read_first=True,
        progress=progress,
    )
    whole = archive.manifest.collections()
    return Restored(loaded.database, loaded.documents, part=loaded.documents.keys() != whole.keys())
