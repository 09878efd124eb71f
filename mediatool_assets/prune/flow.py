"""Prune: decides what to delete, deletes it, and checks that it is gone."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from mediatool_assets.domain.bucket.aspects import lifecycle_rules
from mediatool_assets.domain.bucket.declaration import LIFECYCLE
from mediatool_assets.domain.bucket.lifecycle import configuration, rules_below
from mediatool_assets.domain.errors import AlreadyExists, MediatoolError, Refused
from mediatool_assets.domain.keys import metadata_key
from mediatool_assets.domain.marks import ProtectionCheck, never_protected
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.retention import Decision, Policy, conflicting_rules, decide
from mediatool_assets.flows.ports import Progress, silent
from mediatool_assets.flows.ports.bucket import BucketSettings
from mediatool_assets.flows.ports.retention import Pruning
from mediatool_assets.flows.prune.inventory import gather_inventory, with_locks
from mediatool_assets.flows.versions import catalog, chain, marks
from mediatool_assets.flows.versions.registry import register, write_local_registry


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
        return marks.read(stores.objects).protection(drop.version)

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
