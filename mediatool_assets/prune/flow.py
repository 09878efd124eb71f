"""Prune: decides what to delete, deletes it, and checks that it is gone.

Lists everything that retention decides on, from the stores.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from mediatool_assets.core.bucket import LIFECYCLE, TESTING, configuration, rules_below
from mediatool_assets.core.bucket_policies import lifecycle_rules
from mediatool_assets.core.errors import AlreadyExists, MediatoolError, NotFound, Refused
from mediatool_assets.core.inventory import (
    FoundCopy,
    FoundDatabase,
    FoundExport,
    RetentionInventory,
)
from mediatool_assets.core.metadata import Metadata, ProtectionCheck, Purpose, never_protected
from mediatool_assets.core.version import (
    ARCHIVE_PREFIXES,
    SANITIZED_PREFIX,
    DatabaseNames,
    Version,
    archive_key,
    metadata_key,
)
from mediatool_assets.prune.rules import Decision, Policy, conflicting_rules, decide
from mediatool_assets.stores.ports import (
    BucketSettings,
    DatabaseServer,
    Deletion,
    ObjectStore,
    Progress,
    Pruning,
    silent,
)
from mediatool_assets.versions import catalog
from mediatool_assets.versions import flow as chain
from mediatool_assets.versions.records import register, restore_records, write_local_registry

_ARCHIVES = (
    (ARCHIVE_PREFIXES["raw"], "-raw.tar.gz"),
    (ARCHIVE_PREFIXES["transformed"], "-transformed.tar.gz"),
    (ARCHIVE_PREFIXES["dump"], ".tar.gz"),
)

_UNREADABLE = "its metadata cannot be read: put back an earlier version of the object first"


def gather_inventory(
    objects: ObjectStore, deletion: Deletion, servers: Iterable[DatabaseServer], now: datetime
) -> RetentionInventory:
    """List everything except Object Lock, which takes a request per object: see ``with_locks``.

    Raises DamagedInput, Unreachable; changes nothing.
    """
    complete = _purposes(objects)
    found = catalog.read_marks(objects)
    databases = tuple(
        _known(objects, server, each) for server in servers for each in server.databases()
    )
    exports = tuple(_exports(objects, deletion, complete, now))
    versions = {*complete, *(d.version for d in databases), *(e.version for e in exports)}
    protected = {v: reason for v in versions if (reason := found.protection(v)) is not None}
    damaged = set(catalog.versions(objects)) - complete.keys()
    protected |= dict.fromkeys(damaged, _UNREADABLE)
    return RetentionInventory(
        complete,
        protected,
        {},
        databases,
        exports,
        tuple(_copies(objects)),
    )


def with_locks(
    found: RetentionInventory,
    deletion: Deletion,
    names: DatabaseNames,
    versions: Iterable[Version],
    keys: Iterable[str],
) -> RetentionInventory:
    """The inventory with the Object Lock state of these versions and of these copies' keys."""
    locked: dict[Version, str] = {}
    for version in sorted(set(versions)):
        reasons = (deletion.locked(key) for key in catalog.keys_of(version, names))
        if (reason := next((r for r in reasons if r is not None), None)) is not None:
            locked[version] = reason
    held = {key: deletion.locked(key) for key in keys}
    copies = tuple(replace(copy, lock=held.get(copy.key)) for copy in found.copies)
    return replace(found, locked=locked, copies=copies)


def _purposes(objects: ObjectStore) -> dict[Version, Purpose]:
    """The purpose of every version with metadata, from the registry where possible."""
    stored, _ = catalog.stored_registry(objects)
    return {
        Version.parse(entry.version): "testing" if entry.purpose == "testing" else "daily_backup"
        for entry in catalog.whole_registry(objects, stored or ())
    }


def _known(objects: ObjectStore, server: DatabaseServer, found: FoundDatabase) -> FoundDatabase:
    """A database with what the bucket records of it: its restores, and its archive."""
    restores = [
        datetime.fromisoformat(each.began)
        for each in restore_records(objects, found.version)
        if (each.to, each.server, each.database) == (found.server, server.server, found.name)
        and each.verdict == "verified"
    ]
    loaded = found.archive == objects.uri(archive_key("transformed", found.version))
    made = found.made or max(restores, default=None)
    unfinished = found.state == "unfinished"
    return replace(found, made=made, ours=loaded or bool(restores) or unfinished)


def _exports(
    objects: ObjectStore, deletion: Deletion, complete: dict[Version, Purpose], now: datetime
) -> Iterator[FoundExport]:
    """The test exports, and the objects of incomplete versions."""
    stored: dict[Version, set[str]] = {}
    for prefix, suffix in _ARCHIVES:
        for info in objects.list(prefix):
            name = info.key.rsplit("/", 1)[-1].removeprefix(objects.database_names.mongodb)
            version = Version.of_name(name, "", suffix)
            if version is not None and info.key in catalog.keys_of(version, objects.database_names):
                stored.setdefault(version, set()).add(info.key)
    for version in sorted(stored.keys() | complete.keys()):
        purpose, keys = complete.get(version), stored.get(version, set())
        if purpose == "testing":
            metadata, *archives = catalog.keys_of(version, objects.database_names)
            yield FoundExport(version, (metadata, *(k for k in archives if k in keys)), True)
        elif purpose is None:
            old = now - version.moment >= timedelta(days=1)
            testing = old and all(_is_tagged(deletion, key) for key in keys)
            yield FoundExport(version, tuple(sorted(keys)), testing)


def _is_tagged(deletion: Deletion, key: str) -> bool:
    name, value = TESTING
    try:
        return deletion.tags(key).get(name) == value
    except NotFound:  # it was deleted meanwhile
        return True


def _copies(objects: ObjectStore) -> Iterator[FoundCopy]:
    """The sanitized copies, and the objects beside them of the same version."""
    for info in objects.list(SANITIZED_PREFIX):
        version = Version.of_name(info.key.rsplit("/", 1)[-1][:15], "")
        if version is not None:
            yield FoundCopy(version, info.key, info.modified)


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of executing a plan: what is gone, what failed and why, and what is left."""

    dropped: list[Decision] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def plan(stores: Pruning, policy: Policy, now: datetime) -> tuple[Decision, ...]:
    """Decide on everything in the stores; changes nothing.

    Raises Refused if the bucket's rules (the live ones, else the declared ones) delete something
    earlier than the plan allows; DamagedInput, Unreachable.
    """
    _refuse_contradictions(policy, stores.bucket)
    found = gather_inventory(stores.objects, stores.deletion, stores.servers, now)
    decisions = decide(found, policy, now)
    if not _can_lock(stores.bucket):
        return decisions
    drops = [each for each in decisions if not each.keep]
    versions = (each.version for each in drops if each.kind != "sanitized")
    copies = (key for each in drops if each.kind == "sanitized" for key in each.keys)
    return decide(
        with_locks(found, stores.deletion, stores.objects.database_names, versions, copies),
        policy,
        now,
    )


def carry_out(
    stores: Pruning,
    decisions: Iterable[Decision],
    local_registry: Path,
    progress: Progress = silent,
) -> Pruned:
    """Delete what the plan drops, unless a mark made since the plan protects it.

    A failure does not stop the rest.

    Metadata is deleted first and then the registry is updated, so that readers are never offered a
    partly deleted version.
    """
    drops = [each for each in decisions if not each.keep]
    result = Pruned()
    hidden = [
        each for each in drops if each.kind == "export" and _tried(_hide, stores, each, result)
    ]
    if drops:
        register(stores.objects)
        write_local_registry(stores.objects, local_registry)
    rest = [*hidden, *(each for each in drops if each.kind != "export")]
    for number, each in enumerate(rest):
        progress(each.name, number, len(rest), "items")
        if _tried(_drop, stores, each, result):
            result.dropped.append(each)
    result.left.extend(_left(stores, result.dropped))
    return result


def _tried(
    act: Callable[[Pruning, Decision], None], stores: Pruning, drop: Decision, result: Pruned
) -> bool:
    """True if it was done; a failure's reason is recorded, and the rest continues."""
    try:
        act(stores, drop)
    except MediatoolError as error:
        result.failed[drop.name] = str(error)
        return False
    return True


def _hide(stores: Pruning, drop: Decision) -> None:
    """Remove a test version's metadata, after checking its purpose once more."""
    protection = _protection(stores, drop)
    _refuse_protected(drop, protection)
    if not drop.published:
        return
    key = metadata_key(drop.version)
    metadata, (data, _) = catalog.read(stores.objects, drop.version), stores.objects.get(key)
    if metadata.purpose != "testing":
        raise Refused(
            f"{drop.version} is a daily version and is kept; the registry is out of date: "
            "run `mediatool versions --rebuild`, then prune again"
        )
    if metadata.proof is not None:
        if stores.signing_key is None:
            raise Refused(
                f"{drop.version} is signed, and its deletion has to be an entry of the chain; set "
                "MEDIATOOL_SIGNING_KEY and prune again"
            )
        chain.append_deletion(stores.objects, stores.signing_key, drop.version, drop.reason)
    stores.deletion.remove(key)
    if protection() is not None:
        _put_back(stores, metadata, data)
        _refuse_protected(drop, protection)


def _drop(stores: Pruning, drop: Decision) -> None:
    """Delete one thing that the plan drops."""
    protection = never_protected if drop.kind == "sanitized" else _protection(stores, drop)
    _refuse_protected(drop, protection)
    for key in drop.keys:
        stores.deletion.remove(key)
    for server in stores.servers:
        if server.kind == drop.kind:
            server.remove(drop.name, protection)


def _protection(stores: Pruning, drop: Decision) -> ProtectionCheck:
    """Checks whether somebody has marked or completed the version since the plan was made."""

    def why_kept() -> str | None:
        if not drop.published and stores.objects.head(metadata_key(drop.version)) is not None:
            return "completed"
        return catalog.read_marks(stores.objects).protection(drop.version)

    return why_kept


def _refuse_protected(drop: Decision, protection: ProtectionCheck) -> None:
    if (reason := protection()) is not None:
        raise Refused(f"{drop.name} is kept: since the plan was made, it was {reason}")


def _put_back(stores: Pruning, metadata: Metadata, data: bytes) -> None:
    """Publish a version again that was marked while its metadata was deleted; it is signed anew."""
    if metadata.proof is not None and stores.signing_key is not None:
        unsigned = msgspec.structs.replace(metadata, proof=None)
        proof = chain.append_version(stores.objects, stores.signing_key, unsigned)
        data = msgspec.structs.replace(unsigned, proof=proof).to_json()
    with suppress(AlreadyExists):  # a concurrent prune has done it
        stores.objects.put(metadata_key(metadata.version), data)
    register(stores.objects)


def _left(stores: Pruning, dropped: Iterable[Decision]) -> Iterator[str]:
    """List what remains of the deleted things, as the stores report it now."""
    there = {(server.kind, each.name) for server in stores.servers for each in server.databases()}
    for drop in dropped:
        if (drop.kind, drop.name) in there:
            yield f"the {drop.kind} database {drop.name}"
        for key in drop.keys:
            if count := stores.deletion.left(key):
                yield f"{count} of {stores.objects.uri(key)}"


def _refuse_contradictions(policy: Policy, bucket: BucketSettings) -> None:
    live = bucket.read("lifecycle").document
    rules = lifecycle_rules(
        configuration(LIFECYCLE) if live is None else rules_below(live, bucket.prefix)
    )
    if found := list(conflicting_rules(policy, rules.values())):
        raise Refused(
            f"{'; '.join(found)}; nothing was dropped: keep less (MEDIATOOL_KEEP_TESTING_DAYS, "
            "MEDIATOOL_KEEP_SANITIZED_DAYS), or change the rule and `mediatool bucket apply`"
        )


def _can_lock(bucket: BucketSettings) -> bool:
    """True unless the bucket is known to lack Object Lock, which needs no requests then."""
    seen = bucket.read("object-lock")
    return seen.document is not None or seen.unknown is not None
