"""Takes the inventory of the bucket: all billed objects, and the lifecycle rules."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from mediatool_assets.domain.bucket.declaration import Declaration
from mediatool_assets.domain.bucket.lifecycle import configuration, rules_below
from mediatool_assets.domain.bucket.reading import read
from mediatool_assets.domain.costs.inventory import (
    ActiveRules,
    ArchiveSizes,
    BilledInventory,
    StoredItem,
)
from mediatool_assets.domain.errors import NotFound
from mediatool_assets.domain.metadata import uncompressed_bytes
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.ports.bucket import BucketSettings
from mediatool_assets.flows.versions import catalog, marks


def take_inventory(
    declared: Declaration,
    objects: ObjectStore,
    listed: Iterable[StoredItem],
    bucket: BucketSettings,
    now: datetime,
) -> BilledInventory:
    """Everything at this moment; nothing is changed. Raises DamagedInput, Unreachable.

    ``listed`` is every version, marker and unfinished upload of the bucket.
    """
    tagged = {
        key
        for version in _testing(objects)
        for key in marks.keys_of(version, objects.database_names)
    }
    items = tuple(replace(item, testing=item.key in tagged) for item in listed)
    return BilledInventory(
        declared.place, now, items, active_rules(declared, bucket), _newest(objects)
    )


def active_rules(declared: Declaration, bucket: BucketSettings) -> ActiveRules:
    """The bucket's own rules, or the declared ones if it has none or they cannot be read.

    Of several sources in one bucket, only the rules that reach this one's objects.
    """
    live, versioning = bucket.read("lifecycle"), bucket.read("versioning")
    status = (versioning.document or {}).get("Status")
    versioned = status == "Enabled" if versioning.unknown is None else True
    if live.document is not None and live.document.get("Rules"):
        return ActiveRules(
            read(rules_below(live.document, bucket.prefix)), "bucket", "they are active", versioned
        )
    reason = live.unknown or "the bucket has none; `mediatool bucket apply` sets the declared ones"
    rules = read(rules_below(configuration(declared.lifecycle), bucket.prefix))
    return ActiveRules(rules, "declaration", reason, declared.state.versioned)


def _testing(objects: ObjectStore) -> Iterator[Version]:
    """The testing versions, whose objects are tagged."""
    for entry in catalog.registry(objects):
        if entry.purpose == "testing":
            yield Version.parse(entry.version)


def _newest(objects: ObjectStore) -> ArchiveSizes | None:
    """Compressed and uncompressed sizes of the newest complete version's archives."""
    try:
        found = catalog.latest(objects)
    except NotFound:
        return None
    archives = found.exports.by_archive
    return ArchiveSizes(
        found.timestamp,
        {kind: export.size_bytes for kind, export in archives.items()},
        {kind: uncompressed_bytes(export) for kind, export in archives.items()},
    )
