"""``restore``: a version into a new database, on PostgreSQL or MongoDB.

``restore --rows``: single rows of a version as a file of INSERT statements.
"""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mediatool_assets.cli import (
    AllowUnsigned,
    Json,
    echo,
    note,
    print_facts,
    print_json,
    print_table,
    replacing,
    working,
)
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.setting_values import BY_OPTION, OF_CODE, by_setting, object_name
from mediatool_assets.core.version import Version
from mediatool_assets.query.command import AsText, opened, reading
from mediatool_assets.stores.environment import account, settings
from mediatool_assets.versions import arguments
from mediatool_assets.versions.command import VersionArgument, named

if TYPE_CHECKING:
    from mediatool_assets.core.metadata import RestoreRecord
    from mediatool_assets.core.settings import Settings
    from mediatool_assets.load.flow import LoadOptions
    from mediatool_assets.query.row_selection import WrittenRows
    from mediatool_assets.restore.flow import RestoreOptions
    from mediatool_assets.stores.ports import ArchiveStore
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.versions.records import Restored, RestoreRequest
    from mediatool_assets.work.scratch import Workspace


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
    from mediatool_assets.query.row_selection import RowCondition, select_rows, write_inserts

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


if TYPE_CHECKING:
    Opening = AbstractContextManager[ArchiveStore]
    Restore = Callable[[S3Objects, Workspace], Restored]


def restore(
    version: VersionArgument,
    to: Annotated[
        Literal["postgres", "mongodb"], typer.Option("--to", help="The kind of database.")
    ],
    database: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Name of the new database. Default: the version's own."),
    ] = None,
    tables: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="PostgreSQL: only the rows of these tables.",
            autocompletion=arguments.several(arguments.tables),
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OBJECT",
            help="PostgreSQL: leave out this object, e.g. 'VIEW totals'; can be repeated.",
        ),
    ] = None,
    untrusted: Annotated[
        bool,
        typer.Option(
            "--untrusted", help="PostgreSQL: leave out functions, triggers, rules and views."
        ),
    ] = False,
    collections: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="MongoDB: only these collections.",
            autocompletion=arguments.several(arguments.collections),
        ),
    ] = None,
    source: Annotated[
        Literal["raw", "transformed", "dump"] | None,
        typer.Option(
            "--from",
            help="The archive to read. PostgreSQL: raw. MongoDB: transformed (default) or dump.",
        ),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="PostgreSQL: make no database, but a file of INSERTs of these rows, as "
            '"orders where id = 7"; can be repeated.',
        ),
    ] = None,
    references: Annotated[
        bool, typer.Option("--references", help="With --rows: also the rows that they reference.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="With --rows: the file. Default: VERSION-rows.sql."
        ),
    ] = None,
    as_text: AsText = None,
    sanitized: Annotated[
        bool,
        typer.Option("--sanitized", help="Restore the version's sanitized copy."),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a database that an earlier restore made.")
    ] = False,
    allow_unsigned: AllowUnsigned = False,
    json: Json = False,
) -> None:
    """Restore a version into a new database; every row is read back and compared.

    PostgreSQL: from the raw archive, to the server of MEDIATOOL_RESTORE_POSTGRES_URL. MongoDB: from
    the transformed archive or the dump, to the server of MEDIATOOL_MONGODB_URL. --sanitized
    restores the version's sanitized copy instead, to a database with `sanitized` in its name. Only
    databases that a restore made can be replaced. Every restore is recorded in the bucket.

    Objects named by --skip and MEDIATOOL_RESTORE_SKIP are left out with their parts, and recorded
    in the comment of the database. If a restore fails, the message names the object to skip.

    Code in the archive runs as a role that has rights only on the new database. For an archive
    from somebody else, use --untrusted: it leaves out functions, triggers, rules and views.

    --rows creates no database and needs no server. It writes the rows that match the conditions
    (SQL as in `mediatool sql`) as INSERT statements for a database with the version's tables.

    Examples:

        mediatool restore latest --to postgres
        mediatool restore 2025-06-21 --to postgres --rows "users where name = 'Ada'" --references
        mediatool restore 20250621-143000 --to postgres --tables users,accounts --database people
        mediatool restore 20250621-143000 --to mongodb --database scratch --replace
        mediatool restore 20250621-143000 --to mongodb --sanitized
    """
    wanted = named(version)
    if rows:
        if to != "postgres" or any((database, tables, skip, untrusted, collections, source)):
            raise Misuse(
                "--rows needs --to postgres, and allows only --references, --output, --text"
            )
        restore_rows(
            wanted,
            rows,
            references=references,
            output=output,
            as_text=as_text or [],
            sanitized=sanitized,
            allow_unsigned=allow_unsigned,
            json=json,
        )
        return
    if references or output is not None or as_text:
        raise Misuse("--references, --output and --text need --rows; add it, or remove them")
    _check_options(to, source, tables, collections, is_postgres_only=bool(skip or untrusted))
    if sanitized and source is not None:
        raise Misuse("--from cannot be used with --sanitized; leave it out")
    if database == "":
        raise Misuse("--database is empty; name one, or leave it out")
    if replace and database is None and (tables is not None or collections is not None):
        raise Misuse("--replace with --tables or --collections needs --database NAME")
    if to == "postgres":
        from mediatool_assets.restore.flow import RestoreOptions

        skipped = OF_CODE if untrusted else {}
        skipped = skipped | dict.fromkeys(map(_object, skip or ()), BY_OPTION)
        rows_of = RestoreOptions(database, _names("--tables", tables), skipped, replace)
        evidence = _to_postgres(wanted, rows_of, allow_unsigned, sanitized=sanitized)
    else:
        from mediatool_assets.load.flow import LoadOptions

        documents_of = LoadOptions(
            "dump" if source == "dump" else "transformed",
            database,
            _names("--collections", collections),
            replace,
        )
        evidence = _to_mongodb(wanted, documents_of, allow_unsigned, sanitized=sanitized)
    if json:
        print_json(evidence)
    else:
        _print_restored(evidence)


def _check_options(
    to: str,
    source: str | None,
    tables: str | None,
    collections: str | None,
    *,
    is_postgres_only: bool,
) -> None:
    """Raise Misuse for an option of the other kind of database."""
    if to == "postgres" and collections is not None:
        raise Misuse("--collections needs --to mongodb; use --tables, or remove it")
    if to == "mongodb" and is_postgres_only:
        raise Misuse("--skip and --untrusted need --to postgres; remove them")
    if to == "mongodb" and tables is not None:
        raise Misuse("--tables needs --to postgres; use --collections, or remove it")
    if source is not None and (source == "raw") != (to == "postgres"):
        raise Misuse(f"--from {source} cannot be used with --to {to}; remove --from")


def _names(option: str, text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name for part in text.split(",") if (name := part.strip())]
    if not names:
        raise Misuse(f"{option} is empty; write names separated by commas")
    return names


def _object(text: str) -> str:
    try:
        return object_name(text)
    except ValueError as error:
        raise Misuse(f"--skip {error}") from None


def _to_postgres(
    version: Version, options: "RestoreOptions", allow_unsigned: bool, *, sanitized: bool
) -> "RestoreRecord":
    from mediatool_assets.restore.flow import restore_postgres
    from mediatool_assets.sanitize.copies import sanitized_store
    from mediatool_assets.stores.postgres_target import PostgresTarget
    from mediatool_assets.versions.records import RestoreRequest

    own = settings("restore_postgres_url")
    target = PostgresTarget.of(own)
    options = dataclasses.replace(options, skip=by_setting(own.restore_skip) | {**options.skip})

    def work(objects: "S3Objects", workspace: "Workspace") -> "Restored":
        opening: Opening = sanitized_store(objects, version) if sanitized else nullcontext(objects)
        with opening as store:
            return restore_postgres(store, target, workspace, version, options)

    name = options.database or target.database_names.in_postgres(version, sanitized=sanitized)
    request = RestoreRequest(version, "postgres", name, target.server, account())
    return _carry_out(own, request, work, sanitized=sanitized, allow_unsigned=allow_unsigned)


def _to_mongodb(
    version: Version, options: "LoadOptions", allow_unsigned: bool, *, sanitized: bool
) -> "RestoreRecord":
    from mediatool_assets.core.model_file import load_model
    from mediatool_assets.restore.flow import restore_mongodb
    from mediatool_assets.sanitize.copies import sanitized_documents
    from mediatool_assets.stores.mongodb import MongoDocuments
    from mediatool_assets.versions.records import RestoreRequest

    own = settings("mongodb_url")
    documents = MongoDocuments.of(own, options.database)
    model = load_model(own.model) if sanitized else None

    def work(objects: "S3Objects", workspace: "Workspace") -> "Restored":
        opening: Opening = (
            nullcontext(objects)
            if model is None
            else sanitized_documents(objects, workspace, version, model)
        )
        with opening as store:
            return restore_mongodb(store, documents, workspace, version, options)

    name = options.database or documents.database_names.in_mongodb(version, sanitized=sanitized)
    request = RestoreRequest(version, "mongodb", name, documents.server, account())
    return _carry_out(own, request, work, sanitized=sanitized, allow_unsigned=allow_unsigned)


def _carry_out(
    own: "Settings",
    request: "RestoreRequest",
    work: "Restore",
    *,
    sanitized: bool = False,
    allow_unsigned: bool = False,
) -> "RestoreRecord":
    """Restore a complete version, or an existing copy, and record the result."""
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.versions import catalog
    from mediatool_assets.versions.records import recorded
    from mediatool_assets.work.scratch import workspace

    objects = S3Objects.of(own, allow_unsigned=allow_unsigned)
    if not sanitized:  # a copy may be in a separate bucket without versions
        catalog.read(objects, request.version)  # raises NotFound if it is not complete
    task = f"restoring {request.version} to {request.database}"
    with working(task) as progress, workspace(own, progress) as place:
        return recorded(objects, request, partial(work, objects, place), place.clock)


def _print_restored(evidence: "RestoreRecord") -> None:
    print_facts(
        {
            "version": evidence.version,
            "database": f"{evidence.server}/{evidence.database}",
            "holds": "a part of the version" if evidence.part else "the whole version",
            "rows" if evidence.to == "postgres" else "documents": sum(evidence.rows.values()),
            "seconds": f"{evidence.seconds:.1f}",
            "verdict": evidence.verdict,
        }
    )
    for line in evidence.notes:
        note(f"left out: {line}")
    note("every row was read back and has the archive's fingerprint")
