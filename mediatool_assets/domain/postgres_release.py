"""Releases of PostgreSQL servers and clients, and their order."""

import re
from typing import NamedTuple

_RELEASE = re.compile(r"(\d+)(?:\.(\d+))?")


class Release(NamedTuple):
    """A release: ``17.12``."""

    major: int
    minor: int

    @classmethod
    def of(cls, number: int) -> "Release":
        """The release with this ``server_version_num``."""
        return cls(*divmod(number, 10_000))

    @classmethod
    def parse(cls, text: str | int | None) -> "Release":
        """The release that a version text begins with; 0.0 for any other text."""
        match = _RELEASE.match(str(text))
        return cls(int(match[1]), int(match[2] or 0)) if match else cls(0, 0)

    def dumps(self, server: "Release") -> bool:
        """Whether a pg_dump of this release can dump everything that the server may store."""
        return self.major == server.major and self.minor >= server.minor

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"
