"""The ways to name a version: itself, a day, ``latest``, ``latest~2``, or a range."""

import re
from datetime import UTC, date, datetime, time

from mediatool_assets.domain.errors import Misuse, NotFound
from mediatool_assets.domain.suggestions import closest
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import catalog

FORMS = "YYYYMMDD-HHMMSS, YYYY-MM-DD, latest or latest~N"

_LATEST = re.compile(r"latest(?:~([0-9]{1,6}))?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RANGE = ".."


def named_version(objects: ObjectStore, text: str) -> Version:
    """The version that ``text`` names.

    A day is its newest complete version, ``latest~1`` the complete version before the newest. A
    version that is given in full need not be complete. Raises Misuse, NotFound.
    """
    if written := written_version(text):
        return written
    if match := _LATEST.fullmatch(text):
        return _latest(objects, int(match[1] or 0))
    return Version.parse(catalog.latest(objects, text).timestamp)


def written_version(text: str) -> Version | None:
    """The version if it is given in full; None for names that have to be looked up in the bucket.

    Raises Misuse for anything else.
    """
    if _LATEST.fullmatch(text) or _day(text):
        return None
    if Version.of_name(text, "") is None:
        meant = "did you mean latest? " if closest(text, ["latest"]) else ""
        raise Misuse(f"{text!r} is not a version; {meant}write {FORMS}")
    return Version.parse(text)


def named_versions(objects: ObjectStore, text: str) -> tuple[Version, ...]:
    """The complete versions of a range ``FIRST..LAST``, both included, oldest first; or one.

    A day as FIRST starts with its first version, and as LAST ends with its last. Raises Misuse, and
    NotFound if the range has none.
    """
    if _RANGE not in text:
        return (named_version(objects, text),)
    left, _, right = text.partition(_RANGE)
    if not left or not right:
        raise Misuse(f"{text!r} is not a range; write FIRST{_RANGE}LAST, each as {FORMS}")
    first = _bound(objects, left, time.min)
    last = _bound(objects, right, time.max)
    found = tuple(
        version
        for version in catalog.versions(objects, first.date(), last.date())
        if first <= version.moment <= last
    )
    if not found:
        raise NotFound(f"no complete version in {text}; `mediatool versions` lists them")
    return found


def _bound(objects: ObjectStore, text: str, of_day: time) -> datetime:
    day = _day(text)
    if day is None:
        return named_version(objects, text).moment
    return datetime.combine(day, of_day, UTC)


def _day(text: str) -> date | None:
    if not _DAY.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Misuse(f"{text!r} is not a date: {error}; write YYYY-MM-DD") from error


def _latest(objects: ObjectStore, back: int) -> Version:
    newest = Version.parse(catalog.latest(objects).timestamp)
    if not back:
        return newest
    found = catalog.versions_before(objects, newest, back)
    if len(found) < back:
        raise NotFound(
            f"latest~{back} does not exist: the oldest complete version is latest~{len(found)}"
        )
    return Version.parse(found[0].timestamp)
