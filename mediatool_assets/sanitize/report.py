"""The proof report: the same facts as JSON and as a page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import msgspec

from mediatool_assets.core.texts import JsonDocument, quantity
from mediatool_assets.pages import Card, Items, Page, Section, count_cell, grid, html
from mediatool_assets.sanitize.ddl import KeptLiterals
from mediatool_assets.sanitize.proof import Proof


class ColumnReport(msgspec.Struct, frozen=True):
    """A column, its rule, and the number of values that each part of the rule masked."""

    table: str
    column: str
    rule: str
    masked: dict[str, int]


class SchemaReport(msgspec.Struct, frozen=True):
    """The sanitized DDL: literals kept and why, literals replaced, and objects left out."""

    kept: tuple[KeptLiterals, ...] = ()
    replaced: int = 0
    left_out: tuple[str, ...] = ()


class Report(msgspec.Struct, JsonDocument, frozen=True):
    """The result of sanitizing a version; it contains no original values."""

    INDENT: ClassVar = 1

    version: str
    source: str
    archive: str
    rules: str
    rules_sha256: str
    key_id: str
    rows: dict[str, int]
    columns: tuple[ColumnReport, ...]
    counts: dict[str, int]
    unclassified: tuple[str, ...]
    proof: Proof
    warnings: tuple[str, ...]
    ddl: SchemaReport = SchemaReport()

    def html(self) -> bytes:
        """The report as one self-contained HTML page."""
        return html(page(self)).encode()


def page(report: Report) -> Page:
    """The proof as a page."""
    proof = report.proof
    findings = proof.findings
    return Page(
        f"Sanitized export {report.version}",
        "failed" if findings else "passed",
        f"{quantity(len(findings), 'finding')}: this copy must not be used."
        if findings
        else "No finding: no original remains, no values became equal, no relation was lost.",
        [
            f"Made from {report.source} by the rules {report.rules}, "
            f"SHA-256 {report.rules_sha256}.",
            f"Key {report.key_id}. This distinguishes keys and reveals nothing about them.",
        ],
        [
            Card("Rows, as many as before", f"{sum(report.rows.values()):,}"),
            Card("Tables", f"{len(report.rows):,}"),
            Card("Values masked", f"{sum(report.counts.values()):,}"),
            Card("Originals searched for", f"{proof.searched:,}"),
            Card("Words of the copy", f"{proof.tokens:,}"),
        ],
        [
            Section("Findings", [Items(findings)], detail="summary"),
            Section("Warnings", [Items(report.warnings)], otherwise="None.", detail="summary"),
            *_proof_sections(proof),
            *_schema_sections(report.ddl),
            _counts("Values masked, by rule", "Rule", "Values", report.counts),
            _section(
                "Columns",
                ("Table", "Column", "Rule", "Masked values"),
                ((c.table, c.column, c.rule, _masked(c.masked)) for c in report.columns),
            ),
        ],
    )


def _proof_sections(proof: Proof) -> Iterator[Section]:
    yield _section(
        "Pseudonyms",
        ("Kind", "Before", "After"),
        ((k.kind, k.before, k.after) for k in proof.kinds),
        "Different values before and after, in all tables together.",
    )
    yield _section(
        "Keys",
        ("Key", "Values", "Different before", "After"),
        ((k.key, k.rows, k.before, k.after) for k in proof.keys),
    )
    yield _section(
        "References",
        ("Reference", "Values", "Unresolved before", "After"),
        ((r.reference, r.values, r.orphans_before, r.orphans_after) for r in proof.references),
    )
    yield _section(
        "Quasi-identifiers",
        ("Columns", "Groups", "k", "Declared", "Rows alone in their group"),
        (
            (g.columns, g.groups, g.smallest, str(g.declared or "none"), g.rows_alone)
            for g in proof.groups
        ),
        "k is the size of the smallest group of rows that these columns do not distinguish.",
    )
    yield _counts("Possible telephone numbers", "Place", "Found", proof.phones)
    yield _counts(
        "What a detector found in unmasked values", "Place and kind", "Texts", proof.detected
    )
    yield _counts(
        "Parts of names of people in unmasked values",
        "Place",
        "Found",
        proof.names,
        "A last name can be a word or a brand too: look at these places.",
    )
    yield _counts(
        "Encodings that were decoded",
        "Encoding",
        "Texts",
        proof.decoded,
        "Texts within texts, which were searched too.",
    )
    yield _counts("Places that were searched", "Place", "Different texts", proof.places)


def _schema_sections(ddl: SchemaReport) -> Iterator[Section]:
    yield Section("Left out of the schema", [Items(ddl.left_out)], otherwise="None.")
    yield _section(
        "Literals kept in the schema",
        ("Object", "Why", "Literals"),
        ((k.object, k.why, k.literals) for k in ddl.kept),
        f"{ddl.replaced:,} others were replaced by the pseudonyms of the rows.",
    )


def _counts(
    title: str, thing: str, counted: str, counts: Mapping[str, int], lead: str = ""
) -> Section:
    return _section(title, (thing, counted), sorted(counts.items()), lead)


def _section(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str | int]], lead: str = ""
) -> Section:
    cells = (
        [count_cell(value) if isinstance(value, int) else value for value in row] for row in rows
    )
    return Section(title, [grid(headings, cells)], lead, "None.")


def _masked(counts: dict[str, int]) -> str:
    return ", ".join(f"{rule}: {count:,}" for rule, count in sorted(counts.items()))
