"""The restore drill: a version restored to scratch databases, verified, timed, and dropped."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from uuid import uuid4

from mediatool_assets.domain.errors import MediatoolError
from mediatool_assets.domain.restored import RestoreRecord
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import DocumentStore, ObjectStore, Progress, RestoreTarget, silent
from mediatool_assets.flows.restore.mongodb import restore_mongodb
from mediatool_assets.flows.restore.postgres import restore_postgres
from mediatool_assets.flows.restore.records import RestoreRequest, recorded

SCRATCH = "mediatool_restore_drill"
"""The name of the database on either server; what a killed drill left of it is replaced."""


def drill_postgres(  # noqa: PLR0913  # as for a restore, and who asks for it
    objects: ObjectStore,
    target: RestoreTarget,
    executor: Executor,
    version: Version,
    *,
    who: str,
    clock: Callable[[], datetime],
    skip: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> RestoreRecord:
    """Restore the raw archive, read it back, drop it again; the record says how long it took.

    Raises what a restore raises; its record is stored then too, and nothing else is left.
    """
    request = RestoreRequest(version, "postgres", SCRATCH, target.server, who)
    restore = partial(restore_postgres, objects, target, executor, version, skip=skip)
    with _dropped(lambda: target.drop(SCRATCH)):
        restoring = partial(restore, database=SCRATCH, replace=True, progress=progress)
        return recorded(objects, request, restoring, clock)


def drill_mongodb(  # noqa: PLR0913  # as above
    objects: ObjectStore,
    documents: DocumentStore,
    executor: Executor,
    version: Version,
    *,
    server: str,
    who: str,
    clock: Callable[[], datetime],
    progress: Progress = silent,
) -> RestoreRecord:
    """Restore the dump, the archive that is nearest to the database; else as for PostgreSQL."""

    def drop() -> None:
        # claimed first: that is refused where somebody else's database has the name
        with documents.loading(SCRATCH, str(uuid4())):
            documents.drop(SCRATCH)

    request = RestoreRequest(version, "mongodb", SCRATCH, server, who)
    restore = partial(restore_mongodb, objects, documents, executor, version, kind="dump")
    with _dropped(drop):
        restoring = partial(restore, database=SCRATCH, replace=True, progress=progress)
        return recorded(objects, request, restoring, clock)


@contextmanager
def _dropped(drop: Callable[[], None]) -> Iterator[None]:
    """Drop the database at the end, however it comes; where both fail, the first error is told."""
    try:
        yield
    except BaseException as error:
        try:
            drop()
        except MediatoolError as second:
            error.add_note(f"and {SCRATCH} could not be dropped: {second}")
        raise
    drop()
