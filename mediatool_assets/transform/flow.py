"""Transform: the raw archive into documents, as the model says, every row accounted for.

In a worker: converts some blocks of a collection's root table into a spool of documents.

Documents made from blocks by the compiled codec, or by Python for odd rows.

Bytes and counts are the same as those of ``row_documents``.

Checks that every ``_id`` of a collection is unique, before a load could fail half way.

A ``$jsonSchema`` for each collection, from the columns' types: exactly the fields that we write.

If a column may have values that BSON cannot represent, the validator also allows text; ``losses``
lists these cases.

Indexes as a collection's metadata lists them.
"""

import ctypes
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import bson
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from bson.errors import InvalidDocument
from xxhash import xxh3_64_intdigest

from mediatool_assets.archive.reader import ArchiveReader, Bytes, row_count, split_documents
from mediatool_assets.archive.writer import ArchiveWriter, Spooled, discard
from mediatool_assets.core.errors import AlreadyExists, BadValue
from mediatool_assets.core.manifest import FORMAT, CollectionInfo, Manifest
from mediatool_assets.core.model import AdditionVerb, FieldType, Model
from mediatool_assets.core.resolution import Resolution, resolve
from mediatool_assets.core.schema import Column
from mediatool_assets.core.shapes import (
    AddedField,
    ColumnField,
    DocumentCollection,
    DocumentShape,
    digest,
)
from mediatool_assets.core.version import DatabaseNames, Version, bson_member, metadata_member
from mediatool_assets.native import library
from mediatool_assets.native.rows import (
    DONE,
    ODD,
    UNWANTED,
    DocumentStep,
    Kind,
    PlannedColumn,
    RowPlan,
    StepKind,
)
from mediatool_assets.stores.ports import ArchiveStore
from mediatool_assets.transform.documents import DOCUMENT_BYTES, Plan, added_key, encoded_value
from mediatool_assets.transform.join_plan import join
from mediatool_assets.transform.joins import Joins
from mediatool_assets.transform.row_documents import (
    BlockDocuments,
    Counts,
    Cut,
    RowDocuments,
    cuts,
    identity,
    identity_hash,
)
from mediatool_assets.transform.values import default_type
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive, require_source_counts
from mediatool_assets.versions.records import Lines, metadata_json
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import MEMORY, Spooling, Workspace, spooling

_ARRAY: Final = 0x04
"""The BSON type of an array."""

_DEFAULTS: Final = {
    FieldType.LONG: Kind.LONG,
    FieldType.DOUBLE: Kind.DOUBLE,
    FieldType.DECIMAL: Kind.DECIMAL,
    FieldType.DATE: Kind.DATE,
    FieldType.UUID: Kind.UUID,
    FieldType.DOCUMENT: Kind.DOCUMENT,
}
"""The others are JSON's own values."""

_OVERRIDES: Final = _DEFAULTS | {
    FieldType.STRING: Kind.STRING,
    FieldType.INT: Kind.INT32,
    FieldType.BOOL: Kind.BOOLEAN,
}


def kind_of(column: Column, override: FieldType | None) -> Kind:
    """How the codec converts a column's values, or an array's elements; see ``converter``."""
    if override is not None:
        return _OVERRIDES[override]
    default = default_type(column.element or column.base)
    return Kind.BINARY if default is None else _DEFAULTS.get(default, Kind.JSON)


class CompiledDocuments:
    """Makes the documents of one share, as ``rows`` does."""

    def __init__(self, library: ctypes.CDLL, rows: RowDocuments) -> None:
        self._rows = rows
        shape = rows.collection.shape
        steps = list(_steps(rows.builder.plan, shape))
        self._plan = RowPlan(library, list(_columns(shape)), [step for step, _ in steps])
        made = rows.attached.cells() if rows.attached is not None else {}
        keys = [key for step, key in steps if step.kind is StepKind.ADDED]
        self._added = [None if key == added_key("_id") else made[key] for key in keys]
        """The functions that make the added values; None for the ``_id`` of a row without a key."""
        names = [column.name for column in shape.table.columns]
        self._names = names
        self._arrays = {
            names.index(added.path[0].columns[0]): added.path[0].columns[0]
            for added in shape.additions
            if added.path[0].each
        }

    def block(self, content: bytes, first: int) -> BlockDocuments:
        """The documents of a block whose first row has the ordinal ``first``."""
        if not content.endswith(b"\n"):
            return self._rows.block(content, first)
        status = bytearray(row_count(content))
        if self._rows.only is not None:
            for at in range(len(status)):
                status[at] = DONE if self._rows.is_wanted(first + at) else UNWANTED
        self._plan.read(content, status)
        by_python: dict[int, bytes] = {}
        added: list[bytes] = []
        lines = Lines(content)
        if self._added or ODD in status:
            for at, stub in enumerate(self._stubs(status)):
                if status[at] == ODD:
                    by_python[at] = self._rows.document(lines.all[at], first + at)
                elif status[at] == DONE and self._added:
                    added += self._cells(lines, at, stub, first)
        made, ends = self._plan.documents(added)
        identities, known = self._plan.identities()
        if 0 not in known and len(made) <= DOCUMENT_BYTES:
            return BlockDocuments(made, identities)
        documents = [made[start:end] for start, end in pairwise([0, *ends])]
        for at, document in enumerate(documents):
            if len(document) > DOCUMENT_BYTES:
                documents[at] = self._rows.document(lines.all[at], first + at)  # raises
        for at, document in by_python.items():
            documents[at] = document
        return _together(documents, identities, known)

    def count_losses(self) -> None:
        """Once, at the end: add the losses of all blocks to those that Python has counted."""
        table = self._rows.collection.shape.table.name
        for name, count in zip(self._names, self._plan.lost(), strict=True):
            self._rows.losses.add(table, name, "microseconds", count)

    def _stubs(self, status: bytearray) -> Iterator[dict[str, object]]:
        """For each row, what the added fields need from it: whether it has an array."""
        if not self._arrays:
            return repeat({}, len(status))
        types = {name: self._plan.types(column) for column, name in self._arrays.items()}
        return (
            {name: [] if kinds[at] == _ARRAY else None for name, kinds in types.items()}
            for at in range(len(status))
        )

    def _cells(self, lines: Lines, at: int, stub: dict[str, object], first: int) -> list[bytes]:
        """The values that are added to one row, in the order of the steps."""
        try:
            cells = [
                cell(stub, first + at)
                if cell is not None
                else encoded_value(self._rows.content_id(lines.all[at], first + at))
                for cell in self._added
            ]
        except (InvalidDocument, OverflowError, UnicodeEncodeError):
            self._rows.document(lines.all[at], first + at)  # raises BadValue, naming the column
            raise
        if sum(map(len, cells)) > DOCUMENT_BYTES:
            self._rows.document(lines.all[at], first + at)  # raises BadValue
        return cells


def _together(documents: list[bytes], identities: list[int], known: bytes) -> BlockDocuments:
    """The documents of the rows that have one; not every identity is known."""
    kept = [at for at, document in enumerate(documents) if document]
    hashes = [identities[at] if known[at] else identity_hash(documents[at]) for at in kept]
    return BlockDocuments(b"".join(documents), hashes)


def _columns(shape: DocumentShape) -> Iterator[PlannedColumn]:
    """All columns of the table, in the order of its rows."""
    used = {part.column.name: part for part in shape.columns}
    for column in shape.table.columns:
        part = used.get(column.name)
        kind = kind_of(column, part.type) if part is not None else Kind.JSON
        key = msgspec.json.encode(column.name) + b":"
        is_array = column.element is not None and part is not None
        yield PlannedColumn(key, kind, is_array, part is not None)


def _steps(plan: Plan, shape: DocumentShape) -> Iterator[tuple[DocumentStep, str]]:
    """The steps of a document, and the key of the value that one adds."""
    columns = {column.name: at for at, column in enumerate(shape.table.columns)}
    count = 0

    def walk(parts: Plan) -> Iterator[tuple[DocumentStep, str]]:
        nonlocal count
        for field, column, _, group in parts:
            if group is not None:
                yield DocumentStep(StepKind.BEGIN, field), ""
                yield from walk(group)
                yield DocumentStep(StepKind.END), ""
            elif column in columns:
                yield DocumentStep(StepKind.COLUMN, field, columns[column]), column
            else:
                yield DocumentStep(StepKind.ADDED, field, count), column
                count += 1

    return walk(plan)


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


_BSON = {
    None: ("binData",),
    FieldType.STRING: ("string",),
    FieldType.INT: ("int",),
    FieldType.LONG: ("long",),
    FieldType.DOUBLE: ("double",),
    FieldType.DECIMAL: ("decimal", "string"),
    FieldType.BOOL: ("bool",),
    FieldType.DATE: ("date", "string"),
    FieldType.UUID: ("binData",),
}


def options(collection: DocumentCollection) -> dict[str, object]:
    """The collection's options: its validator, unless the model turned it off."""
    if collection.validator is None:
        return {"validator": {"$jsonSchema": _document(collection.shape, root=True)}}
    return {"validator": dict(collection.validator)} if collection.validator else {}


def _document(shape: DocumentShape, *, root: bool) -> dict[str, Any]:
    fields = [(part.field, _column(part)) for part in shape.columns]
    fields += [(added.field, _added(added)) for added in shape.additions]
    if root and not shape.key:
        fields.insert(0, ("_id", {"bsonType": "string"}))
    return _object(fields)


def _object(fields: list[tuple[str, dict[str, Any]]], null: bool = False) -> dict[str, Any]:
    """An object of these fields, dotted ones as nested objects; every field is required."""
    properties: dict[str, Any] = {}
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, schema in fields:
        head, dot, rest = name.partition(".")
        if dot:
            properties.setdefault(head, None)
            groups.setdefault(head, []).append((rest, schema))
        else:
            properties[name] = schema
    for head, parts in groups.items():
        properties[head] = _object(parts)
    return {
        "bsonType": ["object", "null"] if null else "object",
        "required": list(properties),
        "properties": properties,
    }


def _column(part: ColumnField, *, copied: bool = False) -> dict[str, Any]:
    column = part.column
    chosen = part.type or default_type(column.element or column.base)
    if column.element is not None:
        return {"bsonType": ["array", "string", "null"]}
    if chosen is FieldType.DOCUMENT:
        return {}
    types = list(_BSON[chosen])
    if column.nullable or copied:
        types.append("null")
    return {"bsonType": types[0] if len(types) == 1 else types}


def _added(added: AddedField) -> dict[str, Any]:
    if added.verb is AdditionVerb.COUNT:
        return {"bsonType": ["int", "long"]}
    if added.shape is not None:
        inner = _document(added.shape, root=False)
        if added.verb is AdditionVerb.EMBED_ONE:
            return {**inner, "bsonType": ["object", "null"]}
        return {"bsonType": "array", "items": inner}
    single = _taken(added)
    if added.verb in (AdditionVerb.UNION, AdditionVerb.FOLD):
        return {"bsonType": "array", "items": single}
    if added.path[0].each:
        return {"bsonType": ["array", "null"], "items": single}
    return single


def _taken(added: AddedField) -> dict[str, Any]:
    """The values taken from one row; null if the reference finds no row."""
    if added.bare:
        return _column(added.take[0], copied=True)
    return _object([(part.field, _column(part, copied=True)) for part in added.take], null=True)


def index_documents(collection: DocumentCollection) -> tuple[dict[str, object], ...]:
    """The index of ``_id`` that every collection has, then the model's, named as mongod would."""
    found: list[dict[str, object]] = [{"v": 2, "key": {"_id": 1}, "name": "_id_"}]
    for index in collection.indexes:
        options = dict(index.options)
        name = options.pop("name", "_".join(f"{key}_{kind}" for key, kind in index.keys))
        found.append({"v": 2, "key": dict(index.keys), "name": name, **options})
    return tuple(found)


def transform(
    objects: ArchiveStore,
    workspace: Workspace,
    version: Version,
    model: Model,
    *,
    memory: str = MEMORY,
) -> StoredArchive:
    """Make the version's transformed archive from its raw archive and a model.

    ``memory`` limits the joins in the coordinator. If the version has a transformed archive
    already, made from the same raw archive by the same model, it is kept. Raises BadModel (the
    model does not fit the schema), BadValue (a value or document that MongoDB cannot store),
    CountMismatch (a row was lost, here or in the export), BadArchive, NotFound, AlreadyExists.
    """
    archive = catalog.reader(objects, "raw", version)
    raw = archive.manifest
    source: dict[str, str | int | None] = {
        "raw": archive.digest,
        "model": digest(model),
    }
    if raw.is_sanitized:
        source["kind"] = "sanitized"
    present = catalog.find(objects, "transformed", version)
    if present is not None:
        if present.manifest.source != source:
            raise AlreadyExists(
                present.uri, "and was made from another raw archive or model; use a new version"
            )
        return present
    require_source_counts(archive)
    resolution = resolve(model, archive.schema(), {e.table for e in raw.exclusions})
    with spooling(objects, workspace, "transform") as spools:
        joins = join(archive, resolution.collections, workspace, spools, memory)
        names = objects.database_names
        work = _Transform(archive, resolution, joins, workspace, version, spools, source, names)
        return catalog.publish(objects, "transformed", version, work.write, workspace.executor)


@dataclass(frozen=True, slots=True)
class _Transform:
    """One transform under way."""

    archive: ArchiveReader
    resolution: Resolution
    joins: Joins
    workspace: Workspace
    version: Version
    spools: Spooling
    source: dict[str, str | int | None]
    names: DatabaseNames

    def write(self, writer: ArchiveWriter) -> Manifest:
        """Write every collection, in order of name, when its last share has arrived."""
        counts = Counts()
        tables = {name: member.rows for name, member in self.archive.manifest.tables().items()}
        for table in self.resolution.left_out:
            counts.homes["left_out", table] += tables.get(table, 0)
        shares = [list(self._shares(c)) for c in self.resolution.collections]
        flat = list(chain.from_iterable(shares))
        done, total = 0, sum(share.cut.rows for share in flat)
        with in_order(self.workspace.executor, make, flat) as results:
            for collection, own in zip(self.resolution.collections, shares, strict=True):
                made: list[CollectionShareResult] = []
                for share, result in zip(own, results, strict=False):  # own ends first
                    made.append(result)
                    counts.add(result.counts)
                    done += share.cut.rows
                    self.workspace.progress("transform", done, total)
                self._collection(writer, collection, made)
        return writer.finish(
            Manifest(
                FORMAT,
                "transformed",
                "",
                (),
                source=self.source,
                warnings=(*self.resolution.warnings, *_warnings(counts)),
                facts=counts.facts(tables),
            )
        )

    def _shares(self, collection: DocumentCollection) -> Iterator[CollectionShare]:
        member = self.archive.manifest.tables().get(collection.shape.table.name)
        for count, cut in enumerate(cuts(member.blocks) if member is not None else ()):
            name = f"{quote(collection.name, safe='')}-{count:06}"
            archive = ArchiveReader(self.archive.source)
            yield CollectionShare(collection, archive, cut, self.joins, self.spools, name)

    def _collection(
        self,
        writer: ArchiveWriter,
        collection: DocumentCollection,
        made: Sequence[CollectionShareResult],
    ) -> None:
        """Write a collection's documents and its metadata."""
        spools = [result.spooled for result in made]
        workers = self.workspace.executor if self.spools.elsewhere else None
        require_unique(collection, [result.identities for result in made], spools, workers)
        for result in made:
            discard(result.identities)
        database, name = self.names.in_mongodb(self.version), collection.name
        writer.add_rows(bson_member(database, name), spools, collection=name)
        info = CollectionInfo(name, options(collection), index_documents(collection))
        writer.add_file(metadata_member(bson_member(database, name)), metadata_json(info))


def _warnings(counts: Counts) -> Iterator[str]:
    for (home, table), rows in sorted(counts.homes.items()):
        if home == "orphans" and rows:
            yield f"{table}: {rows} rows belong to no document, and went to a collection of orphans"
    for field, found in sorted(counts.ambiguous.items()):
        yield (
            f"{field}: {found} references match several rows; the row with the lowest key was used"
        )
