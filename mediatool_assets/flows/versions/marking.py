"""Commands on marks: notes, pins and promotions, which also update the registry."""

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from mediatool_assets.domain.errors import DamagedInput, NotFound
from mediatool_assets.domain.marks import Marks
from mediatool_assets.domain.notes import checked_notes
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import DocumentStore, ObjectStore
from mediatool_assets.flows.versions import catalog, marks
from mediatool_assets.flows.versions.registry import register, write_local_registry

_LOG = logging.getLogger(__name__)


def annotate(objects: ObjectStore, version: Version, notes: str, local: Path) -> Marks:
    """Replace the notes of a complete version; raises NotFound, and Misuse if they are too long."""
    checked_notes(notes)
    catalog.read(objects, version)
    return _change(objects, lambda found: found.annotated(version, notes), local)


def keep(objects: ObjectStore, version: Version, local: Path, *, at: datetime, who: str) -> Marks:
    """Pin a complete version, so that neither ``prune`` nor the bucket's rule for tests deletes it.

    Raises NotFound if it does not exist, or if a concurrent ``prune`` deleted it without seeing the
    pin.
    """
    catalog.read(objects, version)
    pinned = _change(objects, lambda found: found.keeping(version, at, who), local, version)
    try:
        catalog.read(objects, version)
    except NotFound:
        _change(objects, lambda found: found.letting_go(version), local)
        raise
    return pinned


def unkeep(objects: ObjectStore, version: Version, local: Path) -> Marks:
    """Remove a version's pin, even if the version itself is gone; raises NotFound."""
    if str(version) not in marks.read(objects).pinned:
        catalog.read(objects, version)
    return _change(objects, lambda found: found.letting_go(version), local, version)


def promote(  # noqa: PLR0913  # two stores, the local copy, and the evidence
    objects: ObjectStore,
    documents: DocumentStore,
    version: Version,
    local: Path,
    *,
    at: datetime,
    who: str,
) -> Marks:
    """Name the version that applications should use; its database must exist and be complete.

    Raises NotFound otherwise, or if a concurrent ``prune`` deleted it without seeing the promotion.
    """
    _require(objects, documents, version)
    before = marks.read(objects)
    after = _change(objects, lambda found: found.promoting(version, at, who), local, version)
    try:
        _require(objects, documents, version)
    except NotFound:
        after = _change(objects, lambda found: found.withdrawing(version, at, at), local)
        raise
    finally:
        _settle_others(objects, before, after)
    return after


def rollback(objects: ObjectStore, documents: DocumentStore, local: Path, *, at: datetime) -> Marks:
    """Return to the previously promoted version; raises Refused if there was none."""

    def edit(found: Marks) -> Marks:
        edited = found.rolled_back(at)
        version = Version.parse(edited.promoted or "")
        catalog.read(objects, version)
        _require_database(documents, version)
        return edited

    before = marks.read(objects)
    after = _change(objects, edit, local)
    _settle_others(objects, before, after)
    return after


def _change(
    objects: ObjectStore,
    edit: Callable[[Marks], Marks],
    local: Path,
    version: Version | None = None,
) -> Marks:
    """Change the marks first, since they are authoritative; then tags and registry."""
    edited = marks.change(objects, edit)
    if version is not None:
        _settle(objects, version)
    register(objects)
    write_local_registry(objects, local)
    return edited


def _settle_others(objects: ObjectStore, before: Marks, after: Marks) -> None:
    """Update the tags of other versions whose protection a promotion has changed."""
    for name in {before.promoted, before.fallback, after.promoted, after.fallback} - {None}:
        version = Version.parse(str(name))
        try:
            _settle(objects, version)
        except DamagedInput as error:  # of another version: the requested marks are set
            _LOG.warning("%s", error)


def _settle(objects: ObjectStore, version: Version) -> None:
    if version in set(catalog.versions(objects, version.day, version.day)):
        marks.settle_tags(objects, catalog.read(objects, version))


def _require(objects: ObjectStore, documents: DocumentStore, version: Version) -> None:
    """Require a complete version with a complete database."""
    catalog.read(objects, version)
    _require_database(documents, version)


def _require_database(documents: DocumentStore, version: Version) -> None:
    database = documents.database_names.in_mongodb(version)
    if documents.marker(database) is None:
        raise NotFound(
            f"the database {database} does not exist or is not complete; make it with "
            f"`mediatool restore {version} --to mongodb`"
        )
