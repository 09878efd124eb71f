"""Retention: which databases, test exports and sanitized copies are dropped, and why.

A pure decision over what exists. Archives of complete daily versions are not part of it: the
bucket's lifecycle rules expire them. Those of a failed version are dropped if its day has another.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from mediatool_assets.core.bucket import TESTING, Document, prefix_of
from mediatool_assets.core.inventory import (
    FoundCopy,
    FoundDatabase,
    FoundExport,
    RetentionInventory,
)
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import quantity
from mediatool_assets.core.version import (
    DUMPS_PREFIX,
    METADATA_PREFIX,
    RAW_PREFIX,
    SANITIZED_PREFIX,
    TRANSFORMED_PREFIX,
    Version,
)

_A_RUN = timedelta(days=1)
"""The longest time of a run. What is older and has no metadata gets none, except by a new run."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is kept: databases by grandfather-father-son rotation, the rest by age in days.

    Of each server's daily databases, the newest of each of the last ``daily`` days is kept, of each
    of the last ``weekly`` weeks, and so on. Periods without a database do not count.
    """

    daily: int = 7
    weekly: int = 4
    monthly: int = 3
    yearly: int = 0
    testing_days: int = 7
    sanitized_days: int = 30

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """The policy of the settings ``MEDIATOOL_KEEP_DAILY``, ``_WEEKLY`` and so on."""
        return cls(**{name: getattr(settings, f"keep_{name}") for name in cls.__slots__})

    def __str__(self) -> str:
        return (
            f"{self.daily} daily, {self.weekly} weekly, {self.monthly} monthly, "
            f"{self.yearly} yearly"
        )


Kind = Literal["mongodb", "postgres", "export", "sanitized"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether one thing is kept, and why; ``keys`` are its objects in the bucket.

    ``published``: its version had metadata when this was decided.
    """

    kind: Kind
    name: str
    version: Version
    keep: bool
    reason: str
    keys: tuple[str, ...] = ()
    published: bool = True


def decide(found: RetentionInventory, policy: Policy, now: datetime) -> tuple[Decision, ...]:
    """Decide to keep or drop everything that was found: exactly one decision for each thing.

    Never dropped: the newest complete version, the newest daily one, each server's newest complete
    database, what a mark protects or Object Lock holds, what is in use, and what this package did
    not make. Deciding again on the rest drops nothing.
    """
    decide_one = _Decider(found, policy, now)
    return (
        *(decide_one.database(each) for each in found.databases),
        *(decide_one.export(each) for each in found.exports),
        *(decide_one.copy(each) for each in found.copies),
    )


class _Decider:
    """The rules, in order of precedence."""

    def __init__(self, found: RetentionInventory, policy: Policy, now: datetime) -> None:
        self._found, self._policy, self._now = found, policy, now
        daily = (v for v, purpose in found.complete.items() if purpose == "daily_backup")
        self._last = {
            max(daily, default=None): "the last complete daily version",
            max(found.complete, default=None): "the last complete version",
        }
        self._unpublished = {e.version: e for e in found.exports if e.version not in found.complete}
        self._newest: dict[str, Version] = {}
        for each in found.databases:
            if each.state == "complete" and not each.sanitized:
                newest = self._newest.get(each.server, each.version)
                self._newest[each.server] = max(newest, each.version)
        self._generations = {
            server: _generations(
                (
                    each.version
                    for each in found.databases
                    if each.server == server
                    and each.state == "complete"
                    and not each.sanitized
                    and found.complete.get(each.version) == "daily_backup"
                ),
                policy,
            )
            for server in ("mongodb", "postgres")
        }

    def database(self, found: FoundDatabase) -> Decision:
        keep, reason = self._of_database(found)
        published = found.version in self._found.complete
        return Decision(found.server, found.name, found.version, keep, reason, (), published)

    def _of_database(self, found: FoundDatabase) -> tuple[bool, str]:
        if found.sanitized:
            return self._of_sanitized(found)
        if (reason := self._hold(found)) is not None:
            return True, reason
        if found.state == "unfinished":
            return self._of_unfinished(found)
        if (reason := self._grace(found)) is not None:
            return True, reason
        if found.version not in self._found.complete:
            return self._of_unknown(found)
        return self._of_age(found)

    def _hold(self, found: FoundDatabase) -> str | None:
        """Why the database is kept, whatever its age; None if nothing holds it."""
        if (reason := self._use(found)) is not None:
            return reason
        if (reason := self._protection(found.version)) is not None:
            return reason
        newest = found.state == "complete" and self._newest[found.server] == found.version
        return "the newest complete database of its server" if newest else None

    def _use(self, found: FoundDatabase) -> str | None:
        """Who uses the database; None if retention may drop it."""
        if found.state == "foreign":
            return "no load or restore made it; only you may drop it"
        return found.busy

    def _of_unfinished(self, found: FoundDatabase) -> tuple[bool, str]:
        age = self._age(found.made or found.version.moment)
        if age < _A_RUN or self._age(found.version.moment) < _A_RUN:
            return True, "not finished and younger than a day: a run may be in progress"
        return False, f"never finished: begun {_days(age)} ago, and no marker"

    def _of_unknown(self, found: FoundDatabase) -> tuple[bool, str]:
        """A database whose version has no metadata; with its archives, a run can complete it."""
        export = self._unpublished.get(found.version)
        if export is not None and found.ours:
            return self._of_export(export)
        age = self._age(found.version.moment)
        if age < _A_RUN:
            return True, "no metadata yet and younger than a day: a run may be in progress"
        if not found.ours:
            return True, "its version is not in this bucket, which has no record of making it"
        return False, f"its version has no metadata in the bucket and is {_days(age)} old"

    def _of_sanitized(self, found: FoundDatabase) -> tuple[bool, str]:
        """A database of a sanitized copy: it expires by age, as copies do."""
        reason = self._use(found) or self._found.protected.get(found.version)
        if reason is not None:
            return True, reason
        if found.state == "unfinished":
            return self._of_unfinished(found)
        age = self._age(found.made or found.version.moment)
        limit = timedelta(days=self._policy.sanitized_days)
        reason = f"made of a sanitized copy {_days(age)} ago; kept for {_days(limit)}"
        return age < limit, reason

    def _grace(self, found: FoundDatabase) -> str | None:
        """Why a recently restored database is kept, whatever its version's age; else None."""
        made, limit = found.made, timedelta(days=self._policy.testing_days)
        if made is None or made - found.version.moment <= _A_RUN or self._age(made) >= limit:
            return None
        return f"restored {_days(self._age(made))} ago, kept for {_days(limit)}"

    def _of_age(self, found: FoundDatabase) -> tuple[bool, str]:
        if found.state == "partial":
            age = self._age(found.version.moment)
            limit = timedelta(days=self._policy.testing_days)
            reason = f"a part of its version, {_days(age)} old; kept for {_days(limit)}"
            return age < limit, reason
        if self._found.complete[found.version] == "testing":
            return self._of_testing(found.version)
        generation = self._generations[found.server].get(found.version)
        return generation is not None, generation or f"older than {self._policy}"

    def _of_testing(self, version: Version) -> tuple[bool, str]:
        age, limit = self._age(version.moment), timedelta(days=self._policy.testing_days)
        if age < limit:
            return True, f"made for testing, {_days(age)} old, kept for {_days(limit)}"
        return False, f"made for testing, {_days(age)} old"

    def export(self, found: FoundExport) -> Decision:
        protection = self._protection(found.version)
        if protection is not None:
            keep, reason = True, protection
        else:
            keep, reason = self._of_export(found)
        name, published = str(found.version), found.version in self._found.complete
        return Decision("export", name, found.version, keep, reason, found.keys, published)

    def _of_export(self, found: FoundExport) -> tuple[bool, str]:
        """A test export, or one without metadata."""
        if found.testing:
            return self._of_testing(found.version)
        if self._age(found.version.moment) < _A_RUN:
            return True, "no metadata yet and younger than a day: a run may be in progress"
        return self._of_failed(found.version)

    def _of_failed(self, version: Version) -> tuple[bool, str]:
        """An export without metadata: kept until its day has a complete version."""
        others = [
            v
            for v, purpose in self._found.complete.items()
            if v.partition == version.partition and purpose == "daily_backup"
        ]
        if not others:
            return True, (
                "never completed, and its day has nothing else: "
                f"`mediatool export --date {version.partition}` completes it"
            )
        age, limit = self._age(version.moment), timedelta(days=self._policy.testing_days)
        reason = (
            f"never completed, {_days(age)} old, kept for {_days(limit)}; {max(others)} is complete"
        )
        return age < limit, reason

    def copy(self, found: FoundCopy) -> Decision:
        """A copy can be made again from its version: marks do not protect it, Object Lock does."""
        age, limit = self._age(found.modified), timedelta(days=self._policy.sanitized_days)
        keep = found.lock is not None or age < limit
        reason = found.lock or f"a sanitized copy, {_days(age)} old; kept for {_days(limit)}"
        return Decision("sanitized", found.key, found.version, keep, reason, (found.key,))

    def _protection(self, version: Version) -> str | None:
        if (reason := self._found.protected.get(version)) is not None:
            return reason
        if (reason := self._last.get(version)) is not None:
            return reason
        return self._found.locked.get(version)

    def _age(self, moment: datetime) -> timedelta:
        return self._now - moment


def _days(age: timedelta) -> str:
    return quantity(age.days, "day")


def _generations(versions: Iterable[Version], policy: Policy) -> dict[Version, str]:
    """The newest version of each of the last days, weeks, months and years that have one."""
    rules: tuple[tuple[str, int, Callable[[Version], str]], ...] = (
        ("day", policy.daily, lambda v: v.partition),
        ("week", policy.weekly, lambda v: f"{v.day:%G-W%V}"),
        ("month", policy.monthly, lambda v: v.partition[:7]),
        ("year", policy.yearly, lambda v: v.partition[:4]),
    )
    ordered = sorted(versions, reverse=True)
    kept: dict[Version, str] = {}
    for name, count, period_of in rules:
        newest: dict[str, Version] = {}
        for version in ordered:
            newest.setdefault(period_of(version), version)
        for number, (period, version) in enumerate(list(newest.items())[:count], 1):
            kept.setdefault(version, f"the newest of {name} {period}, {number} of {count}")
    return kept


def conflicting_rules(policy: Policy, rules: Iterable[Document]) -> Iterator[str]:
    """Rules of the bucket, in canonical form, that delete what the policy keeps."""
    for rule in rules:
        days = _expiry(rule)
        if rule.get("Status") != "Enabled" or days is None:
            continue
        says = f"the bucket's rule {rule.get('ID', '(unnamed)')} deletes"
        after = f"after {quantity(days, 'day')}, the plan keeps them"
        tags, prefix = _tags(rule), prefix_of(rule)
        hits_tests = not tags or TESTING in tags
        of_tests = hits_tests and any(_meet(prefix, part) for part in _TEST_PREFIXES)
        if of_tests and days < policy.testing_days:
            yield f"{says} test exports {after} for {policy.testing_days} days"
        if not tags and _meet(prefix, SANITIZED_PREFIX) and days < policy.sanitized_days:
            yield f"{says} sanitized copies {after} for {policy.sanitized_days} days"
        if not tags and _meet(prefix, METADATA_PREFIX):
            yield f"{says} metadata files {after} forever"


def _expiry(rule: Document) -> int | None:
    """The age at which a rule deletes: 0 if it names a date; None if it never deletes."""
    expiration: Mapping[str, Any] = rule.get("Expiration", {})
    days: int | None = 0 if "Date" in expiration else expiration.get("Days")
    return days


_TEST_PREFIXES = (METADATA_PREFIX, RAW_PREFIX, TRANSFORMED_PREFIX, DUMPS_PREFIX)


def _meet(one: str, other: str) -> bool:
    """Whether a key can begin with both prefixes."""
    return one.startswith(other) or other.startswith(one)


def _tags(rule: Document) -> list[tuple[str, str]]:
    where: Mapping[str, Any] = rule["Filter"]
    found = [where["Tag"]] if "Tag" in where else where.get("And", {}).get("Tags", [])
    return [(tag["Key"], tag["Value"]) for tag in found]
