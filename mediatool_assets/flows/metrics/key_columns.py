"""Counts nulls and distinct values of key columns, with workers."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from mediatool_assets.archive.grouping import block_shares
from mediatool_assets.archive.reader import ArchiveReader, Bytes, split_lines
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.manifest import Block, Member
from mediatool_assets.domain.metrics import KeyColumn
from mediatool_assets.flows.compare.row_digests import row_decoder
from mediatool_assets.flows.formats.deep_json import deep_recursion
from mediatool_assets.flows.workers.ordered_results import in_order

_AHEAD = 8


@dataclass(frozen=True, slots=True)
class _KeyColumnShare:
    source: Bytes
    columns: tuple[str, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class _KeyColumnDigests:
    """For each column: its nulls, and XXH3-64 of its distinct values in order."""

    nulls: tuple[int, ...]
    values: tuple[NDArray[np.uint64], ...]


def count_key_columns(
    executor: Executor, source: Bytes, member: Member, columns: Sequence[str]
) -> dict[str, KeyColumn]:
    """Count these columns of one table; raises BadArchive.

    Needs eight bytes of memory for each distinct value of the table's key columns.
    """
    if not columns:
        return {}
    nulls = [0] * len(columns)
    values = [np.empty(0, np.uint64) for _ in columns]
    work = (
        _KeyColumnShare(source, tuple(columns), tuple(blocks))
        for blocks in block_shares(member.blocks)
    )
    with in_order(executor, _count, work, ahead=_AHEAD) as results:
        for found in results:
            for number, (more, some) in enumerate(zip(found.nulls, found.values, strict=True)):
                nulls[number] += more
                values[number] = np.union1d(values[number], some)
    return {
        name: KeyColumn(nulls[number], len(values[number])) for number, name in enumerate(columns)
    }


def _count(share: _KeyColumnShare) -> _KeyColumnDigests:
    decode = row_decoder(share.columns)
    nulls = [0] * len(share.columns)
    values: list[set[bytes]] = [set() for _ in share.columns]
    try:
        with deep_recursion():
            for content in ArchiveReader(share.source).blocks(share.blocks):
                for line in split_lines(content):
                    for number, value in enumerate(decode(line)):
                        if value == b"null":
                            nulls[number] += 1
                        else:
                            values[number].add(value)
    except msgspec.MsgspecError as error:
        raise BadArchive(share.source.name, f"rows do not match schema.json ({error})") from error
    digests = (np.array(sorted(map(xxh3_64_intdigest, some)), np.uint64) for some in values)
    return _KeyColumnDigests(tuple(nulls), tuple(digests))
