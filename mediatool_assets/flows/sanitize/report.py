"""The proof report: the same facts as JSON, and as one HTML page that needs nothing else."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from mediatool_assets.domain.masking.ddl import KeptLiterals
from mediatool_assets.flows.page.escaping import escape
from mediatool_assets.flows.sanitize.proof import Proof


class ColumnReport(msgspec.Struct, frozen=True):
    """A column, its rule, and how many values each rule of it masked."""

    table: str
    column: str
    rule: str
    masked: dict[str, int]


class SchemaReport(msgspec.Struct, frozen=True):
    """What became of the DDL: literals kept and why, literals replaced, and what is left out."""

    kept: tuple[KeptLiterals, ...] = ()
    replaced: int = 0
    left_out: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """Everything that the sanitizing of a version came to; no original value is in it."""

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

    def json(self) -> bytes:
        """One indented JSON document."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"

    def html(self) -> bytes:
        """One page, no script, no address of anything outside of it."""
        return _page(self).encode()


_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;
color:#1b1f24}
table{border-collapse:collapse;margin:.5rem 0 2rem;width:100%}
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #d8dee4;
vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
h2{margin-top:2.5rem}.ok{color:#116329;font-weight:600}
"""


def _page(report: Report) -> str:
    proof = report.proof
    title = f"Sanitized export {report.version}"
    facts = [
        ("Version", report.version),
        ("Made from", report.source),
        ("Rules", f"{report.rules}, SHA-256 {report.rules_sha256}"),
        ("Key", f"{report.key_id} (tells keys apart, and nothing of them)"),
        ("Rows", f"{sum(report.rows.values()):,} in {len(report.rows)} tables, as many as before"),
        ("Originals searched for", f"{proof.searched:,}, among {proof.tokens:,} words of the copy"),
    ]
    sections = [
        f"<h1>{escape(title)}</h1>",
        '<p class="ok">No finding: no original value was found, nothing became equal, no relation '
        "was lost.</p>",
        _table(("", ""), facts),
        "<h2>Warnings</h2>" + _list(report.warnings),
        "<h2>Pseudonyms</h2><p>Different values before and after, in all tables together.</p>",
        _table(("Kind", "Before", "After"), ((k.kind, k.before, k.after) for k in proof.kinds)),
        "<h2>Keys</h2>",
        _table(
            ("Key", "Values", "Different before", "After"),
            ((k.key, k.rows, k.before, k.after) for k in proof.keys),
        ),
        "<h2>References</h2>",
        _table(
            ("Reference", "Values", "To nothing before", "After"),
            ((r.reference, r.values, r.orphans_before, r.orphans_after) for r in proof.references),
        ),
        "<h2>Quasi-identifiers</h2><p>k is the size of the smallest group of rows that cannot be "
        "told apart by these columns.</p>",
        _table(
            ("Columns", "Groups", "k", "Declared", "Rows alone in theirs"),
            (
                (g.columns, g.groups, g.smallest, g.declared or "none", g.rows_alone)
                for g in proof.groups
            ),
        ),
        "<h2>What looks like a telephone number</h2>",
        _table(("Place", "Found"), sorted(proof.phones.items())),
        "<h2>What a detector found in what was kept</h2>",
        _table(("Place and kind", "Texts"), sorted(proof.detected.items())),
        "<h2>Parts of names of people in what was kept</h2><p>A last name can be a word or a brand "
        "too: look at these places.</p>",
        _table(("Place", "Found"), sorted(proof.names.items())),
        "<h2>The schema: left out</h2>" + _list(report.ddl.left_out),
        "<h2>The schema: literals that are kept</h2>"
        f"<p>{report.ddl.replaced:,} others were replaced by the pseudonyms of the rows.</p>",
        _table(
            ("Object", "Why", "Literals"), ((k.object, k.why, k.literals) for k in report.ddl.kept)
        ),
        "<h2>Forms that were decoded</h2><p>Texts within texts, which were searched too.</p>",
        _table(("Form", "Texts"), sorted(proof.decoded.items())),
        "<h2>Places that were searched</h2>",
        _table(("Place", "Different texts"), sorted(proof.places.items())),
        "<h2>Values masked, by rule</h2>",
        _table(("Rule", "Values"), sorted(report.counts.items())),
        "<h2>Columns</h2>",
        _table(
            ("Table", "Column", "Rule", "Masked values"),
            ((c.table, c.column, c.rule, _masked(c.masked)) for c in report.columns),
        ),
    ]
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )


def _masked(counts: dict[str, int]) -> str:
    return ", ".join(f"{rule}: {count:,}" for rule, count in sorted(counts.items()))


def _list(items: Sequence[str]) -> str:
    if not items:
        return "<p>None.</p>"
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    body = "".join(f"<tr>{''.join(_cells(row))}</tr>" for row in rows)
    if not body:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Sequence[str | int]) -> Iterator[str]:
    for value in row:
        if isinstance(value, int):
            yield f'<td class="n">{value:,}</td>'
        else:
            yield f"<td>{escape(value)}</td>"
