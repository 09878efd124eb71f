"""Sanitize: writes a copy of a raw archive with pseudonyms, and the proof that it is clean.

In a worker: masks consecutive rows of a table, spools them, reads and searches them again.

The destinations of a sanitized archive and its reports: a bucket, or a local folder.
"""

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from mediatool_assets.archive.reader import ArchiveReader, Bytes, block_shares, split_lines
from mediatool_assets.archive.writer import ArchiveWriter, Sink, Spooled, spool_rows
from mediatool_assets.core.authenticity import sign_copy
from mediatool_assets.core.ddl import BadStatement
from mediatool_assets.core.errors import (
    AlreadyExists,
    BadArchive,
    BadRules,
    CheckFailed,
    CountMismatch,
)
from mediatool_assets.core.manifest import Block, Fingerprint, Manifest, Member, archive_digest
from mediatool_assets.core.model import Model
from mediatool_assets.core.schema import Column, Schema, Table
from mediatool_assets.core.signing import MaskingKey, SigningKey
from mediatool_assets.core.version import Version, beside, signature_key, table_member
from mediatool_assets.sanitize import rules as checks
from mediatool_assets.sanitize.ddl import SanitizedDdl, sanitized_ddl
from mediatool_assets.sanitize.detection import ColumnValues, TypeFamily
from mediatool_assets.sanitize.originals import (
    Digester,
    Evidence,
    Row,
    Tracked,
    group_name,
    tracked_by_table,
    write_filter,
    write_nothing,
)
from mediatool_assets.sanitize.proof import (
    NAMES,
    Gather,
    Proof,
    Search,
    Searched,
    Texts,
    document_gatherer,
    encodable_text,
    gatherer,
    prove,
    search_share,
    write_texts,
)
from mediatool_assets.sanitize.pseudonyms import PseudonymKind
from mediatool_assets.sanitize.redaction import REDACTED, Masker, parsed, readable
from mediatool_assets.sanitize.report import ColumnReport, Report, SchemaReport
from mediatool_assets.sanitize.rules import (
    REDACT,
    Mask,
    MaskingRule,
    MaskingVerb,
    Rules,
    Unclassified,
    column_mask,
    path_tree,
)
from mediatool_assets.sanitize.rules_file import schema_of
from mediatool_assets.work import in_order
from mediatool_assets.work.scratch import Workspace

_ROW = msgspec.json.Decoder(Row)
_VALUES = msgspec.json.Decoder(dict[str, object])


@dataclass(frozen=True, slots=True)
class MaskingShare:
    """Consecutive blocks of one table, for one worker."""

    archive: ArchiveReader
    table: Table
    blocks: tuple[Block, ...]
    number: int
    rules: Rules
    key: MaskingKey
    watches: tuple[Tracked, ...]
    folder: Path


@dataclass(slots=True)
class Sanitized:
    """The result of a share. ``read`` is the fingerprint of the input rows.

    ``counts`` holds masked values by column and rule.
    """

    spooled: Spooled
    read: Fingerprint
    counts: Counter[tuple[str, str]]


@lru_cache(maxsize=1)  # a worker reuses its pseudonyms for the next shares
def _masker(key: MaskingKey, kinds: tuple[PseudonymKind, ...]) -> Masker:
    return Masker(key, kinds)


def sanitize_share(share: MaskingShare) -> Sanitized:
    """Mask a share's rows; raises BadRules, BadArchive. Memory: a block and its distinct values."""
    masker = _masker(share.key, tuple(share.rules.kinds.values()))
    masker.begin()
    evidence = Evidence(Digester(share.key.derive("proof")), share.watches)
    work = _Work(share, masker, evidence)
    spooled = spool_rows(share.folder / f"rows-{share.number}", work.rows())
    write_texts(share.folder / f"texts-{share.number}", list(work.texts()))
    evidence.write(share.folder, share.number, masker)
    return Sanitized(spooled, work.read, masker.counts)


class _Work:
    def __init__(self, share: MaskingShare, masker: Masker, evidence: Evidence) -> None:
        self._share, self._evidence = share, evidence
        columns = [
            _ColumnWork(share.table, column, _rule(share, column), masker)
            for column in share.table.columns
        ]
        self._names = [column.name for column in columns]
        self._masked = [column for column in columns if column.is_masked]
        self._searched = [column for column in columns if column.is_searched]
        self.read = Fingerprint()

    def rows(self) -> Iterator[list[bytes]]:
        """The masked rows, one block at a time."""
        for content in self._share.archive.blocks(self._share.blocks):
            lines = split_lines(content)
            self.read += Fingerprint.of(lines)
            try:
                masked = [self._row(line) for line in lines]
                for line in masked:
                    self._gather(line)
            except (
                msgspec.DecodeError, KeyError, ValueError, ArithmeticError, RecursionError,
            ) as error:  # fmt: skip
                raise BadArchive(
                    self._share.archive.source.name,
                    f"a row of {self._share.table.name} does not match schema.json "
                    f"({type(error).__name__})",  # the error's text may contain unmasked values
                ) from None
            yield masked

    def _row(self, line: bytes) -> bytes:
        before = _ROW.decode(line)
        if len(before) != len(self._names):
            raise KeyError(len(before))
        after: Row = {name: before[name] for name in self._names}
        for column in self._masked:
            after[column.name] = msgspec.Raw(column.masked(bytes(before[column.name])))
        self._evidence.watch(before, after)
        return msgspec.json.encode(after)

    def _gather(self, line: bytes) -> None:
        """Parse a masked row again, and collect its texts."""
        values = _VALUES.decode(line)
        for column in self._searched:
            column.gather(values[column.name])

    def texts(self) -> Iterator[Texts]:
        """Every distinct text of the masked rows, by place."""
        for column in self._searched:
            for place, rule, found in column.texts():
                exempt, kept = _exempt(rule, self._share.rules), rule.verb is MaskingVerb.KEEP
                yield Texts(place, exempt, kept, list(map(encodable_text, found)))


def _rule(share: MaskingShare, column: Column) -> MaskingRule:
    rule = share.rules.rule(share.table.name, column.name)
    if rule is None:  # the coordinator checked that there is one
        raise BadRules([f"{share.table.name}.{column.name} is not classified"])
    return rule


def _exempt(rule: MaskingRule, rules: Rules) -> str:
    """The kind whose originals may occur here: in a permutation its own, else plain words."""
    if rule.verb is MaskingVerb.REDACT:
        return REDACTED
    if rule.verb is MaskingVerb.PSEUDONYM and rules.kinds[rule.argument].is_permutation:
        return rule.argument
    return ""


class _ColumnWork:
    """One column: its masking, and the search of its masked values."""

    def __init__(self, table: Table, column: Column, rule: MaskingRule, masker: Masker) -> None:
        self.name = column.name
        self._where = f"{table.name}.{column.name}"
        self._rule = rule
        self._mask: Mask | None = column_mask(masker, rule, self._where, column)
        self._family = ColumnValues.of(column).family
        self._is_document = self._family in (TypeFamily.JSON, TypeFamily.JSONB)
        self._found: dict[tuple[str, int], tuple[MaskingRule, set[str]]] = {}
        self._gather: Gather = (
            document_gatherer(path_tree(rule), rule.otherwise or NAMES, self._place)
            if rule.verb is MaskingVerb.JSON  # only used with ``otherwise``
            else gatherer(self._place("", rule))
        )

    @property
    def is_masked(self) -> bool:
        """True if the rule changes the column's values."""
        return self._mask is not None

    def masked(self, value: bytes) -> bytes:
        """The masked value; raises BadRules if a document has a value that no path covers."""
        assert self._mask is not None  # noqa: S101  # of what is masked alone
        try:
            return self._mask(value)
        except Unclassified as error:
            path = error.path or "a document that is not an object"
            raise BadRules(
                [
                    f"{self._where}: {path} is not classified; under its `json:` write "
                    f"`{path}: keep`, or redact, or `otherwise: redact` for all that is new"
                ]
            ) from None

    @property
    def is_searched(self) -> bool:
        """True if its values may contain an original."""
        return self._family in _SEARCHED

    def gather(self, value: object) -> None:
        """Collect the texts of a masked value."""
        if value is None:
            return
        if self._is_document and isinstance(value, str):
            value = parsed(value)
        elif self._family is TypeFamily.BYTES:
            value = _readable(value)
        self._gather(value)

    def _place(self, path: str, rule: MaskingRule) -> set[str]:
        return self._found.setdefault((path, id(rule)), (rule, set()))[1]

    def texts(self) -> Iterator[tuple[str, MaskingRule, set[str]]]:
        """``(place, rule, texts)`` of everything collected."""
        for (path, _), (rule, found) in self._found.items():
            if found:
                yield f"{self._where} {path}".rstrip(), rule, found


def _readable(value: object) -> object:
    """The text in bytes; equal digits are chance, as for empty files."""
    if isinstance(value, list):
        return [_readable(part) for part in value]
    if isinstance(value, str) and value.startswith("\\x"):
        return readable(bytes.fromhex(value[2:])) or ""
    return value


_SEARCHED = frozenset(
    {
        TypeFamily.TEXT, TypeFamily.UUID, TypeFamily.JSON, TypeFamily.JSONB, TypeFamily.ENUM,
        TypeFamily.OTHER, TypeFamily.BYTES,
    }
)  # fmt: skip
"""Columns of numbers and times are not searched: they are equal by chance."""


class CopyStore(Protocol):
    """The part of ObjectStore's interface needed: names are written once, and appear as a whole."""

    def uri(self, key: str) -> str:
        """The location of the key, for display."""

    def head(self, key: str) -> object | None:
        """None if the key is free."""

    def get(self, key: str) -> tuple[bytes, str]:
        """A small object, whole, and its entity tag."""

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> object:
        """Write a small object under a free name, or replace the object with that entity tag.

        Otherwise raises AlreadyExists, and nothing is written.
        """

    def create(self, key: str) -> AbstractContextManager[Sink]:
        """Stream a large object; raises AlreadyExists. After an error nothing is left."""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A local directory, created when something is written to it."""

    path: Path

    def uri(self, key: str) -> str:
        """The path of the file."""
        return str(self.path / key)

    def head(self, key: str) -> object | None:
        """None if there is no such file."""
        return key if (self.path / key).exists() else None

    def get(self, key: str) -> tuple[bytes, str]:
        """A small file, whole, and its SHA-256."""
        data = (self.path / key).read_bytes()
        return data, hashlib.sha256(data).hexdigest()

    def put(self, key: str, data: bytes, *, replacing: str | None = None) -> object:
        """Write a small file, or replace the one with that SHA-256; raises AlreadyExists."""
        if replacing is None:
            with self.create(key) as file:
                return file.write(data)
        if self.head(key) is None or self.get(key)[1] != replacing:
            raise self._taken(key)
        with self._unfinished() as path:
            path.write_bytes(data)
            return path.replace(self.path / key)

    @contextmanager
    def create(self, key: str) -> Iterator[BinaryIO]:
        """Write a file that gets its name only when it is complete; raises AlreadyExists."""
        with self._unfinished() as path:
            with path.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(path, self.path / key)
            except FileExistsError as error:
                raise self._taken(key) from error

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        """A path on the folder's own disk, removed at the end of the context."""
        self.path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path, prefix=".mediatool-") as scratch:
            yield Path(scratch) / "file"

    def _taken(self, key: str) -> AlreadyExists:
        return AlreadyExists(self.uri(key), "move it, or name another output")


def report_keys(key: str) -> tuple[str, str]:
    """The names of the reports beside an archive."""
    return beside(key, "report", "json"), beside(key, "report", "html")


def free_names(place: CopyStore, key: str, version: str) -> dict[str, str | None]:
    """The names of an archive's reports and signature, with the entity tag to replace, if any.

    The tag is None if the name is free. Otherwise it is the tag of a file that an interrupted run
    of that version left. Raises AlreadyExists if the archive, or a report of another version,
    exists.
    """
    names = (*report_keys(key), signature_key(key))
    there = [name for name in (key, *names) if place.head(name) is not None]
    if there and (key in there or not _is_left(place, key, version)):
        raise AlreadyExists(place.uri(there[0]), "move it, or name another output")
    return {name: place.get(name)[1] if name in there else None for name in names}


def _is_left(place: CopyStore, key: str, version: str) -> bool:
    """True if the existing report is about this version and this archive."""
    name, _ = report_keys(key)
    if place.head(name) is None:
        return False
    try:
        report = Report.from_json(place.get(name)[0])
    except msgspec.MsgspecError:
        return False  # a file of somebody else
    same_name = report.archive.rpartition("/")[2] == key.rpartition("/")[2]
    return same_name and report.version == version


_AHEAD = 16  # shares: keeps the workers of one machine busy with little on the local disk
_SHOWN = 20  # findings in one message; most of them come from a single wrong rule


@dataclass(frozen=True, slots=True)
class Published:
    """A published sanitized archive and its reports, with their locations."""

    uri: str
    reports: tuple[str, ...]
    report: Report


@dataclass(frozen=True, slots=True)
class Sanitizing:
    """How an archive is sanitized: its rules, its key, and options.

    ``model`` names references that the database does not declare. A column that no rule covers
    stops the run, or is redacted with ``redact_unclassified``. ``detect`` names a detector
    (``presidio.detector``) that examines the kept values; its results do not stop the run. With a
    ``signing_key`` the copy's signature is written beside it.
    """

    rules: Rules
    key: MaskingKey
    model: Model | None = None
    redact_unclassified: bool = False
    detect: str = ""
    signing_key: SigningKey | None = None


def sanitize(
    source: Bytes, place: CopyStore, key: str, workspace: Workspace, how: Sanitizing
) -> Published:
    """Mask a raw archive by the rules, prove the result, and publish it as ``key`` in ``place``.

    Raises BadRules, BadArchive, AlreadyExists, and CheckFailed if an original value remains, two
    values became one, or a relation is lost. Nothing is published then. If publishing the archive
    itself fails, its reports remain, and the next run replaces them. Memory: some shares of 16 MiB,
    and the proof.
    """
    archive = ArchiveReader(source)
    names = free_names(place, key, archive.manifest.version)
    schema, rules = schema_of(archive), how.rules
    uncovered = [f"{table.name}.{column.name}" for table, column in rules.unclassified(schema)]
    if how.redact_unclassified:
        rules = rules.redacting(schema)
    if problems := [*checks.mistakes(rules, schema), *checks.unclassified(rules, schema)]:
        raise BadRules(problems)
    with tempfile.TemporaryDirectory(prefix="sanitize-", dir=workspace.scratch) as folder:
        run = _SanitizingRun(
            archive, schema, rules, how.key, workspace, Path(folder),
            tracked_by_table(schema, rules, how.model), tuple(uncovered), how.detect,
        )  # fmt: skip
        version = Version.parse(archive.manifest.version)
        with place.create(key) as sink:
            manifest = run.write(ArchiveWriter(sink, "sanitized", version))
            report = run.report(source.name.rpartition("/")[2], place.uri(key), manifest)
            documents = [report.to_json(), report.html()]
            if how.signing_key is not None:
                digest = archive_digest(manifest.to_json())
                signed = sign_copy(how.signing_key, version, digest)
                documents.append(msgspec.json.encode(signed))
            # before the archive, so that there is no archive without its proof
            written = dict(zip(names, documents, strict=False))
            for name, data in written.items():
                place.put(name, data, replacing=names[name])
    return Published(place.uri(key), tuple(map(place.uri, written)), report)


def origin(raw: ArchiveReader, rules: Rules, key: MaskingKey) -> dict[str, object]:
    """The facts in a copy's manifest that identify its input, rules and key."""
    return {
        "raw_manifest_sha256": raw.digest,
        "rules_sha256": rules.digest,
        "key_id": key.id,
    }


@dataclass(slots=True)
class _SanitizingRun:
    """One run: tables in the archive's order, with workers slightly ahead of the writer."""

    archive: ArchiveReader
    schema: Schema
    rules: Rules
    key: MaskingKey
    workspace: Workspace
    folder: Path
    watches: dict[str, tuple[Tracked, ...]]
    uncovered: tuple[str, ...]
    detect: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    proof: Proof | None = None
    ddl: SanitizedDdl | None = None

    def write(self, writer: ArchiveWriter) -> Manifest:
        """Write tables, sanitized schema, proof and manifest; raises CheckFailed."""
        members = self.archive.manifest.tables()
        write_nothing(self.folder)
        self.ddl = self._sanitized_ddl()
        with in_order(
            self.workspace.executor, sanitize_share, self._shares(), ahead=_AHEAD
        ) as results:
            for table, member in sorted(members.items()):
                self._write_table(writer, table, member, results)
        writer.add_file("schema.sql", self.ddl.sql.encode())
        writer.add_file("schema.json", self.ddl.schema.to_json())
        searched = self._search(self.ddl)
        self.workspace.progress("proof", 0, 0)
        smallest = {
            group_name(table, self.rules.quasi_identifiers[table]): k
            for table, k in self.rules.smallest_groups.items()
            if table in self.rules.quasi_identifiers
        }
        self.proof = prove(self.folder, searched, smallest)
        if findings := self.proof.findings:
            more = f"\nand {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
            raise CheckFailed("\n".join(findings[:_SHOWN]) + more + "\nnothing was published")
        raw = self.archive.manifest
        return writer.finish(
            msgspec.structs.replace(raw, warnings=self._warnings(), facts=self._facts())
        )

    def _write_table(
        self, writer: ArchiveWriter, table: str, member: Member, results: Iterator[Sanitized]
    ) -> None:
        read, own, done = Fingerprint(), [], 0
        for _ in block_shares(member.blocks):
            made = next(results)
            read += made.read
            own.append(made.spooled)
            self.counts += made.counts
            done += made.spooled.rows
            self.workspace.progress(table, done, member.rows)
        if str(read) != member.fingerprint:
            raise BadArchive(self.archive.source.name, f"{member.name} has another fingerprint")
        written = writer.add_rows(table_member(table), own, table=table)
        if written.rows != member.rows:
            raise CountMismatch(table, "rows", member.rows, written.rows)

    def _sanitized_ddl(self) -> SanitizedDdl:
        """The schema with what the rules allow; its literals count as originals too."""
        masker = Masker(self.key, tuple(self.rules.kinds.values()))
        try:
            text = self.archive.read_file("schema.sql").decode()
            made = sanitized_ddl(text, self.schema, self.rules, masker)
        except (BadStatement, UnicodeDecodeError) as error:
            raise BadArchive(
                self.archive.source.name, f"schema.sql cannot be read: {error}"
            ) from error
        Evidence(Digester(self.key.derive("proof")), ()).write(self.folder, "schema", masker)
        return made

    def _search(self, ddl: SanitizedDdl) -> Searched:
        """Search the rows, the schema, and the facts that the manifest takes over."""
        digest = Digester(self.key.derive("proof"))
        filter_ = write_filter(self.folder)
        raw = self.archive.manifest
        said = msgspec.json.encode([raw.source, raw.exclusions, raw.warnings])
        texts = [
            Texts("schema.sql", "", True, list(map(encodable_text, ddl.texts))),
            Texts("schema.sql", "", True, list(map(encodable_text, ddl.names)), names=True),
            Texts("manifest.json", "", True, [encodable_text(said.decode())], names=True),
        ]
        write_texts(self.folder / "texts-inherited", texts)
        shares = [path.name.removeprefix("texts-") for path in self.folder.glob("texts-*")]
        work = (
            Search(self.folder, share, digest, filter_, self.detect) for share in sorted(shares)
        )
        found = Searched()
        with in_order(self.workspace.executor, search_share, work, ahead=_AHEAD) as results:
            for done, made in enumerate(results, 1):
                found += made
                self.workspace.progress("search", done, len(shares), "parts")
        return found

    def _shares(self) -> Iterator[MaskingShare]:
        number = 0
        for table, member in sorted(self.archive.manifest.tables().items()):
            for blocks in block_shares(member.blocks):
                yield MaskingShare(
                    ArchiveReader(self.archive.source), self.schema.table(table), tuple(blocks),
                    number, self.rules, self.key, self.watches[table],
                    self.folder,
                )  # fmt: skip
                number += 1

    def _facts(self) -> dict[str, object]:
        anew = self._computed_anew()
        return {
            "schema_fingerprint": self.ddl.schema.fingerprint() if self.ddl else "",
            **origin(self.archive, self.rules, self.key),
            "rules": self.rules.source,
            "masked": self._by_rule(),
            **({"computed_anew": anew} if anew else {}),
        }

    def _computed_anew(self) -> dict[str, list[str]]:
        """The dropped columns that PostgreSQL recomputes, by table."""
        found: dict[str, list[str]] = {}
        schema = self.schema if self.ddl is None else self.ddl.schema
        for table in schema.tables:
            for column in table.columns:
                rule = self.rules.rule(table.name, column.name)
                if column.generated and rule is not None and rule.verb is MaskingVerb.DROP:
                    found.setdefault(table.name, []).append(column.name)
        return found

    def _by_rule(self) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for (_, words), count in self.counts.items():
            counts[words] += count
        return dict(sorted(counts.items()))

    def _warnings(self) -> tuple[str, ...]:
        return (
            *self.archive.manifest.warnings,
            *(f"{name} was redacted: no rule covers it" for name in self.uncovered),
            *(f"{name} has a rule, but does not exist" for name in self._unused()),
        )

    def _unused(self) -> list[str]:
        """Tables of rules that the schema lacks; their columns may belong to another table."""
        return [name for name in self.rules.unused(self.schema) if "." not in name]

    def report(self, source: str, archive: str, manifest: Manifest) -> Report:
        """The report of a run that was published."""
        assert self.proof is not None and self.ddl is not None  # noqa: S101  # write() ran
        masked: dict[str, dict[str, int]] = {}
        for (place, words), count in sorted(self.counts.items()):
            masked.setdefault(place, {})[words] = count
        columns = tuple(
            ColumnReport(
                table.name,
                column.name,
                (self.rules.rule(table.name, column.name) or REDACT).words,
                masked.get(f"{table.name}.{column.name}", {}),
            )
            for table in self.schema.tables
            for column in table.columns
        )
        return Report(
            version=manifest.version,
            source=source,
            archive=archive,
            rules=self.rules.source,
            rules_sha256=self.rules.digest,
            key_id=self.key.id,
            rows={table: member.rows for table, member in sorted(manifest.tables().items())},
            columns=columns,
            counts=self._by_rule(),
            unclassified=self.uncovered,
            proof=self.proof,
            warnings=manifest.warnings,
            ddl=SchemaReport(self.ddl.kept, self.ddl.replaced, self.ddl.left_out),
        )
