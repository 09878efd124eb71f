"""The comparison as Markdown: for a terminal, a chat or a pull request."""

from collections.abc import Iterator, Sequence

from mediatool_assets.domain.comparison import Comparison, TableComparison
from mediatool_assets.flows.compare import wording
from mediatool_assets.flows.page.figures import number, percent
from mediatool_assets.flows.page.markdown import escaped, section, table


def markdown(comparison: Comparison) -> str:
    """The whole report."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"# {comparison.version1} → {comparison.version2}: {comparison.verdict}"
    yield ""
    yield wording.headline(comparison)
    yield f"Compared at {comparison.timestamp}."
    yield from section("Metrics", ("", "before", "after", "change"), _metrics(comparison))
    yield from section(
        "Not compared",
        ("what", "version", "why"),
        ((p.table or "the archive", p.version, p.reason) for p in comparison.errors),
    )
    yield from section("Left out of both", ("table", "why"), comparison.left_out.items())
    yield from section(
        "Schema changes",
        ("severity", "table", "change"),
        ((c.severity, c.table or "", str(c)) for c in comparison.schema_changes),
    )
    for name, rename in wording.renames(comparison):
        yield ""
        yield escaped(f"{name}: {rename}.")
    differing = {name: t for name, t in comparison.details.items() if t.differs}
    yield from section(
        "Tables that differ",
        ("table", "before", "after", "change", "added", "removed", "changed", "matched by"),
        (_row(name, found) for name, found in differing.items()),
    )
    for name, found in differing.items():
        yield from _details(name, found)


def _metrics(comparison: Comparison) -> Iterator[Sequence[str]]:
    for name, label in wording.METRICS.items():
        if name in comparison.metrics:
            yield label, *wording.metric(name, comparison.metrics[name])


def _row(name: str, found: TableComparison) -> Sequence[str]:
    counts = (found.count_v1, found.count_v2)
    changes = (found.added, found.removed, found.changed)
    return (
        name,
        *map(number, counts),
        percent(found.count_diff_percent),
        *map(number, changes),
        found.matched_by,
    )


def _details(name: str, found: TableComparison) -> Iterator[str]:
    yield ""
    yield f"### {escaped(name)}"
    for note in found.notes:
        yield ""
        yield f"*{escaped(note)}*"
    yield from table(
        ("column", "values changed"),
        ((column, f"{n:,}") for column, n in found.field_changes.items()),
    )
    examples = found.examples
    yield from table(
        ("key", "column", "before", "after"),
        (
            (wording.key(e), e.column, wording.value(e.before), wording.value(e.after))
            for e in examples.changed
        ),
    )
    sides = (("added", examples.added), ("removed", examples.removed))
    yield from table(
        ("", "key", "line of the file"),
        ((word, wording.key(e), str(e.row)) for word, some in sides for e in some),
    )
