"""The evidence for the proof: keyed digests of values in local files, never the values."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import pyarrow
import pyarrow.parquet

from mediatool_assets.domain.masking.masker import REDACTED, Masker
from mediatool_assets.domain.masking.redaction import is_date
from mediatool_assets.domain.masking.search_terms import terms_of
from mediatool_assets.domain.masking.telephones import terms_of_telephone
from mediatool_assets.flows.sanitize.originals import term_hashes, write_term_hashes

Row = dict[str, msgspec.Raw]
_WORD = re.compile(r"\W*[^\W\d]\w*\W*")

LONG = 10
"""Digits at which a permutation leaves a number unchanged once in 9,000,000,000."""

_BINARY = pyarrow.binary()
_TEXT = pyarrow.string()
SCHEMAS = {
    "values": pyarrow.schema(
        [
            ("kind", _TEXT),
            ("before", _BINARY),
            ("after", _BINARY),
            ("is_searched", pyarrow.bool_()),
            ("is_long", pyarrow.bool_()),
        ]
    ),
    "terms": pyarrow.schema(
        [("kind", _TEXT), ("before", _BINARY), ("is_word", pyarrow.bool_()), ("search", _BINARY)]
    ),
    "names": pyarrow.schema([("search", _BINARY)]),
    "tokens": pyarrow.schema(
        [
            ("place", _TEXT),
            ("exempt", _TEXT),
            ("kept", pyarrow.bool_()),
            ("is_name", pyarrow.bool_()),
            ("token", _BINARY),
        ]
    ),
    "keys": pyarrow.schema(
        [("name", _TEXT), ("side", _TEXT), ("before", _BINARY), ("after", _BINARY)]
    ),
}
"""The files of a share: originals and pseudonyms, the terms that originals are searched by, parts
of people's names, output terms that passed the filter, keys and references. ``kept`` marks terms of
unmasked values, ``is_name`` terms that are names in the schema. An original that ``is_word`` is not
a leak if the schema uses the same name."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """Tracked columns: a key, one end of a reference, or a group.

    ``each`` is true if the single column is an array whose elements are the references.
    """

    name: str
    side: Literal["key", "from", "to", "group"]
    columns: tuple[str, ...]
    each: bool = False


@dataclass(frozen=True, slots=True)
class Digester:
    """Keyed digests of 16 bytes: they show equality of values, and nothing without the key."""

    key: bytes = field(repr=False)

    def __call__(self, value: bytes) -> bytes:
        """The digest of bytes."""
        return hashlib.blake2b(value, digest_size=16, key=self.key).digest()

    def text(self, text: str) -> bytes:
        """The digest of a text."""
        return self(text.encode("utf-8", "surrogatepass"))

    @property
    def seed(self) -> int:
        """The seed of the filter's hashes."""
        return int.from_bytes(self(b"filter")[:8])


@dataclass(slots=True)
class Evidence:
    """The evidence of one share. Memory: digests of a share's distinct values, and its keys."""

    digest: Digester
    watches: Sequence[Tracked]
    _keys: list[tuple[str, str, bytes, bytes]] = field(default_factory=list)

    def watch(self, before: Row, after: Row) -> None:
        """Track the keys and references of a row."""
        for watch in self.watches:
            pairs = _elements(before, after, watch) if watch.each else _tuples(before, after, watch)
            for old, new in pairs:
                self._keys.append((watch.name, watch.side, self.digest(old), self.digest(new)))

    def write(self, folder: Path, share: int | str, masker: Masker) -> None:
        """Write a share's originals, their pseudonyms, and the terms to search for."""
        of = self.digest.text
        values, terms, hashes = [], [], set[int]()
        for kind, pairs in masker.pairs.items():
            for before, after in pairs.items():
                forms = _terms(masker, kind, before)
                hashes |= term_hashes(forms, self.digest.seed)
                original = of(before)
                is_word = _WORD.fullmatch(before) is not None
                terms += [(kind, original, is_word, of(form)) for form in forms]
                is_long = sum(map(str.isdigit, before)) >= LONG
                made = None if kind == REDACTED else of(after)
                values.append((kind, original, made, bool(forms), is_long))
        parts = masker.name_parts()
        write_term_hashes(folder, share, hashes | term_hashes(parts, self.digest.seed))
        files: dict[str, Sequence[tuple[object, ...]]] = {
            "values": values,
            "terms": terms,
            "names": [(of(part),) for part in parts],
            "keys": self._keys,
        }
        for name, rows in files.items():
            write_rows(folder / f"{name}-{share}.parquet", name, rows)


def _terms(masker: Masker, kind: str, original: str) -> set[str]:
    """The terms to search an original by; none for dates, which are equal by chance."""
    if kind == REDACTED:
        return set() if is_date(original) else terms_of(original) | terms_of_telephone(original)
    made = masker.kind(kind)
    terms = terms_of(original, is_name=made.format == "person")
    return terms if made.is_permutation else terms | terms_of_telephone(original)


def write_nothing(folder: Path) -> None:
    """Write files without rows, so that the files exist for an archive without rows."""
    for name in SCHEMAS:
        write_rows(folder / f"{name}-none.parquet", name, [])


def write_rows(path: Path, name: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Write one of the files in ``SCHEMAS``."""
    schema = SCHEMAS[name]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pyarrow.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    pyarrow.parquet.write_table(pyarrow.table(arrays, schema=schema), path)


def _tuples(before: Row, after: Row, watch: Tracked) -> list[tuple[bytes, bytes]]:
    """The combined values of the columns; none if one is null, except in groups."""
    old, new = ([bytes(row[name]) for name in watch.columns] for row in (before, after))
    if b"null" in old and watch.side != "group":
        return []
    if len(old) == 1:
        return [(old[0].strip(b'"'), new[0].strip(b'"'))]
    return [(b"\0".join(old), b"\0".join(new))]


def _elements(before: Row, after: Row, watch: Tracked) -> list[tuple[bytes, bytes]]:
    old, new = (bytes(row[watch.columns[0]]) for row in (before, after))
    if not old.startswith(b"[") or not new.startswith(b"["):
        return []
    pairs = zip(*(msgspec.json.decode(v, type=list[msgspec.Raw]) for v in (old, new)), strict=True)
    return [(bytes(a).strip(b'"'), bytes(b).strip(b'"')) for a, b in pairs if bytes(a) != b"null"]
