"""Verdicts of verifications in the bucket: how they are written, and which one counts."""

from mediatool_assets.domain import verdict as verdicts
from mediatool_assets.domain.verdict import Verdict
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore


def store_verdict(objects: ObjectStore, verdict: Verdict) -> str:
    """Store a verdict beside its version, for good; returns its key."""
    key = verdicts.verdict_key(Version.parse(verdict.version), verdict)
    objects.put(key, verdicts.encode(verdict))
    return key


def standing_verdict(objects: ObjectStore, version: Version) -> Verdict | None:
    """The verdict on a version that counts; None where it was never verified."""
    keys = [info.key for info in objects.list(verdicts.verdicts_prefix(version))]
    failed = [n for n, key in enumerate(keys) if key.endswith(verdicts.FAILED)]
    read = [n for n, key in enumerate(keys) if not key.endswith(verdicts.NOT_CHECKED)]
    first = (failed or read or [0])[-1]
    return verdicts.standing([verdicts.decode(objects.get(key)[0]) for key in keys[first:]])
