"""Verdicts of verifications in the bucket: written once, and which one stands."""

import logging
import os.path
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from mediatool_assets.domain import verdict as verdicts
from mediatool_assets.domain.keys import VERDICTS_PREFIX
from mediatool_assets.domain.verdict import Verdict
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore

_LOG = logging.getLogger(__name__)


def store_verdict(objects: ObjectStore, verdict: Verdict) -> str:
    """Store a verdict permanently beside its version; returns its key."""
    key = verdicts.verdict_key(Version.parse(verdict.version), verdict)
    objects.put(key, verdict.to_json())
    return key


def standing_verdict(objects: ObjectStore, version: Version) -> Verdict | None:
    """The standing verdict on a version; None if it was never verified."""
    keys = [info.key for info in objects.list(verdicts.verdicts_prefix(version))]
    return standing_of(objects, keys)


def verdict_keys(objects: ObjectStore, versions: Sequence[Version]) -> dict[Version, list[str]]:
    """The keys of the verdicts on these versions, each in order of time, from one listing."""
    days = [version.partition for version in versions]
    shared = os.path.commonprefix(days)  # noqa: RUF071  # a bucket's prefix is of characters
    found: dict[Version, list[str]] = defaultdict(list)
    for info in objects.list(VERDICTS_PREFIX + shared) if versions else ():
        name = info.key.rpartition("/")[2]
        version = Version.of_name(name[:15], "")
        if version is not None:
            found[version].append(info.key)
    return found


def standing_of(objects: ObjectStore, keys: Sequence[str]) -> Verdict | None:
    """The standing verdict among those stored under the keys of a version."""
    failed = [n for n, key in enumerate(keys) if key.endswith(verdicts.FAILED)]
    read = [n for n, key in enumerate(keys) if not key.endswith(verdicts.NOT_CHECKED)]
    first = (failed or read or [0])[-1]
    return verdicts.standing([_read(objects, key) for key in keys[first:]])


def _read(objects: ObjectStore, key: str) -> Verdict:
    """One verdict; a damaged one is logged, and counts as failed or unknown, by its key."""
    try:
        return Verdict.from_json(objects.get(key)[0])
    except msgspec.MsgspecError as error:
        _LOG.warning("%s cannot be read (%s); verify the version again", objects.uri(key), error)
        return verdicts.unreadable(key)
