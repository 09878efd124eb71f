"""Features of a server that a schema needs when it is restored there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mediatool_assets.domain.ddl.restorable import RestoreScript
from mediatool_assets.domain.schema import Schema

_COLLATED = re.compile(r'\bCOLLATE pg_catalog\."((?:[^"]|"")+)"')
_LZ4 = re.compile(r"\bSET COMPRESSION lz4\b")
_ICU = re.compile(r"\bprovider = icu\b")


@dataclass(frozen=True, slots=True)
class ServerFeatures:
    """The features needed, or those of a server; ``collations`` are those of ``pg_catalog``."""

    major: int
    extensions: frozenset[str] = frozenset()
    collations: frozenset[str] = frozenset()
    icu: bool = False
    lz4: bool = False
    xml: bool = False

    def lacking(self, has: "ServerFeatures") -> Iterator[str]:
        """The needed features that a server does not have."""
        if has.major < self.major:
            yield f"PostgreSQL {self.major} or newer (it has {has.major})"
        for extension in sorted(self.extensions - has.extensions):
            yield f"the extension {extension}"
        for collation in sorted(self.collations - has.collations):
            yield f"the collation {collation}"
        if self.icu and not has.icu:
            yield "ICU (collations)"
        if self.lz4 and not has.lz4:
            yield "lz4 (compressed columns)"
        if self.xml and not has.xml:
            yield "libxml (columns of type xml)"


def needs(major: int, schema: Schema, script: RestoreScript) -> ServerFeatures:
    """The features that ``schema.sql``, as a restore reads it, and ``schema.json`` need."""
    collations, icu, lz4 = set[str](), False, False
    for entry in (*script.before, *script.after):
        for text in entry.statements:
            collations.update(name.replace('""', '"') for name in _COLLATED.findall(text))
            lz4 = lz4 or bool(_LZ4.search(text))
            icu = icu or (entry.kind == "COLLATION" and bool(_ICU.search(text)))
    bases = {column.element or column.base for table in schema.tables for column in table.columns}
    return ServerFeatures(
        major,
        frozenset(extension.name for extension in script.extensions),
        frozenset(collations),
        icu or any(name.endswith("-x-icu") for name in collations),
        lz4,
        "xml" in bases,
    )
