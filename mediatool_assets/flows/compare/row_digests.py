"""Digests of rows: of the key, of the content, and of each column."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_digest, xxh3_128_digest

from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.row_matching import Matching
from mediatool_assets.domain.schema import Table
from mediatool_assets.flows.compare.spill import Records

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
