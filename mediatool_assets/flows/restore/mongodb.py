"""Restore to MongoDB: a load that is read back and marked last."""

from dataclasses import replace

from mediatool_assets.domain.version import Version
from mediatool_assets.flows.load import DEFAULTS, LoadOptions, load
from mediatool_assets.flows.ports import ArchiveStore, DocumentStore
from mediatool_assets.flows.versions import archives
from mediatool_assets.flows.versions.version_databases import Restored, own_name
from mediatool_assets.flows.workers.workspace import Workspace


def restore_mongodb(
    objects: ArchiveStore,
    documents: DocumentStore,
    workspace: Workspace,
    version: Version,
    options: LoadOptions = DEFAULTS,
) -> Restored:
    """Load the version's documents; the archive is read to its end before.

    Raises the errors of ``load``, and Refused for a ``database`` with the name of another
    version's.
    """
    archive = archives.reader(objects, options.kind, version)
    archive.check_tar()
    sanitized = archive.manifest.is_sanitized
    own = documents.database_names.in_mongodb(version, sanitized=sanitized)
    options = replace(options, database=own_name(options.database, own), read_first=True)
    loaded = load(objects, documents, workspace, version, options)
    whole = archive.manifest.collections()
    return Restored(loaded.database, loaded.documents, part=loaded.documents.keys() != whole.keys())
