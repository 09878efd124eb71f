"""The identity of one export: its UTC time to the second, and the day that it belongs to."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from mediatool_assets.domain.errors import Misuse

_FORMAT = "%Y%m%d-%H%M%S"
_SHAPE = re.compile(r"[0-9]{8}-[0-9]{6}")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The identity of one export, used by its archives, databases, dumps and reports.

    ``str`` and ``parse`` are inverse: ``str(Version.parse("20250621-143000"))``.
    """

    moment: datetime

    def __post_init__(self) -> None:
        """Refuse a time that is not a whole second in UTC."""
        if self.moment.tzinfo is not UTC or self.moment.microsecond:
            raise Misuse(f"a version is a whole second in UTC, not {self.moment!r}")

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Read ``YYYYMMDD-HHMMSS``; raises Misuse on anything else."""
        if not _SHAPE.fullmatch(text):
            raise Misuse(f"{text!r} is not a version; write YYYYMMDD-HHMMSS, as 20250621-143000")
        try:
            return cls(datetime.strptime(text, _FORMAT).replace(tzinfo=UTC))
        except ValueError as error:
            raise Misuse(f"{text!r} is not a version: {error}") from error

    @classmethod
    def of_name(cls, name: str, prefix: str, suffix: str = "") -> "Version | None":
        """The version in ``{prefix}{version}{suffix}``; None for any other name."""
        if not (name.startswith(prefix) and name.endswith(suffix)):
            return None
        try:
            return cls.parse(name[len(prefix) : len(name) - len(suffix)])
        except Misuse:
            return None

    @classmethod
    def at(cls, moment: datetime) -> "Version":
        """The version of a time with a time zone, cut to its second."""
        return cls(moment.astimezone(UTC).replace(microsecond=0))

    @property
    def day(self) -> date:
        """The UTC date on which the export was taken: its partition."""
        return self.moment.date()

    @property
    def partition(self) -> str:
        """The partition key, ``YYYY-MM-DD``."""
        return self.day.isoformat()

    def __str__(self) -> str:
        # %Y does not pad a year before 1000 in every C library
        return f"{self.moment.year:04}{self.moment:%m%d-%H%M%S}"
