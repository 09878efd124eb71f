"""Recording the posture: the check's verdicts of every day, kept in the bucket, and their drift.

``postgres-exports/bucket/posture/{date}.json``, the last of the day.
"""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from mediatool_assets.domain.bucket.declaration import Declaration
from mediatool_assets.domain.bucket.drift import Drift, Recorded, drift
from mediatool_assets.domain.errors import DamagedInput
from mediatool_assets.domain.keys import RECORDS_PREFIX
from mediatool_assets.flows.bucket import check
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.ports.bucket import BucketSettings
from mediatool_assets.flows.reports import keep

POSTURE_PREFIX = RECORDS_PREFIX + "posture/"


@dataclass(frozen=True, slots=True)
class Looked:
    """What is now, what was recorded last, and what has changed between."""

    now: Recorded
    earlier: Recorded | None
    drift: tuple[Drift, ...]
    key: str


def record(
    declared: Declaration, bucket: BucketSettings, objects: ObjectStore, now: datetime
) -> Looked:
    """Check the bucket, hold it against the last record, and record it in its place of the day."""
    found = Recorded(declared.bucket, f"{now:%Y-%m-%dT%H:%M:%SZ}", check(declared, bucket))
    earlier = last(objects)
    key = f"{POSTURE_PREFIX}{now:%Y-%m-%d}.json"
    keep(objects, key, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    return Looked(found, earlier, drift(earlier, found), key)


def last(objects: ObjectStore) -> Recorded | None:
    """The newest record; None where there is none. Raises DamagedInput."""
    keys = [info.key for info in objects.list(POSTURE_PREFIX)]
    if not keys:
        return None
    try:
        return msgspec.json.decode(objects.get(keys[-1])[0], type=Recorded)
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(keys[-1])} cannot be read ({error}); delete it, and the record before "
            "it is held against"
        ) from error
