"""In a worker: converts some blocks of a collection's root table into a spool of documents."""

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mediatool_assets.archive.reader import ArchiveReader, Bytes, row_count
from mediatool_assets.archive.spool import Spooled
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.flows.transform.compiled_documents import CompiledDocuments
from mediatool_assets.flows.transform.counts import Counts
from mediatool_assets.flows.transform.join_session import Joins
from mediatool_assets.flows.transform.row_documents import RowDocuments
from mediatool_assets.flows.transform.table_cuts import Cut
from mediatool_assets.flows.workers.spooling import Spooling
from mediatool_assets.native.library import library


@dataclass(frozen=True, slots=True)
class CollectionShare:
    """Consecutive blocks of a collection's root table, and the place for its documents."""

    collection: DocumentCollection
    archive: ArchiveReader
    cut: Cut
    joins: Joins
    spools: Spooling
    name: str


@dataclass(frozen=True, slots=True)
class CollectionShareResult:
    """The result of a share; ``identities`` are 64-bit hashes of ``_id``."""

    spooled: Spooled
    identities: Bytes
    counts: Counts


def make(share: CollectionShare) -> CollectionShareResult:
    """In a worker: make and spool the documents; raises BadValue or BadArchive."""
    rows = RowDocuments(
        share.collection, share.cut, share.joins, share.spools, where=share.archive.source.name
    )
    compiled = library()
    blocks = rows if compiled is None else CompiledDocuments(compiled, rows)
    identities = array("Q")
    batches = _batches(share, rows, blocks, identities)
    spooled = share.spools.documents(f"{share.name}.bson.gz", batches)
    kept = share.spools.keep(f"{share.name}.ids", identities.tobytes())
    if isinstance(blocks, CompiledDocuments):
        blocks.count_losses()
    counts = rows.counts
    home = "documents" if share.collection.orphans_of is None else "orphans"
    counts.homes[home, share.collection.shape.table.name] += spooled.rows
    counts.losses = {name: Counter(kinds) for name, kinds in rows.losses.counted().items()}
    return CollectionShareResult(spooled, kept, counts)


def _batches(
    share: CollectionShare,
    rows: RowDocuments,
    blocks: RowDocuments | CompiledDocuments,
    identities: "array[int]",
) -> Iterator[bytes]:
    """The documents of each block, as BSON; the hashes of their ``_id`` go to ``identities``."""
    if rows.only is not None and not rows.only:
        return
    ordinal = share.cut.first
    for content in share.archive.blocks(share.cut.blocks):
        rows.look_up(content, ordinal)
        made = blocks.block(content, ordinal)
        identities.extend(made.identities)
        yield made.documents
        ordinal += row_count(content)
