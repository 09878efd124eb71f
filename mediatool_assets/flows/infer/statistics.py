"""Statistics of a whole source: workers profile every table, and references are compared."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from mediatool_assets.domain.inference.figures import Figures, TableFigures
from mediatool_assets.domain.inference.references import (
    CandidateReference,
    Coverage,
    accepted_references,
    candidates,
    declared,
    measurable,
    undeclared_reference,
    words_of,
)
from mediatool_assets.domain.schema import Schema, Table
from mediatool_assets.flows.infer.keys import KeyDatabase
from mediatool_assets.flows.infer.profiling import ProfileShare, ShareProfile, profile_share
from mediatool_assets.flows.infer.table_sources import RowRange, TableSource
from mediatool_assets.flows.workers.ordered_results import in_order
from mediatool_assets.flows.workers.workspace import Workspace

AHEAD = 8
"""Shares handed out in advance: enough to keep workers busy, few enough to wait for at the end."""


def measure(tables: TableSource, workspace: Workspace, sample: int) -> Figures:
    """Read at most about ``sample`` rows of each table, and test all references with them.

    Raises the errors of reading.
    """
    schema, scratch = tables.schema, workspace.scratch
    totals: dict[str, _Total] = {}
    shares = list(_shares(tables, schema, scratch, sample, totals))
    done, wanted = 0, sum(share.lines.rows for share in shares)
    with KeyDatabase.opened(scratch) as keys:
        with in_order(workspace.executor, profile_share, shares, ahead=AHEAD) as results:
            pairs = zip(shares, results, strict=True)
            for name, group in groupby(pairs, key=lambda pair: pair[0].table.name):
                for _, sounded in group:
                    totals[name].add(sounded)
                    done += sounded.rows
                    workspace.progress("reading", done, wanted)
        for table in schema.tables:
            keys.bring(table, totals[table.name].files)
        unique = {t.name: keys.almost_unique(t) for t in schema.tables}
        return _figures(schema, totals, unique, keys)


def _figures(
    schema: Schema,
    totals: Mapping[str, "_Total"],
    unique: Mapping[str, frozenset[str]],
    keys: KeyDatabase,
) -> Figures:
    inclusions = _inclusions(schema, unique, keys)
    inclusions = {
        r: replace(found, known=totals[r.target].known) for r, found in inclusions.items()
    }
    believed = (r.reference for r in accepted_references(inclusions))
    fan_outs = {r: keys.fan_out(r) for r in believed if inclusions[r].found and not r.each}
    figures = {name: total.figures(unique[name]) for name, total in totals.items()}
    return Figures(figures, inclusions, fan_outs)


def _inclusions(
    schema: Schema, unique: Mapping[str, frozenset[str]], keys: KeyDatabase
) -> dict[CandidateReference, Coverage]:
    """For every declared or possible reference, count how many of its values are keys."""
    by_name = {table.name: table for table in schema.tables}
    references = [*declared(schema), *candidates(schema, unique)]
    columns, targets = words_of(schema, unique)
    met = keys.met(columns, targets)
    inclusions = {
        reference: found if (found := met.of(reference)) is not None else keys.inclusion(reference)
        for reference in references
        if _is_read(reference, by_name)
    }
    for one, other in met.pairs:
        reference = undeclared_reference(columns[one], targets[other])
        if reference is not None:
            inclusions[reference] = met.pairs[one, other]
    return inclusions


def _is_read(reference: CandidateReference, tables: Mapping[str, Table]) -> bool:
    """True if the columns of both sides were gathered."""
    own = {column.name for column in measurable(tables[reference.table])}
    theirs = {column.name for column in measurable(tables[reference.target])}
    return own.issuperset(reference.columns) and theirs.issuperset(reference.keys)


@dataclass(slots=True)
class _Total:
    """The sum of the figures of all shares of one table."""

    rows: int
    read: int = 0
    bytes: int = 0
    largest: int = 0
    largest_key: str = ""
    files: list[Path] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)
    losses: dict[str, Counter[str]] = field(default_factory=dict)
    odd_keys: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def known(self) -> float:
        """The proportion of the rows that was read."""
        return self.read / self.rows if self.rows else 1.0

    def add(self, share: ShareProfile) -> None:
        self.read += share.rows
        self.bytes += share.bytes
        if share.largest > self.largest:
            self.largest, self.largest_key = share.largest, share.largest_key
        self.files.append(share.path)
        self.values.update(share.values)
        for name, counts in share.losses.items():
            self.losses.setdefault(name, Counter()).update(counts)
        for name, counts in share.odd_keys.items():
            self.odd_keys.setdefault(name, Counter()).update(counts)

    def figures(self, unique: frozenset[str]) -> TableFigures:
        return TableFigures(
            self.rows,
            self.read,
            self.bytes,
            self.largest,
            self.largest_key,
            dict(self.values),
            {name: dict(counts) for name, counts in self.losses.items()},
            {name: dict(counts) for name, counts in self.odd_keys.items() if counts},
            unique,
        )


def _shares(
    tables: TableSource, schema: Schema, scratch: Path, sample: int, totals: dict[str, _Total]
) -> Iterator[ProfileShare]:
    for number, table in enumerate(schema.tables):
        lines = tables.lines(table)
        totals[table.name] = _Total(sum(share.rows for share in lines))
        for index, share in enumerate(_spread(lines, sample)):
            path = scratch / f"keys-{number:05}-{index:05}.parquet"
            yield ProfileShare(table, tuple(measurable(table)), share, path)


def _spread(lines: Sequence[RowRange], sample: int) -> Sequence[RowRange]:
    """All shares, or of a larger table every n-th: about ``sample`` rows from all over it."""
    rows = sum(share.rows for share in lines)
    if rows <= sample:
        return lines
    wanted = max(1, len(lines) * sample // rows)
    return [lines[number * len(lines) // wanted] for number in range(wanted)]
