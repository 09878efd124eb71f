"""``restore --rows``: single rows of a version as a file of INSERT statements."""

from pathlib import Path
from typing import TYPE_CHECKING

from mediatool_assets.cli.output import echo, note, print_json, replacing
from mediatool_assets.cli.print_table import print_table
from mediatool_assets.cli.querying import opened, reading
from mediatool_assets.domain.version import Version

if TYPE_CHECKING:
    from mediatool_assets.flows.query.insert_script import WrittenRows


def restore_rows(
    version: Version,
    wanted: list[str],
    *,
    references: bool,
    output: Path | None,
    as_text: list[str],
    sanitized: bool,
    allow_unsigned: bool,
    json: bool,
) -> None:
    """Write the rows that the conditions ``wanted`` select, and print a summary."""
    from mediatool_assets.flows.query.insert_script import write_inserts
    from mediatool_assets.flows.query.row_selection import RowCondition, select_rows

    conditions = [RowCondition.parse(text) for text in wanted]
    path = output or Path(f"{version}-rows.sql")
    with (
        opened(
            str(version),
            "raw",
            as_text,
            sanitized=sanitized,
            no_cache=False,
            allow_unsigned=allow_unsigned,
        ) as session,
        replacing(path) as draft,
    ):
        with reading(session):
            selected = select_rows(session, conditions, references=references)
        written = write_inserts(draft, session, conditions, selected)
    if json:
        print_json({"version": str(version), "file": str(path), "tables": written})
    else:
        _print(path, written)


def _print(path: Path, written: "tuple[WrittenRows, ...]") -> None:
    echo(path)
    print_table(
        ["TABLE", "ASKED FOR", "REFERENCED", "WRITTEN"],
        [[rows.table, rows.asked, rows.referenced, rows.written] for rows in written],
    )
    for rows in written:
        if rows.missing:
            echo(
                f"warning: {rows.missing:,} referenced rows of {rows.table} are not in the version",
                err=True,
            )
    note("load it with `psql --file`; an existing row is an error, but is kept if only referenced")
