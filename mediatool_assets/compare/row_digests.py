"""Digests of rows: of the key, of the content, and of each column.

The work on a table's blocks: skip equal ones, digest rows, digest columns.

Fixed-width records on local disk, grouped by their destination.

Sensitive values in examples: pseudonyms if there is a masking key, else hidden.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray
from xxhash import xxh3_64_digest, xxh3_128_digest

from mediatool_assets.archive.reader import ArchiveReader, Bytes, grouped, split_lines
from mediatool_assets.core.comparison import Matching
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.manifest import Block, Fingerprint, Member
from mediatool_assets.core.schema import Column, Table
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.texts import deep_recursion
from mediatool_assets.sanitize.redaction import Masker
from mediatool_assets.sanitize.rules import MaskingRule, MaskingVerb, Rules, column_mask, fits
from mediatool_assets.sanitize.rules_file import SHIPPED_RULES, load_rules

Records = NDArray[np.void]


@dataclass(frozen=True, slots=True)
class SpillSlice:
    """The records of one spill for one destination."""

    path: Path
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Spill:
    """One file of records; those for destination ``i`` are between bounds ``i`` and ``i + 1``."""

    path: Path
    bounds: tuple[int, ...]

    @classmethod
    def write(
        cls, path: Path, records: Records, destination: NDArray[np.integer], destinations: int
    ) -> "Spill":
        """Sort the records by destination, keeping their order within each, and write them."""
        order = np.argsort(destination, kind="stable")
        records[order].tofile(path)
        bounds = np.searchsorted(destination[order], np.arange(destinations + 1))
        return cls(path, tuple(bounds.tolist()))

    def slice(self, destination: int) -> SpillSlice:
        """The records for one destination."""
        first, end = self.bounds[destination], self.bounds[destination + 1]
        return SpillSlice(self.path, first, end - first)


def slices(spills: Iterable[Spill], destination: int) -> tuple[SpillSlice, ...]:
    """The records for one destination, from several spills in order; empty slices are left out."""
    found = (spill.slice(destination) for spill in spills)
    return tuple(part for part in found if part.count)


def read(parts: Iterable[SpillSlice], dtype: DTypeLike) -> Records:
    """The records of slices, one after the other."""
    size = np.dtype(dtype).itemsize
    found = [np.fromfile(p.path, dtype, p.count, offset=p.first * size) for p in parts]
    return np.concatenate([np.empty(0, dtype), *found])


HASHED = np.dtype([("k0", "<u8"), ("k1", "<u8"), ("row", "<u8"), ("block", "<u4"), ("line", "<u4")])
"""The record of a row: the XXH3-128 of its key, 64 bits of its content's digest, its place."""

_SCALAR = rb'(?:"[^"\\]*(?:\\.[^"\\]*)*"|[^",{\[}\]]+)'
_MODULUS = 1 << 128


@dataclass(frozen=True, slots=True)
class RowHasher:
    """Turns lines of one side's table into digests that are comparable with the other side's."""

    table: Table
    matching: Matching

    def hashed(self, lines: Sequence[bytes], block: int) -> tuple[Records, Fingerprint]:
        """Return one record per line, and the fingerprint of the whole lines.

        The fingerprint covers all columns, also those that are not compared. Raises ValueError or
        msgspec.DecodeError if a line is not a row of the table.
        """
        records = np.empty(len(lines), HASHED)
        whole = _pairs(map(xxh3_128_digest, lines))
        content = whole if self.matching.whole_lines else self._projected(lines)
        keys = _pairs(map(xxh3_128_digest, self._keys(lines))) if self.matching.key else content
        records["k0"], records["k1"] = keys[:, 0], keys[:, 1]
        records["row"] = content[:, 1]
        records["block"], records["line"] = block, np.arange(len(lines))
        return records, _fingerprint(whole)

    def column_digests(self, lines: Iterable[bytes]) -> NDArray[np.uint64]:
        """XXH3-64 of each compared value: one row per line, one column per column."""
        columns = self.matching.columns
        values = _values(columns, self.matching.retyped)
        digests = b"".join([xxh3_64_digest(v) for line in lines for v in values(line)])
        return np.frombuffer(digests, "<u8").reshape(-1, len(columns))

    def _projected(self, lines: Iterable[bytes]) -> NDArray[np.uint64]:
        values = _values(self.matching.columns, self.matching.retyped)
        return _pairs(xxh3_128_digest(b"\n".join(values(line))) for line in lines)

    def _keys(self, lines: Sequence[bytes]) -> Iterable[bytes]:
        """The key of each row, as bytes that are equal on both sides."""
        if self._begins_with_plain_key():
            return (line.partition(b",")[0] for line in lines)
        prefix = self._key_prefix()
        if prefix is None:
            values = _values(self.matching.key, self.matching.retyped)
            return (b"\n".join(values(line)) for line in lines)
        found = list(map(prefix.match, lines))
        if None in found:
            line = lines[found.index(None)]
            raise ValueError(f"{line[:80]!r} does not begin with {', '.join(self.matching.key)}")
        return [match.group() for match in found if match is not None]

    def _begins_with_plain_key(self) -> bool:
        """True if the key is the first column alone, of a type whose JSON has no comma."""
        first = self.table.columns[0]
        return (
            self.matching.whole_lines
            and self.matching.key == (first.name,)
            and "," not in first.name
            and first.base in ("smallint", "integer", "bigint", "uuid", "date")
        )

    def _key_prefix(self) -> re.Pattern[bytes] | None:
        """A pattern for a key at the start of the line; None if it is elsewhere or not plain.

        It is ten times as fast as parsing a line of several kilobytes to its end.
        """
        first = self.table.columns[: len(self.matching.key)]
        if (
            not self.matching.whole_lines
            or {column.name for column in first} != set(self.matching.key)
            or any(c.element is not None or c.base in ("json", "jsonb") for c in first)
        ):
            return None
        names = (json.dumps(column.name, ensure_ascii=False).encode() for column in first)
        return re.compile(rb"\{" + b",".join(re.escape(n) + b":" + _SCALAR for n in names))


def _values(columns: Sequence[str], retyped: frozenset[str]) -> Callable[[bytes], Sequence[bytes]]:
    """A function from a line to the JSON of these columns; retyped ones as the text they hold."""
    decode = row_decoder(columns)
    texts = [number for number, column in enumerate(columns) if column in retyped]

    def values(line: bytes) -> Sequence[bytes]:
        found = decode(line)
        for number in texts:
            if found[number].startswith(b'"'):
                found[number] = msgspec.json.decode(found[number], type=str).encode()
        return found

    return values


def row_decoder(columns: Sequence[str]) -> Callable[[bytes], list[bytes]]:
    """A function from a line to the JSON of these columns, in this order.

    It raises msgspec.DecodeError if the line is not a JSON object with all of them.
    """
    if any(not name.isprintable() or '"' in name or "\\" in name for name in columns):
        return _decoder_of_any_name(columns)
    names = [f"c{number}" for number in range(len(columns))]
    row_type = msgspec.defstruct(
        "Row",
        [(name, msgspec.Raw) for name in names],
        rename=dict(zip(names, columns, strict=True)),
        gc=False,
    )
    decode = msgspec.json.Decoder(row_type).decode
    return lambda line: list(map(bytes, msgspec.structs.astuple(decode(line))))


def _decoder_of_any_name(columns: Sequence[str]) -> Callable[[bytes], list[bytes]]:
    """The same, but slower, for names that msgspec does not allow as fields of a struct."""
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def values(line: bytes) -> list[bytes]:
        row = decode(line)
        try:
            return [bytes(row[name]) for name in columns]
        except KeyError as error:
            raise msgspec.DecodeError(f"the row has no column {error}") from error

    return values


def _pairs(digests: Iterable[bytes]) -> NDArray[np.uint64]:
    """128-bit digests as two columns of 64 bits, the high half first."""
    return np.frombuffer(b"".join(digests), ">u8").reshape(-1, 2)


def _fingerprint(digests: NDArray[np.uint64]) -> Fingerprint:
    """The sum of digests modulo 2**128, by 32 bits at a time so that nothing overflows."""
    limbs = digests.view(">u4").reshape(-1, 4).sum(axis=0, dtype=np.uint64)
    total = sum(int(limb) << (96 - 32 * place) for place, limb in enumerate(limbs))
    return Fingerprint(len(digests), total % _MODULUS)


SHARE_BYTES = 1 << 25
"""Bytes of content for each worker's share: 0.2 s of work, and a millisecond to hand out."""

_ROW_BYTES = 128  # minimum that a row counts for, since its record is held several times
_RANGE_BYTES = 1 << 22  # of possibly equal blocks: each worker reads both sides at once

Numbered = tuple[tuple[int, Block], ...]
"""Blocks of a member with their numbers in it."""

WANTED = np.dtype([("block", "<u4"), ("line", "<u4"), ("bucket", "<u4"), ("index", "<u4")])
"""A changed row: its place, and the number of its pair in its bucket."""


@dataclass(frozen=True, slots=True)
class Side:
    """One version's table: where its rows are, and how they are read."""

    source: Bytes
    hasher: RowHasher

    def contents(self, blocks: Numbered) -> Iterator[tuple[int, list[bytes]]]:
        """Yield the lines of each block with its number; raises BadArchive if one lacks rows."""
        reader = ArchiveReader(self.source)
        contents = reader.blocks([block for _, block in blocks])
        for (number, block), content in zip(blocks, contents, strict=True):
            lines = split_lines(content)
            if len(lines) != block.rows:
                raise BadArchive(
                    self.source.name,
                    f"{self.hasher.table.name}: the block at byte {block.offset} holds "
                    f"{len(lines)} rows, its manifest says {block.rows}",
                )
            yield number, lines

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """Report rows that do not fit the table as BadArchive; allow PostgreSQL's nesting depth."""
        try:
            with deep_recursion():
                yield
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            table = self.hasher.table.name
            raise BadArchive(
                self.source.name, f"{table}: does not match its schema ({error})"
            ) from error


def shares_of(blocks: Sequence[tuple[int, Block]]) -> list[Numbered]:
    """Split blocks into shares of about SHARE_BYTES of content, in order."""

    def size(numbered: tuple[int, Block]) -> int:
        return max(numbered[1].bytes, _ROW_BYTES * numbered[1].rows)

    return [tuple(share) for share in grouped(blocks, size, SHARE_BYTES)]


@dataclass(frozen=True, slots=True)
class EqualBlocks:
    """Pairs of blocks that may have the same bytes, with their numbers in both members."""

    one: Bytes
    two: Bytes
    pairs: tuple[tuple[int, Block, int, Block], ...]


def block_pairs(one: Sequence[Block], two: Sequence[Block]) -> list[tuple[int, Block, int, Block]]:
    """Pair blocks of equal length, rows and digest, each once, in order (finds appended tables)."""
    waiting: dict[tuple[int | str, ...], list[int]] = {}
    for number in reversed(range(len(two))):
        waiting.setdefault(two[number][1:], []).append(number)
    found = []
    for number, block in enumerate(one):
        if candidates := waiting.get(block[1:]):
            other = candidates.pop()
            found.append((number, block, other, two[other]))
    return found


def equal_blocks(twins: EqualBlocks) -> list[tuple[int, int]]:
    """Return the numbers of the pairs whose compressed bytes are equal."""
    equal = []
    for run in _runs(twins.pairs):
        first, second = run[0][1].offset, run[0][3].offset
        length = run[-1][1].offset + run[-1][1].length - first
        one, two = twins.one.read(first, length), twins.two.read(second, length)
        for number, block, other, twin in run:
            begin, start = block.offset - first, twin.offset - second
            if one[begin : begin + block.length] == two[start : start + block.length]:
                equal.append((number, other))
    return equal


def _runs(
    pairs: Sequence[tuple[int, Block, int, Block]],
) -> Iterator[list[tuple[int, Block, int, Block]]]:
    """Group pairs that are adjacent on both sides, up to _RANGE_BYTES: one request per side."""
    run: list[tuple[int, Block, int, Block]] = []
    for pair in pairs:
        if run:
            last = run[-1]
            adjoin = all(
                pair[side].offset == last[side].offset + last[side].length  # type: ignore[union-attr]  # 1 and 3 are blocks
                for side in (1, 3)
            )
            if not adjoin or pair[1].offset + pair[1].length - run[0][1].offset > _RANGE_BYTES:
                yield run
                run = []
        run.append(pair)
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class HashShare:
    """Rows to digest, and the number of key buckets to distribute them to."""

    side: Side
    blocks: Numbered
    buckets: int
    path: Path


def hash_rows(share: HashShare) -> tuple[Spill, Fingerprint]:
    """Write a record for each row to a file; returns it and the fingerprint; raises BadArchive."""
    found, fingerprint = [np.empty(0, HASHED)], Fingerprint()
    with share.side.decoding():
        for number, lines in share.side.contents(share.blocks):
            records, of_block = share.side.hasher.hashed(lines, number)
            found.append(records)
            fingerprint += of_block
    records = np.concatenate(found)
    buckets = (records["k0"] % np.uint64(share.buckets)).astype(np.int64)
    return Spill.write(share.path, records, buckets, share.buckets), fingerprint


@dataclass(frozen=True, slots=True)
class ColumnShare:
    """Changed rows whose columns are digested, and the number of buckets they belong to."""

    side: Side
    blocks: Numbered
    wanted: tuple[SpillSlice, ...]
    buckets: int
    path: Path


def columns_type(columns: int) -> np.dtype[np.void]:
    """The record of a changed row: its pair in its bucket, its place, a digest of each column."""
    return np.dtype(
        [("index", "<u4"), ("block", "<u4"), ("line", "<u4"), ("values", "<u8", (columns,))]
    )


def hash_columns(share: ColumnShare) -> Spill:
    """Write a record for each wanted row to a file; raises BadArchive."""
    wanted = read(share.wanted, WANTED)
    wanted = wanted[np.lexsort((wanted["line"], wanted["block"]))]
    found = np.empty(len(wanted), columns_type(len(share.side.hasher.matching.columns)))
    for name in ("index", "block", "line"):
        found[name] = wanted[name]
    needed = set(np.unique(wanted["block"]).tolist())
    blocks = tuple(pair for pair in share.blocks if pair[0] in needed)
    with share.side.decoding():
        for number, lines in share.side.contents(blocks):
            begin, end = np.searchsorted(wanted["block"], [number, number + 1])
            chosen = [lines[line] for line in wanted["line"][begin:end].tolist()]
            found["values"][begin:end] = share.side.hasher.column_digests(chosen)
    return Spill.write(share.path, found, wanted["bucket"].astype(np.int64), share.buckets)


def verify(member: tuple[Side, Member]) -> None:
    """Read a whole table; raises BadArchive if it does not match its manifest."""
    side, stated = member
    ArchiveReader(side.source).verify(stated)


def read_lines(
    side: Side, blocks: Numbered, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """Return the lines at these places, as (number of the block, line in it)."""
    needed = {block for block, _ in places}
    found: dict[tuple[int, int], bytes] = {}
    for number, lines in side.contents(tuple(pair for pair in blocks if pair[0] in needed)):
        found |= {(b, line): lines[line] for b, line in places if b == number}
    return found


Show = Callable[[bytes], bytes]

_TOLD = (MaskingVerb.PSEUDONYM, MaskingVerb.GENERALIZE, MaskingVerb.NOISE)
"""Rules that leave a value to show; the other rules remove it."""

_IDS = ("number", "uuid", "token")
"""Pseudonym formats for ids; the other formats are for names, addresses and titles."""


@dataclass(frozen=True, slots=True)
class Masking:
    """Masking rules and the key, if any. Values that rules keep are shown.

    Other values are shown as pseudonyms with the key, and hidden without it.
    """

    key: MaskingKey | None
    rules: Rules

    @classmethod
    def of(cls, settings: Settings) -> "Masking":
        """The rules that the settings name, else the default rules; raises BadRules."""
        return cls(settings.masking_key, load_rules(settings.masking_rules or SHIPPED_RULES))

    def columns(self, table: Table, key: Collection[str] = ()) -> dict[str, Show | None]:
        """How to show each column that the rules cover; None if its values are hidden.

        ``key`` has the columns that identify rows. Without a masking key, ids among them and
        columns that the rules keep are left out of the result.
        """
        ruled = [(c, r) for c in table.columns if (r := self.rules.rule(table.name, c.name))]
        if self.key is None:
            return {
                column.name: None
                for column, rule in ruled
                if rule.verb is not MaskingVerb.KEEP
                and not (column.name in key and self._is_id(rule))
            }
        masker = Masker(self.key, self.rules.kinds.values())
        return {column.name: self._column(masker, table, column, rule) for column, rule in ruled}

    def _is_id(self, rule: MaskingRule) -> bool:
        return rule.verb is MaskingVerb.PSEUDONYM and self.rules.kinds[rule.argument].format in _IDS

    def _column(
        self, masker: Masker, table: Table, column: Column, rule: MaskingRule
    ) -> Show | None:
        if column.base in ("json", "jsonb"):
            return None
        if rule.verb is MaskingVerb.KEEP:
            return _kept
        if rule.verb not in _TOLD or not fits(self.rules, column, rule):
            return None
        return column_mask(masker, rule, f"{table.name}.{column.name}", column)


def _kept(value: bytes) -> bytes:
    return value
