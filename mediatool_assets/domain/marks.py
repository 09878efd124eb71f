"""The marks of versions, made after their export: notes, pins and promotions.

A version's metadata is written once and never changed; this small document holds what can change.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec

from mediatool_assets.domain.errors import Refused
from mediatool_assets.domain.json_documents import JsonDocument
from mediatool_assets.domain.metadata import instant
from mediatool_assets.domain.version import Version

ProtectionCheck = Callable[[], str | None]
"""Called before a removal: why it must not be removed, by the current marks; None if it may."""


def never_protected() -> None:
    """The ``ProtectionCheck`` of what no mark protects."""


class Pin(msgspec.Struct, frozen=True):
    """Who pinned a version, and when."""

    at: str
    who: str


class Promotion(msgspec.Struct, frozen=True, omit_defaults=True):
    """One promotion; ``withdrawn`` is the time of the rollback that withdrew it."""

    version: str
    at: str
    who: str
    withdrawn: str | None = None


class Marks(msgspec.Struct, JsonDocument, frozen=True, omit_defaults=True):
    """All marks; ``promotions`` is the whole history, oldest first."""

    notes: dict[str, str] = {}
    pinned: dict[str, Pin] = {}
    promotions: tuple[Promotion, ...] = ()

    @property
    def promoted(self) -> str | None:
        """The version that applications should use."""
        return next((p.version for p in reversed(self.promotions) if not p.withdrawn), None)

    @property
    def fallback(self) -> str | None:
        """The version that ``rollback`` returns to."""
        standing = [p.version for p in self.promotions if not p.withdrawn]
        return standing[-2] if len(standing) > 1 else None

    @property
    def protected(self) -> frozenset[str]:
        """Every version that a mark protects."""
        return frozenset(filter(None, (*self.pinned, self.promoted, self.fallback)))

    def protection(self, version: Version) -> str | None:
        """Why the version must not be dropped; None if no mark protects it."""
        name = str(version)
        if name == self.promoted:
            return "promoted: applications use it"
        if name in self.pinned:
            return f"pinned by {self.pinned[name].who}"
        return "promoted before: rollback returns to it" if name == self.fallback else None

    def annotated(self, version: Version, notes: str) -> "Marks":
        """The marks with new notes for the version."""
        return msgspec.structs.replace(self, notes=self.notes | {str(version): notes})

    def keeping(self, version: Version, at: datetime, who: str) -> "Marks":
        """The marks with the version pinned; an existing pin is unchanged."""
        pinned = {str(version): Pin(instant(at), who)} | self.pinned
        return msgspec.structs.replace(self, pinned=pinned)

    def letting_go(self, version: Version) -> "Marks":
        """The marks without the version's pin."""
        pinned = {name: pin for name, pin in self.pinned.items() if name != str(version)}
        return msgspec.structs.replace(self, pinned=pinned)

    def promoting(self, version: Version, at: datetime, who: str) -> "Marks":
        """The marks with the version promoted; unchanged if it is promoted already."""
        if str(version) == self.promoted:
            return self
        promotion = Promotion(str(version), instant(at), who)
        return msgspec.structs.replace(self, promotions=(*self.promotions, promotion))

    def withdrawing(self, version: Version, made: datetime, at: datetime) -> "Marks":
        """The marks with the version's promotion made at ``made`` withdrawn, if it is in force."""
        promotions = tuple(
            msgspec.structs.replace(p, withdrawn=instant(at))
            if (p.version, p.at, p.withdrawn) == (str(version), instant(made), None)
            else p
            for p in self.promotions
        )
        return msgspec.structs.replace(self, promotions=promotions)

    def rolled_back(self, at: datetime) -> "Marks":
        """The marks with the last promotion in force withdrawn; raises Refused for the first."""
        if self.fallback is None:
            raise Refused(
                "there is no earlier promotion to return to; `mediatool promote VERSION` makes one"
            )
        last = max(n for n, p in enumerate(self.promotions) if not p.withdrawn)
        withdrawn = msgspec.structs.replace(self.promotions[last], withdrawn=instant(at))
        promotions = (*self.promotions[:last], withdrawn, *self.promotions[last + 1 :])
        return msgspec.structs.replace(self, promotions=promotions)

    def to_json(self) -> bytes:
        """The bytes of the document, sorted by name and indented for people."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=4) + b"\n"
