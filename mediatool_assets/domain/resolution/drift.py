"""Drift: tables, columns and types of a source that its model does not know."""

from collections.abc import Collection, Mapping

from mediatool_assets.domain import model as m
from mediatool_assets.domain.resolution.fields import NewFields
from mediatool_assets.domain.resolution.remarks import Remarks
from mediatool_assets.domain.schema import Column, Table
from mediatool_assets.domain.schema_changes import is_wider

_ALIKE = 0.5  # of all columns of two tables: with this share in common, one may be a rename


def report_drift(
    model: m.Model,
    tables: Mapping[str, Table],
    excluded: Collection[str],
    new_fields: NewFields,
    said: Remarks,
) -> None:
    """Compare each table and column that the model knows with the source.

    ``excluded`` are tables that are missing on purpose; ``new_fields`` are the fields of columns
    that the model does not know.
    """
    for name, source in model.sources.items():
        table = tables.get(name)
        if table is not None:
            _check_columns(source, table, new_fields, said)
        elif name in excluded:
            said.remark(
                source.line,
                f"{name} was excluded from the export: it has no rows here",
                "leave it, or export the table too",
                drift=False,
            )
        elif name in model.left_out:
            said.remark(
                source.line,
                f"table {name} is gone from the source; it was left out anyway",
                "take it out of tables: and left_out:",
            )
        else:
            said.wrong(source.line, _gone(model, source, tables))


def _gone(model: m.Model, source: m.SourceTable, tables: Mapping[str, Table]) -> str:
    """The message for a missing table, with the new tables that may be its new name."""
    problem, lines = f"the source has no table {source.name}", model.lines_of(source.name)
    others = [str(line) for line in lines if line != source.line]
    where = f"here and on line{'s' * (len(others) > 1)} {', '.join(others)}" if others else "here"
    new = [table for name, table in tables.items() if name not in model.sources]
    shared = {table.name: _shared(source, table) for table in new}
    name = max(shared, key=lambda name: shared[name], default="")
    if shared.get(name, 0) >= _ALIKE:
        has = "has its columns" if shared[name] == 1 else "has most of its columns"
        return (
            f"{problem}, and {name} is new and {has}: if it was renamed, write {name} {where}, "
            "else take it out of the model"
        )
    listed = f" (new are {', '.join(sorted(shared))})" if shared else ""
    return (
        f"{problem}; take it out of the model, or give it the table's new name{listed}, {where}; "
        f"MEDIATOOL_EXCLUDE_TABLES={source.name} goes on without it"
    )


def _shared(source: m.SourceTable, table: Table) -> float:
    """The share of all columns, of the model's table and the new one, that both have."""
    known, present = set(source.columns), {column.name for column in table.columns}
    return len(known & present) / len(known | present) if known else 0.0


def _check_columns(
    source: m.SourceTable, table: Table, new_fields: NewFields, said: Remarks
) -> None:
    present = {column.name for column in table.columns}
    for column in source.key:
        if column not in present:
            said.wrong(
                source.line,
                f"{table.name} has no column {column}, part of its key; take it out of key:, "
                "or give it the column's new name",
            )
    if not source.columns:
        return
    for column in sorted(present - set(source.columns)):
        _new_column(source, column, new_fields, said)
    for column in sorted(set(source.columns) - present):
        said.remark(
            source.lines.get(column, source.line),
            f"column {table.name}.{column} is gone from the source, and so is its field",
            "take it out of columns:",
        )
    for present_column in table.columns:
        _check_type(source, present_column, said)


def _new_column(source: m.SourceTable, column: str, new_fields: NewFields, said: Remarks) -> None:
    became, fix = "nothing takes it", "add it to columns:"
    if (source.name, column) in new_fields:
        wanted, field = new_fields[source.name, column]
        became = f"it became the field {field}"
        if field != wanted:
            became += f", as there is another {wanted}"
            fix += f" and rename: it to {field}"
    said.remark(
        source.line, f"new column {source.name}.{column}, unknown to the model: {became}", fix
    )


def _check_type(source: m.SourceTable, column: Column, said: Remarks) -> None:
    """Accept a wider type; the model decides about a type of another kind."""
    known, now = source.types.get(column.name), column.plain_type
    if known is None or known in (now, now.rpartition(".")[2]):  # the schema may be omitted
        return
    line = source.lines.get(column.name, source.line)
    where = f"{source.name}.{column.name}"
    fix = f"write {now} for it in columns:"
    if is_wider(now, known):
        text = f"column {where} is {now} now, which holds every value of {known}"
        said.remark(line, text, fix)
        return
    text = f"column {where} is {now} now, and was {known}"
    match source.type_changes:
        case m.TypeChanges.STRICT:
            allow = "or allow it with type_changes: flag"
            said.wrong(line, f"{text}; check its readers, then {fix}, {allow}")
        case m.TypeChanges.FLAG:
            said.remark(line, f"{text}; its field has the new type", fix)
        case m.TypeChanges.ACCEPT:
            pass
