"""The originals that are searched for: a filter of their terms, which all workers share.

One of 100 other terms of the output passes the filter by chance. Only terms that pass are written
down, as keyed digests, and the proof compares them with the digests of the originals. No term is
ever written to disk.

Selects the keys and references whose values are compared before and after masking.

The evidence for the proof: keyed digests of values in local files, never the values.
"""

import hashlib
import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import numpy
import pyarrow
import pyarrow.parquet
from xxhash import xxh3_64_intdigest

from mediatool_assets.core.model import Model
from mediatool_assets.core.schema import Schema
from mediatool_assets.sanitize.pseudonyms import telephone_terms, terms_of_telephone
from mediatool_assets.sanitize.redaction import (
    LONGEST,
    REDACTED,
    SHORTEST_NUMBER,
    SHORTEST_TERM,
    Masker,
    is_date,
    readings,
    terms_of,
)
from mediatool_assets.sanitize.rules import MaskingVerb, Rules

_BITS = 1 << 28
"""Size of the filter, 32 MiB, shared by all workers. A million originals set 1 % of its bits."""

_LONGER = 6  # minimum bytes of a term; SHORTEST_NUMBER if it begins with a digit
_FILTER = "originals.filter"
_DIGITS = b"0123456789"


def term_hashes(terms: Iterable[str], seed: int) -> set[int]:
    """The hashes of terms for a filter: of each whole term, and of its beginning."""
    found: set[int] = set()
    for text in terms:
        term = text.encode("utf-8", "surrogatepass")
        found.add(xxh3_64_intdigest(term, seed))
        if not term.startswith(b"tel "):
            is_number = term[0] in _DIGITS and len(term) >= SHORTEST_NUMBER
            found.add(xxh3_64_intdigest(term[:SHORTEST_TERM], seed + 1))
            found.add(
                xxh3_64_intdigest(term[: SHORTEST_NUMBER if is_number else _LONGER], seed + 1)
            )
    return found


def write_term_hashes(folder: Path, share: int | str, found: set[int]) -> None:
    """Write the hashes of a share's originals."""
    numpy.save(folder / f"marks-{share}.npy", numpy.array(list(found), dtype=numpy.uint64))


def write_filter(folder: Path) -> Path:
    """Combine the hashes of all shares to a filter file, and delete their files."""
    bits = numpy.zeros(_BITS // 8, dtype=numpy.uint8)
    for path in folder.glob("marks-*.npy"):
        places = numpy.load(path) & numpy.uint64(_BITS - 1)
        values = (numpy.uint8(1) << (places & numpy.uint64(7)).astype(numpy.uint8)).astype(
            numpy.uint8
        )
        numpy.bitwise_or.at(bits, places >> numpy.uint64(3), values)
        path.unlink()
    bits.tofile(folder / _FILTER)
    return folder / _FILTER


class Filter:
    """Tests whether a term may be an original's: always true for one, else in 1 % of the cases."""

    def __init__(self, path: Path, seed: int) -> None:
        with path.open("rb") as file:
            self._bits = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self._seed = seed
        self.words = 0
        """Number of words examined."""

    def terms(self, text: str) -> Iterator[str]:
        """The terms of a text that may be an original's."""
        for words in readings(text):
            self.words += len(words)
            yield from self._terms(words)
        for term in telephone_terms(text):
            if self._has(term.encode(), self._seed):
                yield term

    def _has(self, text: bytes, seed: int) -> bool:
        place = xxh3_64_intdigest(text, seed) & (_BITS - 1)
        return bool(self._bits[place >> 3] >> (place & 7) & 1)

    def _terms(self, words: list[str]) -> Iterator[str]:
        """Every sequence of consecutive words; few begin like an original."""
        text, starts, ends = _written(words)
        seed, has = self._seed, self._has
        for number, start in enumerate(starts):
            if len(text) - start < SHORTEST_TERM:
                return
            if not has(text[start : start + SHORTEST_TERM], seed + 1):
                continue
            longer = has(text[start : start + _LONGER], seed + 1) or (
                text[start] in _DIGITS and has(text[start : start + SHORTEST_NUMBER], seed + 1)
            )
            for end in ends[number : number + LONGEST]:
                if end - start > SHORTEST_TERM and not longer:
                    break
                if end - start >= SHORTEST_TERM and has(text[start:end], seed):
                    yield text[start:end].decode("utf-8", "surrogatepass")


def _written(words: list[str]) -> tuple[bytes, list[int], list[int]]:
    """The words joined as by ``joined``, with the start and end of each."""
    parts: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at, after_digit = 0, False
    for word in words:
        if after_digit and word[0].isdigit():
            parts.append(" ")
            at += 1
        starts.append(at)
        parts.append(word)
        at += len(word) if word.isascii() else len(word.encode("utf-8", "surrogatepass"))
        ends.append(at)
        after_digit = word[-1].isdigit()
    return "".join(parts).encode("utf-8", "surrogatepass"), starts, ends


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


def tracked_by_table(
    schema: Schema, rules: Rules, model: Model | None
) -> dict[str, tuple[Tracked, ...]]:
    """By table: keys and references with a masked column, and the declared groups.

    Keys and references with only kept columns are not tracked.
    """
    found: dict[str, dict[Tracked, None]] = {table.name: {} for table in schema.tables}
    for table in schema.tables:
        unique = [index.columns for index in table.indexes if index.unique]  # or expressions
        for key in dict.fromkeys([table.primary_key, *table.unique_keys, *unique]):
            own = [(table.name, column) for column in key]
            if key and _has(schema, own) and any(_is_masked(rules, *place) for place in own):
                found[table.name][Tracked(f"{table.name} ({', '.join(key)})", "key", key)] = None
        if group := rules.quasi_identifiers.get(table.name):
            found[table.name][Tracked(group_name(table.name, group), "group", group)] = None
    for one, columns, other, keys, each in _references(schema, model):
        ends = [(one, column) for column in columns] + [(other, column) for column in keys]
        if _has(schema, ends) and any(_is_masked(rules, *end) for end in ends):
            name = f"{one}.{', '.join(columns)}{'[]' * each} -> {other}.{', '.join(keys)}"
            found[one][Tracked(name, "from", columns, each)] = None
            found[other][Tracked(name, "to", keys)] = None
    return {table: tuple(found[table]) for table in found}


def group_name(table: str, columns: Sequence[str]) -> str:
    """The name of a group of quasi-identifiers in the proof."""
    return f"{table} ({', '.join(columns)})"


def _is_masked(rules: Rules, table: str, column: str) -> bool:
    rule = rules.rule(table, column)
    return rule is None or rule.verb is not MaskingVerb.KEEP


def _has(schema: Schema, ends: list[tuple[str, str]]) -> bool:
    known = {(table.name, column.name) for table in schema.tables for column in table.columns}
    return known.issuperset(ends)


def _references(
    schema: Schema, model: Model | None
) -> Iterator[tuple[str, tuple[str, ...], str, tuple[str, ...], bool]]:
    """The references that the database declares, and those in the model."""
    keys = {table.name: table.primary_key for table in schema.tables}
    for table in schema.tables:
        for key in table.foreign_keys:
            yield table.name, key.columns, key.table, key.target_columns, False
    for collection in model.collections.values() if model is not None else ():
        shapes = [collection.shape]
        while shapes:
            shape = shapes.pop()
            for addition in shape.additions:
                table_name = shape.table
                for step in addition.path:
                    target = step.keys or keys.get(step.table, ())
                    if len(target) == len(step.columns):
                        yield table_name, step.columns, step.table, target, step.each
                    table_name = step.table
                if addition.shape is not None:
                    shapes.append(addition.shape)
