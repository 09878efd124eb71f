"""The restore drill: restores a version to scratch databases, verifies, times and drops them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.restore_record import RestoreRecord
from mediatool_assets.flows.load import DocumentKind, LoadOptions
from mediatool_assets.flows.ports import DocumentStore, ObjectStore, RestoreTarget
from mediatool_assets.flows.restore.mongodb import restore_mongodb
from mediatool_assets.flows.restore.postgres import RestoreOptions, restore_postgres
from mediatool_assets.flows.restore.records import RestoreRequest, recorded
from mediatool_assets.flows.workers.workspace import Workspace

SCRATCH = "mediatool_restore_drill"
"""The name of the database on either server; remains of a killed drill are replaced."""


def drill_postgres(
    objects: ObjectStore,
    target: RestoreTarget,
    workspace: Workspace,
    request: RestoreRequest,
    skip: Mapping[str, str],
) -> RestoreRecord:
    """Restore the raw archive, read it back and drop it; the record has the duration.

    Raises the errors of a restore; its record is stored then too, and the database is dropped.
    """
    options = RestoreOptions(SCRATCH, skip=skip, replace=True)
    restore = partial(restore_postgres, objects, target, workspace, request.version, options)
    with _dropped(lambda: target.drop(SCRATCH)):
        return recorded(objects, request, restore, workspace.clock)


def drill_mongodb(
    objects: ObjectStore,
    documents: DocumentStore,
    workspace: Workspace,
    request: RestoreRequest,
    kind: DocumentKind,
) -> RestoreRecord:
    """Restore the archive ``kind``, read it back and drop it, like ``drill_postgres``."""

    def drop() -> None:
        # claim first: this fails if the name belongs to a database of somebody else
        with documents.loading(SCRATCH, str(uuid4())):
            documents.drop(SCRATCH)

    options = LoadOptions(kind, SCRATCH, replace=True)
    restore = partial(restore_mongodb, objects, documents, workspace, request.version, options)
    with _dropped(drop):
        return recorded(objects, request, restore, workspace.clock)


@contextmanager
def _dropped(drop: Callable[[], None]) -> Iterator[None]:
    """Drop the database at the end, also after an error; if both fail, raise the first error."""
    try:
        yield
    except BaseException as error:
        try:
            drop()
        except MediatoolError as second:
            error.add_note(f"and {SCRATCH} could not be dropped: {second}")
        raise
    drop()
