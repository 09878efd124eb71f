"""Commands on marks: notes, pins and promotions, which also update the registry."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from mediatool_assets.domain.errors import DamagedInput, NotFound
from mediatool_assets.domain.marks import Marks
from mediatool_assets.domain.metadata import Metadata
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
    promoted = _change(objects, lambda found: found.promoting(version, at, who), local, version)
    try:
        _require(objects, documents, version)
    except NotFound:
        _change(objects, lambda found: found.withdrawing(version, at, at), local)
        raise
    return promoted


def rollback(objects: ObjectStore, documents: DocumentStore, local: Path, *, at: datetime) -> Marks:
    """Return to the previously promoted version; raises Refused if there was none."""

    def edit(found: Marks) -> Marks:
        edited = found.rolled_back(at)
        version = Version.parse(edited.promoted or "")
        catalog.read(objects, version)
        _require_database(documents, version)
        return edited

    return _change(objects, edit, local)


def _change(
    objects: ObjectStore,
    edit: Callable[[Marks], Marks],
    local: Path,
    version: Version | None = None,
) -> Marks:
    """Change the marks, and the tags and the registry that follow from them.

    A test version that a mark will protect loses its deletion tag first: wherever this is
    interrupted, no protected version is deleted. The marks are next, since they are authoritative.
    """
    before = marks.read(objects)
    for name in edit(before).protected - before.protected:
        _tag(objects, Version.parse(name), marks.remove_tags)
    after = marks.change(objects, edit)
    named = set() if version is None else {str(version)}
    for name in named | (before.protected ^ after.protected):
        _tag(objects, Version.parse(name), marks.update_tags)
    register(objects)
    write_local_registry(objects, local)
    return after


def _tag(
    objects: ObjectStore, version: Version, change: Callable[[ObjectStore, Metadata], None]
) -> None:
    """Change the tags of a version, if it is there; one whose metadata is damaged stays tagged."""
    if version in set(catalog.versions(objects, version.day, version.day)):
        try:
            with suppress(NotFound):  # deleted meanwhile
                change(objects, catalog.read(objects, version))
        except DamagedInput as error:
            _LOG.warning("%s", error)


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
