"""Sanitize: writes a copy of a raw archive with pseudonyms, and the proof that it is clean."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from mediatool_assets.archive.grouping import block_shares
from mediatool_assets.archive.reader import ArchiveReader, Bytes
from mediatool_assets.archive.writer import ArchiveWriter
from mediatool_assets.domain.authenticity import sign_copy
from mediatool_assets.domain.ddl.tree import BadStatement
from mediatool_assets.domain.errors import BadArchive, BadRules, CheckFailed, CountMismatch
from mediatool_assets.domain.fingerprint import Fingerprint
from mediatool_assets.domain.manifest import Manifest, Member, archive_digest
from mediatool_assets.domain.masking import checks
from mediatool_assets.domain.masking.ddl import SanitizedDdl, sanitized_ddl
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.masking.masker import Masker
from mediatool_assets.domain.masking.rules import REDACT, MaskingVerb, Rules
from mediatool_assets.domain.member_names import table_member
from mediatool_assets.domain.model import Model
from mediatool_assets.domain.schema import Schema
from mediatool_assets.domain.signing import SigningKey
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.sanitize.destinations import (
    CopyStore,
    LocalFolder,
    free_names,
    report_keys,
)
from mediatool_assets.flows.sanitize.masking_shares import MaskingShare, Sanitized, sanitize_share
from mediatool_assets.flows.sanitize.originals import write_filter
from mediatool_assets.flows.sanitize.proof import Proof, prove
from mediatool_assets.flows.sanitize.report import ColumnReport, Report, SchemaReport
from mediatool_assets.flows.sanitize.rules_file import SHIPPED_RULES, load_rules
from mediatool_assets.flows.sanitize.search import (
    Search,
    Searched,
    Texts,
    encodable_text,
    search_share,
    write_texts,
)
from mediatool_assets.flows.sanitize.source_check import schema_of
from mediatool_assets.flows.sanitize.tracked_keys import group_name, tracked_by_table
from mediatool_assets.flows.sanitize.value_digests import Digester, Evidence, Tracked, write_nothing
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.workspace import Workspace

__all__ = [
    "SHIPPED_RULES",
    "CopyStore",
    "LocalFolder",
    "Published",
    "load_rules",
    "origin",
    "report_keys",
    "sanitize",
]

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
