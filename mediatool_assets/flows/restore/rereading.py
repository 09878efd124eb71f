"""Reads tables of a database again to their end, for their fingerprints."""

from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

from mediatool_assets.archive.reader import rows_fingerprint
from mediatool_assets.domain.chunk import Chunk
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.schema import Table
from mediatool_assets.flows.ports import Progress, RowReader, SourceSnapshot
from mediatool_assets.flows.workers.ordered_results import in_order

_AHEAD = 16  # chunks: keeps the workers of one machine busy


@dataclass(frozen=True, slots=True)
class _TableChunk:
    reader: RowReader
    table: Table
    chunk: Chunk


def fingerprint_share(share: _TableChunk) -> Fingerprint:
    """In a worker: return the fingerprint of a chunk's rows; one batch in memory."""
    found = Fingerprint()
    for rows in share.reader.read(share.table, share.chunk):
        found += rows_fingerprint(b"\n".join([*rows, b""]))
    return found


def reread(
    snapshot: SourceSnapshot, executor: Executor, tables: Iterable[Table], progress: Progress
) -> dict[str, Fingerprint]:
    """The fingerprint of every table, with the reader of exports; raises its errors."""
    chunks = {table.name: (table, snapshot.chunks(table)) for table in tables}
    found = dict.fromkeys(chunks, Fingerprint())
    shares = [_TableChunk(snapshot.reader, t, each) for t, own in chunks.values() for each in own]
    total, done = sum(share.chunk.rows for share in shares), 0
    with in_order(executor, fingerprint_share, shares, ahead=_AHEAD) as fingerprints:
        for share, fingerprint in zip(shares, fingerprints, strict=True):
            found[share.table.name] += fingerprint
            done += fingerprint.count
            progress("read back", done, total)
    return found
