"""The comparison as Markdown: for a terminal, a chat or a pull request."""

import re
from collections.abc import Iterable, Iterator, Sequence

from mediatool_assets.domain.comparison import Comparison, TableComparison
from mediatool_assets.flows.compare import wording

_SPECIAL = re.compile(r"([\\`*\[\]<>|#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def markdown(comparison: Comparison) -> str:
    """The whole report."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"# {comparison.version1} → {comparison.version2}: {comparison.verdict}"
    yield ""
    yield wording.headline(comparison)
    yield f"Compared at {comparison.timestamp}."
    yield from _section("Metrics", ("", "before", "after", "change"), _metrics(comparison))
    yield from _section(
        "Not compared",
        ("what", "version", "why"),
        ((p.table or "the archive", p.version, p.reason) for p in comparison.errors),
    )
    yield from _section("Left out of both", ("table", "why"), comparison.left_out.items())
    yield from _section(
        "Schema changes",
        ("severity", "table", "change"),
        ((c.severity, c.table or "", str(c)) for c in comparison.schema_changes),
    )
    differing = {name: t for name, t in comparison.details.items() if t.differs}
    yield from _section(
        "Tables that differ",
        ("table", "before", "after", "change", "added", "removed", "changed", "matched by"),
        (_row(name, table) for name, table in differing.items()),
    )
    for name, table in differing.items():
        yield from _table(name, table)


def _metrics(comparison: Comparison) -> Iterator[Sequence[str]]:
    for name, label in wording.METRICS.items():
        if name in comparison.metrics:
            yield label, *wording.metric(name, comparison.metrics[name])


def _row(name: str, table: TableComparison) -> Sequence[str]:
    counts = (table.count_v1, table.count_v2)
    changes = (table.added, table.removed, table.changed)
    return (
        name,
        *map(wording.number, counts),
        wording.percent(table.count_diff_percent),
        *map(wording.number, changes),
        table.matched_by,
    )


def _table(name: str, table: TableComparison) -> Iterator[str]:
    yield ""
    yield f"### {_escaped(name)}"
    for note in table.notes:
        yield ""
        yield f"*{_escaped(note)}*"
    yield from _rows(
        ("column", "values changed"),
        ((column, f"{n:,}") for column, n in table.field_changes.items()),
    )
    examples = table.examples
    yield from _rows(
        ("key", "column", "before", "after"),
        (
            (wording.key(e), e.column, wording.value(e.before), wording.value(e.after))
            for e in examples.changed
        ),
    )
    sides = (("added", examples.added), ("removed", examples.removed))
    yield from _rows(
        ("", "key", "line of the file"),
        ((word, wording.key(e), str(e.row)) for word, some in sides for e in some),
    )


def _section(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    lines = list(_rows(headings, rows))
    if lines:
        yield from ("", f"## {title}", *lines)


def _rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table after an empty line; nothing where there is no row."""
    lines = [f"| {' | '.join(map(_escaped, row))} |" for row in rows]
    if lines:
        yield ""
        yield f"| {' | '.join(headings)} |"
        yield f"|{'---|' * len(headings)}"
        yield from lines


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
