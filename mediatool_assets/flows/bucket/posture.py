"""Records the posture of the bucket every day, and how it changed.

``postgres-exports/bucket/posture/{date}.json`` and ``.html`` hold the last record of the day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from mediatool_assets.domain.bucket.declaration import Declaration
from mediatool_assets.domain.bucket.drift import Drift, PostureRecord, drift
from mediatool_assets.domain.errors import DamagedInput
from mediatool_assets.domain.keys import RECORDS_PREFIX
from mediatool_assets.domain.metadata import instant
from mediatool_assets.domain.outcome import worst
from mediatool_assets.domain.page import Card, Items, OutcomeCell, Page, Section, grid
from mediatool_assets.flows.bucket import check
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.ports.bucket import BucketSettings
from mediatool_assets.flows.reports.html import html
from mediatool_assets.flows.reports.storage import keep

POSTURE_PREFIX = RECORDS_PREFIX + "posture/"
COMMANDS = "Commands"
"""The title of the section with the commands to paste."""


@dataclass(frozen=True, slots=True)
class PostureChange:
    """The posture now, the last recorded posture, and the changes between them."""

    now: PostureRecord
    earlier: PostureRecord | None
    drift: tuple[Drift, ...]
    key: str


def record(
    declared: Declaration, bucket: BucketSettings, objects: ObjectStore, now: datetime
) -> PostureChange:
    """Check the bucket, compare it with the last record, and store the result as today's record."""
    found = PostureRecord(declared.bucket, instant(now), check(declared, bucket))
    earlier = last(objects)
    changed = drift(earlier, found)
    day = f"{POSTURE_PREFIX}{now:%Y-%m-%d}"
    keep(objects, f"{day}.json", found.to_json())
    keep(objects, f"{day}.html", html(page(found, changed)).encode())
    return PostureChange(found, earlier, changed, f"{day}.json")


def last(objects: ObjectStore) -> PostureRecord | None:
    """The newest record; None where there is none. Raises DamagedInput."""
    keys = [info.key for info in objects.list(POSTURE_PREFIX) if info.key.endswith(".json")]
    if not keys:
        return None
    try:
        return PostureRecord.from_json(objects.get(keys[-1])[0])
    except msgspec.MsgspecError as error:
        raise DamagedInput(
            f"{objects.uri(keys[-1])} cannot be read ({error}); delete it to use the "
            "previous record"
        ) from error


def page(found: PostureRecord, changed: Sequence[Drift] = ()) -> Page:
    """The page of controls, those that did not pass first, with the commands that set them."""
    controls = sorted(found.controls, key=lambda each: each.verdict == "passed")
    counts = {
        word: sum(each.verdict == word for each in controls)
        for word in ("passed", "failed", "unknown")
    }
    rows = (
        (
            OutcomeCell(each.verdict),
            each.name,
            each.says,
            " ".join((*each.prowler, *each.checkov)),
        )
        for each in controls
    )
    commands = tuple(dict.fromkeys(line for each in controls for line in each.commands))
    return Page(
        f"Bucket {found.bucket}",
        worst(each.verdict for each in controls),
        f"{counts['passed']} of {len(controls)} controls passed.",
        [f"Read at {found.taken}. Unknown: the setting could not be read, so it may be unsafe."],
        [Card(word.capitalize(), str(count)) for word, count in counts.items()],
        [
            Section("Changed since the last record", [Items(tuple(map(str, changed)))]),
            Section(
                "Controls",
                [grid(("Outcome", "Control", "Found", "Checks of Prowler and Checkov"), rows)],
                detail="summary",
            ),
            Section(
                COMMANDS,
                [Items(commands, code=True)],
                "`mediatool bucket apply` runs the allowed ones; run the others by hand.",
                detail="summary",
            ),
        ],
    )
