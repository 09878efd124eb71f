"""The verdict on a version: the result of one verification."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Literal

import msgspec

from mediatool_assets.domain.errors import Misuse
from mediatool_assets.domain.json_documents import JsonDocument
from mediatool_assets.domain.keys import VERDICTS_PREFIX
from mediatool_assets.domain.metadata import in_utc
from mediatool_assets.domain.outcome import Outcome, worst
from mediatool_assets.domain.sampling import DailySample
from mediatool_assets.domain.version import Version

FAILED, NOT_CHECKED = "-failed.json", "-not-checked.json"
"""The ends of the keys of such verdicts, so that a list need not read the others."""

CheckedPart = Literal["raw", "transformed", "dump", "mongodb", "postgres", "authenticity", "chain"]


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result for one archive or database.

    ``checked`` of ``total`` files, blocks, collections or tables were read, ``bytes`` uncompressed.
    ``findings`` say what is wrong, or why the outcome is unknown; each names the thing.
    """

    part: CheckedPart
    thing: str
    outcome: Outcome
    checked: int = 0
    total: int = 0
    bytes: int = 0
    findings: tuple[str, ...] = ()


class Verdict(
    msgspec.Struct,
    JsonDocument,
    frozen=True,
    omit_defaults=True,
    rename={"outcome": "verdict"},  # in the stored JSON
):
    """One verification of one version; ``sample`` is the percentage, None if all was read.

    ``authenticity`` says who made the version, if known.
    """

    INDENT: ClassVar = 0

    version: str
    at: str
    seconds: float
    outcome: Outcome
    checks: tuple[Check, ...]
    sample: float | None = None
    authenticity: str = ""

    def checked(self) -> "Verdict":
        """The verdict, whose sample and time must be possible, with its time in today's format."""
        try:
            DailySample(self.sample, datetime.fromisoformat(self.at).date())
        except (ValueError, OverflowError, Misuse) as error:
            raise msgspec.ValidationError(str(error)) from error
        return msgspec.structs.replace(self, at=in_utc(self.at))


def judged(checks: Iterable[Check]) -> Outcome:
    """The verdict of all checks; ``not checked`` if the sample had no part of the version."""
    outcomes = {check.outcome for check in checks}
    return "not checked" if outcomes - {"absent"} == {"not checked"} else worst(outcomes)


def standing(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The current verdict of a version, from all its verdicts in order of time.

    The newest ``failed`` one, until everything was read again and passed: in one run, or by samples
    of one percentage. Otherwise the newest one that read anything.
    """
    failed = max((n for n, each in enumerate(verdicts) if each.outcome == "failed"), default=None)
    if failed is not None and not _all_read(verdicts[failed:]):
        return verdicts[failed]
    read = [each for each in verdicts if each.outcome != "not checked"] or verdicts
    return read[-1] if read else None


def _all_read(verdicts: Iterable[Verdict]) -> bool:
    """Whether the verdicts that found no problem read the whole version together."""
    read: dict[int, set[int]] = {}
    for each in verdicts:
        if each.outcome in ("passed", "not checked"):
            sample = DailySample(each.sample, datetime.fromisoformat(each.at).date())
            read.setdefault(sample.days, set()).add(sample.offset)
    return any(len(offsets) == days for days, offsets in read.items())


def verdict_key(version: Version, verdict: Verdict) -> str:
    """The key of a verdict: by the version's day, then in order of time."""
    at = datetime.fromisoformat(verdict.at)
    end = {"failed": FAILED, "not checked": NOT_CHECKED}.get(verdict.outcome, ".json")
    return f"{verdicts_prefix(version)}{at:%Y%m%dT%H%M%S.%f}{end}"


def verdicts_prefix(version: Version) -> str:
    """The prefix of all verdicts on a version."""
    return f"{VERDICTS_PREFIX}{version.partition}/{version}-"


def unreadable(key: str) -> Verdict:
    """What the key of a damaged verdict contains: its version, its time, and whether it failed."""
    name = key.rpartition("/")[2]
    day, _, time = name[16:].partition("T")
    at = f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:13]}Z"
    return Verdict(name[:15], at, 0.0, "failed" if name.endswith(FAILED) else "unknown", ())
