"""The verdict on a version: what was read again, and whether it is still what it was."""

import math
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal, TypeVar

import msgspec

from mediatool_assets.domain.errors import Misuse
from mediatool_assets.domain.version import Version

VERDICTS_PREFIX = "postgres-exports/verdicts/"
FAILED = "-failed.json"
"""The end of a failed verdict's key, so that a list of many versions need not read the others."""

Part = Literal["raw", "transformed", "dump", "mongodb", "postgres"]

Outcome = Literal["passed", "failed", "unknown", "absent"]
"""``unknown``: it could not be read, so that nothing is known; ``absent``: there is no such
database (any more), and nothing to read."""

Item = TypeVar("Item")


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was found of one archive or database.

    ``checked`` of ``total`` files, blocks, collections or tables were read, ``bytes`` uncompressed.
    ``findings`` say what is wrong, or why nothing is known; each names the thing.
    """

    part: Part
    thing: str
    outcome: Outcome
    checked: int = 0
    total: int = 0
    bytes: int = 0
    findings: tuple[str, ...] = ()


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """One verification of one version; ``sample`` is the percentage, None where all was read."""

    version: str
    at: str
    seconds: float
    verdict: Literal["passed", "failed", "unknown"]
    checks: tuple[Check, ...]
    sample: float | None = None


def judged(checks: Iterable[Check]) -> Literal["passed", "failed", "unknown"]:
    """The verdict of all checks: what is not known has not passed; what is absent has no say."""
    outcomes = {check.outcome for check in checks}
    if "failed" in outcomes:
        return "failed"
    return "unknown" if "unknown" in outcomes or "passed" not in outcomes else "passed"


class Share:
    """The share of things that is read on one day: all of them are, over ``days`` days."""

    def __init__(self, percent: float | None, today: date) -> None:
        if percent is not None and not 0 < percent <= 100:
            raise Misuse(f"a sample of {percent:g} % has no meaning; take one above 0, up to 100")
        self.percent = percent
        self.days = 1 if percent is None else math.ceil(100 / percent)
        self.offset = today.toordinal() % self.days

    @property
    def whole(self) -> bool:
        """Whether every day reads all."""
        return self.days == 1

    def has(self, number: int) -> bool:
        """Whether a thing is in today's share that has no place in a row, but a number for good."""
        return number % self.days == self.offset

    def of(self, things: Iterable[Item]) -> list[Item]:
        """Today's share: every ``days``-th, begun one further on each day."""
        return [thing for index, thing in enumerate(things) if index % self.days == self.offset]


def standing(verdicts: Sequence[Verdict]) -> Verdict | None:
    """Of a version's verdicts in order of time, the one that counts.

    The newest ``failed`` one, until all was read again and passed: at once, or by the samples of
    one percentage; then, and where none failed, the newest.
    """
    failed = max((n for n, each in enumerate(verdicts) if each.verdict == "failed"), default=None)
    if failed is not None and not _all_read(verdicts[failed + 1 :]):
        return verdicts[failed]
    return verdicts[-1] if verdicts else None


def _all_read(verdicts: Iterable[Verdict]) -> bool:
    """Whether what passed of these is the whole version."""
    read: dict[int, set[int]] = {}
    for each in verdicts:
        if each.verdict == "passed":
            share = Share(each.sample, datetime.fromisoformat(each.at).date())
            read.setdefault(share.days, set()).add(share.offset)
    return any(len(offsets) == days for days, offsets in read.items())


def verdict_key(version: Version, verdict: Verdict) -> str:
    """Where a verdict lies: by the version's day, then in order of time; ``-failed`` if it is."""
    at = datetime.fromisoformat(verdict.at)
    failed = FAILED if verdict.verdict == "failed" else ".json"
    return f"{verdicts_prefix(version)}{at:%Y%m%dT%H%M%S.%f}{failed}"


def verdicts_prefix(version: Version) -> str:
    """What the verdicts on a version begin with."""
    return f"{VERDICTS_PREFIX}{version.partition}/{version}-"


def encode(verdict: Verdict) -> bytes:
    """The bytes of the object: one line of JSON."""
    return msgspec.json.encode(verdict) + b"\n"


def decode(data: bytes) -> Verdict:
    """Read a verdict; raises msgspec.DecodeError on anything else."""
    return msgspec.json.decode(data, type=Verdict)
