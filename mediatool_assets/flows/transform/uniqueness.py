"""Checks that every ``_id`` of a collection is unique, before a load could fail half way."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import bson
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh3_64_intdigest

from mediatool_assets.archive.reader import Bytes, split_documents
from mediatool_assets.archive.spool import Spooled
from mediatool_assets.domain.errors import BadValue
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.flows.transform.identities import identity
from mediatool_assets.flows.workers.ordered_results import in_order

_PASS_ROWS = 4_000_000  # 32 MB of hashes are sorted at once; more rows take more passes


def require_unique(
    collection: DocumentCollection,
    identities: Sequence[Bytes],
    spools: Sequence[Spooled],
    executor: Executor | None = None,
) -> None:
    """Raise BadValue naming the first ``_id`` that two documents share.

    Hashes are compared first, by workers if there is an executor. If two are equal, the documents
    are read again.
    """
    suspects = _repeated(identities, sum(spool.rows for spool in spools), executor)
    if not suspects:
        return
    seen: set[bytes] = set()
    for document in _documents(spools):
        found = identity(document)
        if xxh3_64_intdigest(found) not in suspects:
            continue
        if found in seen:
            key, value = ", ".join(collection.shape.key), bson.decode(document)["_id"]
            problem = f"is the _id of two documents of {collection.name}"
            raise BadValue(collection.shape.table.name, value, key, value, problem)
        seen.add(found)


def _documents(spools: Sequence[Spooled]) -> Iterator[bytes]:
    """The spooled documents, read again."""
    for spool in spools:
        for run in spool.runs():
            for content in run.contents():
                yield from split_documents(content)


class HashPass(NamedTuple):
    """One pass over the hashes: those that are ``number`` modulo ``turns``, a power of two."""

    identities: tuple[Bytes, ...]
    number: int
    turns: int


def _repeated(identities: Sequence[Bytes], rows: int, executor: Executor | None) -> set[int]:
    """The hashes that occur more than once, found in several passes, each over a part of them."""
    turns = 1 << (rows // _PASS_ROWS).bit_length()
    passes = [HashPass(tuple(identities), number, turns) for number in range(turns)]
    if executor is None:
        return set().union(*map(repeated_in, passes))
    with in_order(executor, repeated_in, passes) as found:
        return set().union(*found)


def repeated_in(turn: HashPass) -> set[int]:
    """The hashes of one pass that occur more than once."""
    mine = [
        hashes.filter(pc.equal(pc.bit_wise_and(hashes, _one(turn.turns - 1)), _one(turn.number)))
        for hashes in map(_hashes, turn.identities)
    ]
    ordered = pa.concat_arrays([*mine, _hashes(None)]).sort()
    if len(ordered) < 2:
        return set()
    same = pc.equal(ordered[1:], ordered[:-1])
    return set(ordered[1:].filter(same).to_pylist())


def _hashes(source: Bytes | None) -> pa.Array:
    data = source.read(0, source.size) if source is not None else b""
    return pa.Array.from_buffers(pa.uint64(), len(data) // 8, [None, pa.py_buffer(data)])


def _one(number: int) -> pa.Scalar:
    return pa.scalar(number, pa.uint64())
