"""What the proof is made of: keyed digests of values, in files on local disk, never the values."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow
import pyarrow.parquet

from mediatool_assets.domain.masking.masker import REDACTED, Masker
from mediatool_assets.flows.sanitize.search import searchable

Row = dict[str, msgspec.Raw]

LONG = 10
"""Digits of which a permutation leaves a number as it was once in 9,000,000,000."""

_BINARY = pyarrow.binary()
_TEXT = pyarrow.string()
SCHEMAS = {
    "values": pyarrow.schema(
        [
            ("kind", _TEXT),
            ("before", _BINARY),
            ("after", _BINARY),
            ("search", _BINARY),
            ("is_long", pyarrow.bool_()),
        ]
    ),
    "names": pyarrow.schema([("search", _BINARY)]),
    "tokens": pyarrow.schema(
        [("place", _TEXT), ("exempt", _TEXT), ("kept", pyarrow.bool_()), ("token", _BINARY)]
    ),
    "keys": pyarrow.schema(
        [("name", _TEXT), ("side", _TEXT), ("before", _BINARY), ("after", _BINARY)]
    ),
}
"""The files of a share: originals and pseudonyms, parts of the originals of names of people, tokens
of the output (``kept``: of what came out as it was), keys and references."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Columns whose values are followed: a key, one end of a reference, or a group.

    ``each`` where the one column is an array, whose elements refer.
    """

    name: str
    side: Literal["key", "from", "to", "group"]
    columns: tuple[str, ...]
    each: bool = False


def digester(key: bytes) -> Callable[[bytes], bytes]:
    """16 bytes that tell whether two values are equal, and nothing else to who lacks the key."""

    def digest(value: bytes) -> bytes:
        return hashlib.blake2b(value, digest_size=16, key=key).digest()

    return digest


@dataclass(slots=True)
class Evidence:
    """What one share adds. Memory: the digests of a share's different values, and its keys."""

    digest: Callable[[bytes], bytes]
    watches: Sequence[Watch]
    tokens: dict[tuple[str, str, bool], set[str]] = field(default_factory=lambda: defaultdict(set))
    _keys: list[tuple[str, str, bytes, bytes]] = field(default_factory=list)

    def watch(self, before: Row, after: Row) -> None:
        """Follow the keys and references of a row."""
        for watch in self.watches:
            pairs = _elements(before, after, watch) if watch.each else _tuples(before, after, watch)
            for old, new in pairs:
                self._keys.append((watch.name, watch.side, self.digest(old), self.digest(new)))

    def write(self, folder: Path, share: int | str, masker: Masker) -> None:
        """Write the files of the share, or of what is none and has a name."""
        values = [
            (
                kind,
                self._of(before),
                None if kind == REDACTED else self._of(after),
                self._found(before),
                sum(map(str.isdigit, before)) >= LONG,
            )
            for kind, pairs in masker.pairs.items()
            for before, after in pairs.items()
        ]
        tokens = [
            (place, exempt, kept, self._of(token))
            for (place, exempt, kept), found in self.tokens.items()
            for token in found
        ]
        names = [(self._of(part),) for part in masker.name_parts()]
        files: dict[str, Sequence[tuple[object, ...]]] = {
            "values": values,
            "names": names,
            "tokens": tokens,
            "keys": self._keys,
        }
        for name, rows in files.items():
            _write(folder / f"{name}-{share}.parquet", SCHEMAS[name], rows)

    def _of(self, text: str) -> bytes:
        return self.digest(text.encode("utf-8", "surrogatepass"))

    def _found(self, text: str) -> bytes | None:
        form = searchable(text)
        return None if form is None else self._of(form)


def write_nothing(folder: Path) -> None:
    """Write files without a row, so that there are some where an archive has no rows."""
    for name, schema in SCHEMAS.items():
        _write(folder / f"{name}-none.parquet", schema, [])


def _write(path: Path, schema: pyarrow.Schema, rows: Sequence[tuple[object, ...]]) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pyarrow.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    pyarrow.parquet.write_table(pyarrow.table(arrays, schema=schema), path)


def _tuples(before: Row, after: Row, watch: Watch) -> list[tuple[bytes, bytes]]:
    """The values of the columns together; none where one of them is null, but in groups."""
    old, new = ([bytes(row[name]) for name in watch.columns] for row in (before, after))
    if b"null" in old and watch.side != "group":
        return []
    if len(old) == 1:
        return [(old[0].strip(b'"'), new[0].strip(b'"'))]
    return [(b"\0".join(old), b"\0".join(new))]


def _elements(before: Row, after: Row, watch: Watch) -> list[tuple[bytes, bytes]]:
    old, new = (bytes(row[watch.columns[0]]) for row in (before, after))
    if not old.startswith(b"[") or not new.startswith(b"["):
        return []
    pairs = zip(*(msgspec.json.decode(v, type=list[msgspec.Raw]) for v in (old, new)), strict=True)
    return [(bytes(a).strip(b'"'), bytes(b).strip(b'"')) for a, b in pairs if bytes(a) != b"null"]
