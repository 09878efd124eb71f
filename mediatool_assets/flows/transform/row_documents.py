"""The documents of a share's rows, one row after the other: the definition of the conversion.

``compiled_documents`` makes the same documents from whole blocks, and calls this module for each
row that it cannot convert.
"""

from typing import NamedTuple

from xxhash import xxh3_64_intdigest, xxh3_128_hexdigest

from mediatool_assets.archive.reader import split_lines
from mediatool_assets.domain.errors import BadArchive
from mediatool_assets.domain.shapes import DocumentCollection
from mediatool_assets.flows.transform.counts import Counts
from mediatool_assets.flows.transform.direct_lookups import DirectLookUps
from mediatool_assets.flows.transform.documents import DocumentBuilder, added_key
from mediatool_assets.flows.transform.identities import identity
from mediatool_assets.flows.transform.join_session import OCCURRENCE, Joins
from mediatool_assets.flows.transform.losses import Losses
from mediatool_assets.flows.transform.slots import AddedValues, Slots
from mediatool_assets.flows.transform.table_cuts import Cut
from mediatool_assets.flows.versions.raw_rows import Row, row_parser
from mediatool_assets.flows.workers.spooling import Spooling


class BlockDocuments(NamedTuple):
    """The documents of a block, as BSON, one after the other; the hash of the ``_id`` of each."""

    documents: bytes
    identities: list[int]


def identity_hash(document: bytes) -> int:
    """XXH3-64 of the identity of an encoded document."""
    return xxh3_64_intdigest(identity(document))


class RowDocuments:
    """Makes the documents of one share of a collection, and counts in ``counts`` and ``losses``.

    ``where`` names the archive, for messages.
    """

    def __init__(
        self,
        collection: DocumentCollection,
        cut: Cut,
        joins: Joins,
        spools: Spooling,
        *,
        where: str,
    ) -> None:
        self.collection, self._where = collection, where
        self.counts, self.losses = Counts(), Losses()
        self._table = collection.shape.table
        self._parse = row_parser(self._table)
        self.builder = DocumentBuilder(collection.shape, self.losses, root=True)
        self.attached: AddedValues | None = None
        self._occurrences: dict[int, int] = {}
        self.only: set[int] | None = None
        self._direct: DirectLookUps | None = None
        own = f"{collection.name}."
        slots = [name for name in (*joins.slots, *joins.direct) if name.startswith(own)]
        if slots or collection.name in joins.only:
            found = Slots(joins, spools, cut.first, cut.rows)
            if collection.name in joins.only:
                self.only = found.only(collection.name)
            if collection.shape.additions:
                self.attached = AddedValues(
                    collection.name, collection.shape, found, self.losses, self.counts
                )
                additions = {own + added.field: added for added in collection.shape.additions}
                direct = {slot: a for slot, a in additions.items() if slot in joins.direct}
                if direct:
                    self._direct = DirectLookUps(self._table, direct, found, where)
            if not collection.shape.key:
                self._occurrences = found.positions(f"{collection.name}.{OCCURRENCE}")

    def look_up(self, content: bytes, first: int) -> None:
        """Do the direct look-ups of a block's rows, before its documents are made."""
        if self._direct is not None and self.attached is not None:
            for slot, found in self._direct.found(content, first):
                self.attached.put(slot, found)

    def block(self, content: bytes, first: int) -> BlockDocuments:
        """The documents of a block whose first row has the ordinal ``first``."""
        rows = enumerate(split_lines(content), first)
        documents = [self.document(line, at) for at, line in rows if self.is_wanted(at)]
        return BlockDocuments(b"".join(documents), list(map(identity_hash, documents)))

    def is_wanted(self, ordinal: int) -> bool:
        """Whether the row belongs to the collection; a collection of orphans has only some rows."""
        return self.only is None or ordinal in self.only

    def document(self, line: bytes, ordinal: int) -> bytes:
        """The document of one row, as BSON; raises BadValue or BadArchive."""
        row = self._row(line, ordinal)
        if self.attached is not None:
            self.attached.complete(row, ordinal)
        if not self.collection.shape.key:
            row[added_key("_id")] = self.content_id(line, ordinal)
        return self.builder.encode(self.builder.document(row, line), row)

    def content_id(self, line: bytes, ordinal: int) -> str:
        """The ``_id`` of a row without a key: its content's hash, its number among equal rows."""
        return f"{xxh3_128_hexdigest(line)}-{self._occurrences.get(ordinal, 1)}"

    def _row(self, line: bytes, ordinal: int) -> Row:
        try:
            return self._parse(line)
        except ValueError as error:
            problem = f"{self._table.name}: row {ordinal + 1}: {error}"
            raise BadArchive(self._where, problem) from error
