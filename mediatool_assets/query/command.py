"""``sql`` and ``history``: queries of one or many versions, from their archives.

The prompt of ``mediatool sql``: history, completion of tables and columns.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory

from mediatool_assets.cli import (
    AllowUnsigned,
    Json,
    echo,
    print_facts,
    print_json,
    print_table,
    replacing,
    working,
)
from mediatool_assets.core.errors import MediatoolError, Misuse
from mediatool_assets.stores.environment import home, settings
from mediatool_assets.versions import arguments

if TYPE_CHECKING:
    import duckdb

    from mediatool_assets.core.version import Kind
    from mediatool_assets.query.history import RowHistory
    from mediatool_assets.query.session import QuerySession

_SHOWN = 1000  # rows of a table on a terminal; every other format has all of them
_OPENED_AT_ONCE = 8  # versions opened in parallel: each takes three requests of about 50 ms
_EVERYTHING = "0001-01-01..9999-12-31"

VERSIONS_HELP = (
    "A version, a day (2026-11-27), `latest`, `latest~1`, or a range of them: "
    "2026-11-01..2026-11-27."
)

Wanted = Literal["table", "csv", "json", "ndjson", "parquet", "arrow"]

Sanitized = Annotated[
    bool, typer.Option("--sanitized", help="Read the sanitized copies in place of the originals.")
]
AsText = Annotated[
    list[str] | None,
    typer.Option("--text", metavar="TABLE.COLUMN", help="Read this column as text; repeatable."),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Do not use or write the cache of Parquet files.")
]


def sql(  # one branch per output
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VERSION] [QUERY]", help=f"{VERSIONS_HELP} Default: latest."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="Read the query from this file."
        ),
    ] = None,
    collections: Annotated[
        bool, typer.Option("--collections", help="Query the documents instead of the tables.")
    ] = False,
    sanitized: Sanitized = False,
    wanted: Annotated[
        Wanted,
        typer.Option("--format", help="What to print or write."),
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write the result here.")
    ] = None,
    as_text: AsText = None,
    no_cache: NoCache = False,
    allow_unsigned: AllowUnsigned = False,
) -> None:
    """Query one version, or a range of versions, with DuckDB's SQL.

    Reads only the tables that the query names, from the raw archives. In a range, each table has
    the additional column `version`. Numbers are exact; `numeric` without a precision is text, so
    cast it: `budget::DECIMAL(18,2)`. Tables are cached as Parquet files under MEDIATOOL_HOME.
    Without a query, it opens a prompt.

    Examples:

        mediatool sql "SELECT status, count(*) FROM orders GROUP BY status"
        mediatool sql 2026-11-01..2026-11-27 "SELECT version, count(*) FROM orders GROUP BY ALL"
        mediatool sql latest~1 --file query.sql --format csv --output result.csv
        mediatool sql --collections "SELECT _id, customerName FROM orders LIMIT 5"
    """
    named, query = _named(words or [])
    if file is not None:
        if query is not None:
            raise Misuse(f"a query and --file {file} are both given; remove one")
        query = file.read_text(encoding="utf-8")
    if output is None and wanted in ("parquet", "arrow") and sys.stdout.isatty():
        raise Misuse(f"{wanted} cannot be printed on a terminal; name a file with --output")
    kind: Literal["transformed", "raw"] = "transformed" if collections else "raw"
    if collections and sanitized:
        raise Misuse("sanitized copies have no collections; leave out --collections or --sanitized")
    with opened(
        named,
        kind,
        as_text or [],
        sanitized=sanitized,
        no_cache=no_cache,
        allow_unsigned=allow_unsigned,
    ) as session:
        if query is None:
            prompt(lambda text: _answer(session, text, "table", None), session)
            return
        _answer(session, query, wanted, output)


def history(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="A table of the source.", autocompletion=arguments.tables
        ),
    ],
    key: Annotated[
        str,
        typer.Argument(
            metavar="KEY", help="Its primary key: VALUE, or COLUMN=VALUE,… for several."
        ),
    ],
    versions: Annotated[
        str, typer.Option(metavar="RANGE", help=f"{VERSIONS_HELP} Default: all versions.")
    ] = _EVERYTHING,
    sanitized: Sanitized = False,
    no_cache: NoCache = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", dir_okay=False, help="Also write it as a page."),
    ] = None,
    allow_unsigned: AllowUnsigned = False,
    json: Json = False,
) -> None:
    """Show the history of one row: when it appeared, each change by column, when it was removed.

    Reads the blocks of the raw archives that may hold the key, and no database.

    Examples:

        mediatool history orders 4821
        mediatool history platform_buy_daily_videos \\
            platform_id=3,platform_buy_id=b1,on_date=2026-11-02
        mediatool history line_items 6f2c… --versions 2026-11-01..2026-11-27 --json
    """
    from mediatool_assets.query.history import row_history

    with (
        opened(
            versions,
            "raw",
            [],
            sanitized=sanitized,
            no_cache=no_cache,
            allow_unsigned=allow_unsigned,
        ) as session,
        reading(session),
    ):
        found = row_history(session, table, key)
    if html is not None:
        from mediatool_assets.pages import html as rendered
        from mediatool_assets.query.history import page

        html.write_text(rendered(page(found)), encoding="utf-8")
    if json:
        print_json(found)
    else:
        _print_history(found)


def _named(words: list[str]) -> tuple[str, str | None]:
    """Split ``[VERSION] [QUERY]`` into both; only a query contains a space."""
    match words:
        case []:
            return "latest", None
        case [single]:
            return ("latest", single) if any(map(str.isspace, single)) else (single, None)
        case [versions, query]:
            return versions, query
        case _:
            raise Misuse("too many arguments; put the query in quotes")


@contextmanager
def opened(
    named: str,
    kind: Literal["raw", "transformed"],
    as_text: list[str],
    *,
    sanitized: bool,
    no_cache: bool,
    allow_unsigned: bool,
) -> "Iterator[QuerySession]":
    """Open a session over the named versions, while progress is shown."""
    from mediatool_assets.query.session import (
        ParquetCache,
        collections_of,
        query_session,
        tables_of,
    )
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.versions import catalog
    from mediatool_assets.versions.catalog import named_versions

    own = settings()
    objects = S3Objects.of(own, allow_unsigned=allow_unsigned)
    open_ = tables_of if kind == "raw" else collections_of
    of: Kind = "sanitized" if sanitized else kind
    with tempfile.TemporaryDirectory(prefix="mediatool-", dir=own.scratch) as scratch:
        cache = ParquetCache(
            Path(scratch, "parquet") if no_cache else own.home / "cache" / "parquet",
            own.cache_bytes,
        )
        with working("opening"):
            found = named_versions(objects, named)
            with ThreadPoolExecutor(_OPENED_AT_ONCE) as threads:
                versions = list(
                    threads.map(lambda v: open_(catalog.reader(objects, of, v), as_text), found)
                )
        with query_session(versions, cache, Path(scratch)) as session:
            yield session


@contextmanager
def reading(session: "QuerySession") -> "Iterator[None]":
    """Show the session's progress, in bytes of rows read."""
    before = session.progress
    try:
        with working("reading") as session.progress:
            yield
    finally:
        session.progress = before


def _answer(session: "QuerySession", query: str, wanted: Wanted, output: Path | None) -> None:
    with reading(session):
        result = session.run_all(query)
    if result is not None:
        _show(result, wanted, output)


def _show(relation: "duckdb.DuckDBPyRelation", wanted: Wanted, output: Path | None) -> None:
    from mediatool_assets.query.history import write_result
    from mediatool_assets.query.session import refused_by_duckdb

    if wanted == "table":
        if output is not None:
            raise Misuse("--output needs a --format: csv, json, ndjson, parquet or arrow")
        _print(relation)
        return
    with refused_by_duckdb():
        if output is None:
            write_result(relation, wanted, Path("/dev/stdout"))
            return
        with replacing(output) as written:
            write_result(relation, wanted, written)


def _print(relation: "duckdb.DuckDBPyRelation") -> None:
    from mediatool_assets.query.history import text_rows
    from mediatool_assets.query.session import refused_by_duckdb

    with refused_by_duckdb(), working("computing"):
        rows = [
            tuple("null" if value is None else value for value in row)
            for row in text_rows(relation, _SHOWN + 1)
        ]
    if _fits(relation.columns, rows[:_SHOWN]):
        print_table(relation.columns, rows[:_SHOWN])
    else:
        for number, row in enumerate(rows[:_SHOWN], 1):
            echo(f"row {number:,}")
            print_facts(
                {f"  {name}": value for name, value in zip(relation.columns, row, strict=True)}
            )
    if len(rows) > _SHOWN:
        echo(f"the first {_SHOWN:,} rows; --format csv prints all of them", err=True)


def _fits(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """True if the terminal is wide enough for the table, or if there is no terminal."""
    widths = (max(map(len, cells)) for cells in zip(headings, *rows, strict=True))
    return not sys.stdout.isatty() or sum(widths) + 2 * len(headings) <= get_terminal_size().columns


def _print_history(found: "RowHistory") -> None:
    echo(
        f"{found.table} {', '.join(f'{k} = {v}' for k, v in found.key.items())}: in "
        f"{len(found.present)} of {len(found.versions)} versions"
    )
    for event in found.events:
        echo(f"{event.version} {event.change}")
        for name, (before, after) in event.columns.items():
            old, new = ("null" if value is None else value for value in (before, after))
            match event.change:
                case "appeared":
                    echo(f"  {name}: {new}")
                case "removed":
                    echo(f"  {name}: {old}")
                case _:
                    echo(f"  {name}: {old} -> {new}")


_WORDS = ("SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "JOIN", "COUNT", "DESCRIBE")
_END = frozenset({"exit", "quit", "\\q"})


def prompt(answer: Callable[[str], None], session: "QuerySession") -> None:
    """Read queries until the end of input; after an error, it is printed and the next one is read.

    Ctrl-C discards the current line, or cancels the running query.
    """
    names = {name for each in session.versions for name in each.sources}
    columns = {
        name for each in session.versions for r in each.sources.values() for name, _ in r.columns
    }
    folder = home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    reader: PromptSession[str] = PromptSession(
        "mediatool> ",
        history=FileHistory(str(folder / "sql-history")),
        completer=WordCompleter(sorted({*names, *columns, *_WORDS}), ignore_case=True),
        complete_while_typing=False,
    )
    echo(f"{len(names)} tables of {_described(session)}; `exit` or Ctrl-D ends", err=True)
    while True:
        try:
            text = reader.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.lower() in _END:
            return
        if not text:
            continue
        try:
            answer(text)
        except MediatoolError as error:
            echo(str(error), err=True)
        except KeyboardInterrupt:
            echo("interrupted", err=True)


def _described(session: "QuerySession") -> str:
    versions = [each.version for each in session.versions]
    return str(versions[0]) if len(versions) == 1 else f"{len(versions)} versions"
