"""A share of a collection: some blocks of its root table into a spool of documents, in a worker."""

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from xxhash import xxh3_64_intdigest, xxh3_128_hexdigest

from mediatool_assets.archive.reader import ArchiveReader, Bytes, split_lines
from mediatool_assets.archive.spool import Spooled
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.flows.transform.counts import Counts
from mediatool_assets.flows.transform.documents import DocumentBuilder, added_key
from mediatool_assets.flows.transform.identities import identity
from mediatool_assets.flows.transform.join_session import OCCURRENCE, Joins
from mediatool_assets.flows.transform.losses import Losses
from mediatool_assets.flows.transform.raw_rows import Row, row_parser
from mediatool_assets.flows.transform.slots import AddedValues, Slots
from mediatool_assets.flows.transform.table_cuts import Cut
from mediatool_assets.flows.workers.spooling import Spooling


@dataclass(frozen=True, slots=True)
class CollectionShare:
    """Consecutive blocks of a collection's root table, and where its documents are spooled."""

    collection: DocumentCollection
    archive: ArchiveReader
    cut: Cut
    joins: Joins
    spools: Spooling
    name: str


@dataclass(frozen=True, slots=True)
class CollectionShareResult:
    """What a worker made of a share; ``identities`` are 64-bit hashes of ``_id``."""

    spooled: Spooled
    identities: Bytes
    counts: Counts


def make(share: CollectionShare) -> CollectionShareResult:
    """In a worker: make and spool the documents; raises BadValue or BadArchive."""
    making = _Making(share)
    spooled = share.spools.rows(f"{share.name}.bson.gz", making.batches(), end=b"")
    identities = share.spools.keep(f"{share.name}.ids", making.identities.tobytes())
    counts = making.counts
    home = "documents" if share.collection.orphans_of is None else "orphans"
    counts.homes[home, share.collection.shape.table.name] += spooled.rows
    counts.losses = {name: Counter(kinds) for name, kinds in making.losses.counted().items()}
    return CollectionShareResult(spooled, identities, counts)


class _Making:
    def __init__(self, share: CollectionShare) -> None:
        self._share = share
        self.counts, self.losses = Counts(), Losses()
        self.identities = array("Q")
        collection = share.collection
        self._table = collection.shape.table
        self._parse = row_parser(self._table)
        self._documents = DocumentBuilder(collection.shape, self.losses, root=True)
        self._attached: AddedValues | None = None
        self._occurrences: dict[int, int] = {}
        self._only: set[int] | None = None
        joins = share.joins
        slots = [name for name in joins.slots if name.startswith(f"{collection.name}.")]
        if slots or collection.name in joins.only:
            found = Slots(joins, share.spools, share.cut.first, share.cut.rows)
            if collection.name in joins.only:
                self._only = found.only(collection.name)
            if collection.shape.additions:
                self._attached = AddedValues(
                    collection.name, collection.shape, found, self.losses, self.counts
                )
            if not collection.shape.key:
                self._occurrences = found.positions(f"{collection.name}.{OCCURRENCE}")

    def batches(self) -> Iterator[list[bytes]]:
        """The documents of each block, as BSON."""
        if self._only is not None and not self._only:
            return
        ordinal = self._share.cut.first
        for content in self._share.archive.blocks(self._share.cut.blocks):
            lines = split_lines(content)
            yield list(self._block(lines, ordinal))
            ordinal += len(lines)

    def _block(self, lines: list[bytes], ordinal: int) -> Iterator[bytes]:
        only, attached, documents = self._only, self._attached, self._documents
        keyed = bool(self._share.collection.shape.key)
        for at, line in enumerate(lines, ordinal):
            if only is not None and at not in only:
                continue
            row = self._row(line, at)
            if attached is not None:
                attached.complete(row, at)
            if not keyed:
                number = self._occurrences.get(at, 1)
                row[added_key("_id")] = f"{xxh3_128_hexdigest(line)}-{number}"
            document = documents.encode(documents.document(row, line), row)
            self.identities.append(xxh3_64_intdigest(identity(document)))
            yield document

    def _row(self, line: bytes, ordinal: int) -> Row:
        try:
            return self._parse(line)
        except ValueError as error:
            where = self._share.archive.source.name
            raise BadArchive(where, f"{self._table.name}: row {ordinal + 1}: {error}") from error
