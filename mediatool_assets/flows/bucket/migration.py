"""Migration: moves the registry and marks of an older bucket out of the metadata prefix."""

from mediatool_assets.domain import marks as marks_file
from mediatool_assets.domain.keys import MARKS_KEY, OLD_MARKS_KEY, OLD_REGISTRY_KEY
from mediatool_assets.domain.marks import Marks
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.ports.retention import Deletion
from mediatool_assets.flows.versions import marks
from mediatool_assets.flows.versions.conflicts import retried_on_conflict
from mediatool_assets.flows.versions.registry import register


def migrate(objects: ObjectStore, deletion: Deletion) -> tuple[str, ...]:
    """Move both documents to the top of the bucket; returns the keys that were moved.

    Each mark is in one of the two places at every moment, even with concurrent writers or if this
    process is killed; the next call continues. First the old document is sealed with a conditional
    write. From then on an older tool cannot read it, and stops with an error. If an older tool
    marks a version after the move, it creates a new document in the old place; the next call merges
    it. Raises DamagedInput if the marks cannot be read. Raises Unreachable if deleting is denied:
    the documents are then in their new place, and the old ones remain.
    """
    old = [key for key in (OLD_MARKS_KEY, OLD_REGISTRY_KEY) if objects.head(key) is not None]
    if OLD_MARKS_KEY in old:
        _merge(objects, _seal(objects))
        _seal(objects, empty=True)
    if old:
        register(objects)
    for key in old:
        deletion.hide(key)
    return tuple(old)


@retried_on_conflict
def _seal(objects: ObjectStore, *, empty: bool = False) -> Marks:
    """Seal the old document against older tools; ``empty`` once its marks are in the new one."""
    found = marks.stored_at(objects, OLD_MARKS_KEY)
    sealed = marks_file.encode_moved(Marks() if empty else found.marks)
    objects.put(OLD_MARKS_KEY, sealed, replacing=found.etag)
    return found.marks


@retried_on_conflict
def _merge(objects: ObjectStore, old: Marks) -> None:
    found = marks.stored_at(objects, MARKS_KEY)
    merged = found.marks.merged(old)
    if merged != found.marks:
        objects.put(MARKS_KEY, merged.to_json(), replacing=found.etag)
