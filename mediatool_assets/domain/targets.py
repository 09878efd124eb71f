"""Targets: the databases that a version is copied to, and what makes a version complete."""

from dataclasses import dataclass
from typing import Literal, get_args

Target = Literal["mongodb", "postgres"]
TARGETS: tuple[Target, ...] = get_args(Target)
NONE = "none"

VersionArchive = Literal["raw", "transformed", "dump"]
"""The archives that a version may have."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The databases of a version beside its archives on S3.

    A version is complete with its raw archive, its transformed archive and its metadata, which
    names what else it has. With ``mongodb`` these are its MongoDB database and the dump of it; with
    ``postgres`` its restored PostgreSQL database, or the reason why the restore made none.
    ``str`` and ``parse`` are inverse.
    """

    mongodb: bool = True
    postgres: bool = False

    @classmethod
    def parse(cls, text: str) -> "Targets":
        """Read ``mongodb``, ``postgres``, both with a comma, or ``none``; raises ValueError."""
        words = [word for part in text.split(",") if (word := part.strip().lower())]
        if words == [NONE]:
            return cls(mongodb=False, postgres=False)
        if not words or len({*words}) < len(words) or not set(words) <= set(TARGETS):
            raise ValueError(
                f"must be `mongodb`, `postgres`, `mongodb,postgres` or `{NONE}`, not {text!r}"
            )
        return cls(mongodb="mongodb" in words, postgres="postgres" in words)

    def __str__(self) -> str:
        return ", ".join(name for name in TARGETS if getattr(self, name)) or NONE

    @property
    def any(self) -> bool:
        """Whether there is any database."""
        return self.mongodb or self.postgres

    @property
    def archives(self) -> tuple[VersionArchive, ...]:
        """The archives of a complete version, in the order in which they are made."""
        return ("raw", "transformed", "dump") if self.mongodb else ("raw", "transformed")

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings without which no version can be made."""
        return (
            *(("mongodb_url",) if self.mongodb else ()),
            *(("restore_postgres_url",) if self.postgres else ()),
        )


DEFAULT = Targets()
"""Where nothing is set: MongoDB alone."""
