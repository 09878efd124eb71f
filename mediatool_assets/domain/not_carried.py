"""Objects of a source that no version contains, with the reasons."""

from collections.abc import Iterable

import msgspec

_WHY = {
    "cast": "it belongs to no schema",
    "default privileges": "they name roles of the source's server",
    "event trigger": "it belongs to no schema",
    "extension": "nothing in the exported schemas uses it",
    "foreign data wrapper": "it belongs to no schema",
    "foreign server": "it belongs to no schema",
    "grant": "it names a role of the source's server",
    "language": "it belongs to no schema",
    "large objects": "they belong to no table",
    "locale": "a restored database has the locale of its server",
    "owner": "the role that restores owns the restored objects",
    "policy": "it may name roles of the source's server; row security stays on",
    "publication": "it belongs to no schema",
    "revoked": "it names a role of the source's server; a restored object has the defaults",
    "schema": "MEDIATOOL_POSTGRES_SCHEMA does not name it",
    "security label": "it belongs to a provider on the source's server",
    "setting": "it belongs to the database or a role; its value is not shown",
    "stored rows": "no archive contains them; a restore computes them from the restored tables",
    "subscription": "it belongs to no schema",
    "tablespace": "it belongs to the source's server",
    "transform": "it belongs to no schema",
    "user mapping": "it names a role, and may hold a password",
}
"""Every kind, with the reason why versions do not contain it."""


class NotCarried(msgspec.Struct, frozen=True, omit_defaults=True):
    """An object that versions do not contain: its kind, its name or content, and its owners.

    ``("grant", "SELECT to reporting", ("table shop.orders", ...))``,
    ``("publication", "changes", ("table shop.orders", ...))``, ``("cast", "(text AS shop.code)")``.
    """

    kind: str
    name: str
    objects: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """Why versions do not contain it."""
        return _WHY.get(self.kind, "")


def in_few_words(found: Iterable[NotCarried]) -> str:
    """The number of each kind: ``1 publication, 3 grants``; empty if there are none."""
    counts: dict[str, int] = {}
    for each in found:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    return ", ".join(f"{count} {_plural(kind, count)}" for kind, count in counts.items())


def _plural(kind: str, count: int) -> str:
    if count == 1 or kind.endswith("s") or kind == "revoked":
        return kind
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
