"""``versions``, ``latest``, ``show`` and ``fetch``: the versions in the bucket.

``annotate``, ``keep``, ``unkeep``, ``promote``, ``rollback``: marks of versions.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mediatool_assets.cli import (
    AllowUnsigned,
    Folder,
    Json,
    echo,
    megabytes,
    note,
    print_facts,
    print_json,
    print_table,
    working,
)
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.version import Version
from mediatool_assets.stores.environment import account, settings
from mediatool_assets.versions import arguments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mediatool_assets.core.authenticity import Verdict
    from mediatool_assets.core.metadata import Export, Marks, Metadata, RegistryEntry, RestoreRecord
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.versions.flow import Listed

_OBJECTS = 3  # objects named in a line; --json lists all
_NEWEST = 30  # versions shown by default: each takes three requests

VersionArgument = Annotated[
    str,
    typer.Argument(
        metavar="VERSION",
        help="A version, a day (its newest version), `latest` or `latest~N`.",
        autocompletion=arguments.versions,
    ),
]


def named(version: str) -> Version:
    """The version that an argument names; only ``latest`` and days need the bucket."""
    from mediatool_assets.versions.catalog import named_version, written_version

    return written_version(version) or named_version(_objects(), version)


def versions(
    first: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="The first day, YYYY-MM-DD.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="The last day, YYYY-MM-DD.")
    ] = None,
    purpose: Annotated[
        Literal["daily_backup", "testing"] | None,
        typer.Option(help="Only versions of this purpose."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Only the newest N. Default: 30; with --json all."),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First rebuild the registry from the metadata.")
    ] = False,
    json: Json = False,
) -> None:
    """List the complete versions, oldest first, from the registry.

    ROWS is the number of rows of the source, SIZE the size of its archives. VERDICT is the last
    result of `mediatool verify` or of the daily verification, with the percentage that was read; a
    failed one counts until everything passes again. MARKS shows pinned and promoted versions.

    Examples:

        mediatool versions
        mediatool versions --from 2026-11-01 --to 2026-11-30 --purpose testing
        mediatool versions --limit 365
        mediatool versions --rebuild
        mediatool versions --json
    """
    begin, end = _days(first, last)
    from mediatool_assets.versions import catalog

    objects = _objects()
    if rebuild:
        from mediatool_assets.versions.records import register, write_local_registry

        register(objects, anew=True)
        write_local_registry(objects, settings().local_registry)
    found = [
        entry
        for entry in catalog.registry(objects)
        if (begin is None or Version.parse(entry.version).day >= begin)
        and (end is None or Version.parse(entry.version).day <= end)
        and purpose in (None, entry.purpose)
    ]
    from mediatool_assets.versions.flow import listed

    shown = found if json and limit is None else found[-(limit or _NEWEST) :]
    with working("reading the metadata and verdict of each version"):
        known = listed(objects, shown)
    if json:
        print_json(known)
    elif known:
        _print_versions(known)
        if older := len(found) - len(known):
            note(f"{older} older not shown; `mediatool versions --limit {len(found)}` shows all")
    else:
        note("no version; `mediatool export` makes one")


def latest(json: Json = False) -> None:
    """Print the newest complete version, and nothing else.

    A version is complete when its metadata is in the bucket.

    Examples:

        echo $(mediatool latest)
        mediatool latest --json
    """
    from mediatool_assets.versions import catalog

    objects = _objects()
    metadata = catalog.latest(objects)
    if json:
        found = catalog.known_marks(objects)
        print_json(
            {
                "version": metadata.timestamp,
                "partition": metadata.export_date,
                "database": metadata.databases_created.mongodb,
                "pinned": found and metadata.timestamp in found.pinned,
                "promoted": found and metadata.timestamp == found.promoted,
            }
        )
    else:
        echo(metadata.timestamp)


def show(version: VersionArgument, json: Json = False) -> None:
    """Show one version: its archives and databases, and their rows and documents.

    Also its verdict (see `mediatool versions`) and its last restore. With --json, the version's
    metadata file as it is in the bucket, and its marks (later notes, pinned, promoted), its
    reports, verdict and restore.

    Examples:

        mediatool show 20250621-143000
        mediatool show latest --json
    """
    wanted = named(version)
    from mediatool_assets.core.metadata import RegistryEntry
    from mediatool_assets.pages import reports_of
    from mediatool_assets.versions import catalog
    from mediatool_assets.versions.records import newest_restore_record, standing_verdict

    objects = _objects()
    metadata = catalog.read(objects, wanted)
    with ThreadPoolExecutor(4, thread_name_prefix="show") as threads:
        reports = threads.submit(lambda: dict(reports_of(objects, wanted)))
        marked = threads.submit(catalog.known_marks, objects)
        verdicts = threads.submit(standing_verdict, objects, wanted)
        restores = threads.submit(newest_restore_record, objects, wanted)
    written: dict[str, str] = {str(name): uri for name, uri in reports.result().items()}
    entry, found = RegistryEntry.of(metadata), marked.result()
    entry = entry.marked(found) if found else entry
    verdict, restored = verdicts.result(), restores.result()
    if json:
        import msgspec

        said = {"notes": entry.notes, "pinned": entry.pinned, "promoted": entry.promoted}
        known = {
            "marks": said if found else None,
            "reports": written,
            "verdict": verdict,
            "restored": restored,
        }
        print_json(msgspec.to_builtins(metadata) | known)
        return
    facts = _marks(entry) or "none" if found else "unknown", _verified(verdict), _restored(restored)
    _print_version(metadata, entry, *facts, written)


def fetch(
    version: VersionArgument,
    kind: Annotated[
        Literal["raw", "transformed", "dump"], typer.Option(help="Which of its archives.")
    ] = "raw",
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only this table or collection; no other is read.",
            autocompletion=arguments.members,
        ),
    ] = None,
    output: Folder = Path(),
    allow_unsigned: AllowUnsigned = False,
    json: Json = False,
) -> None:
    """Download an archive of a version; every file in it is compared with its manifest.

    The file appears only when all of it is verified. The archive is a plain .tar.gz. A single
    table or collection is written where tar would put it, in a folder with the version's name.

    Examples:

        mediatool fetch latest
        mediatool fetch 20250621-143000 --kind dump --output backups/
        mediatool fetch latest --table orders
    """
    wanted = named(version)
    from mediatool_assets.versions.flow import fetch as download
    from mediatool_assets.versions.flow import fetch_member

    objects = _objects(allow_unsigned=allow_unsigned)
    with working(f"fetching {table or f'the {kind} archive'} of {wanted}") as progress:
        if table is None:
            path = download(objects, wanted, kind, output, progress=progress)
        else:
            path = fetch_member(objects, wanted, kind, table, output, progress=progress)
    if json:
        print_json({"path": str(path.absolute()), "bytes": path.stat().st_size})
    else:
        echo(path)


def _print_versions(known: "list[Listed]") -> None:
    has_databases = any(each.database_name for each in known)
    print_table(
        (
            "VERSION",
            *(("DATABASE",) if has_databases else ()),
            "PURPOSE",
            "ROWS",
            "SIZE",
            "VERDICT",
            "MARKS",
            "NOTES",
        ),
        [
            (
                each.version,
                *((each.database_name,) if has_databases else ()),
                each.purpose,
                "unknown" if each.rows is None else each.rows,
                "unknown" if each.size_bytes is None else megabytes(each.size_bytes),
                _judged(each),
                _marks(each),
                each.notes,
            )
            for each in known
        ],
        droppable=("DATABASE", "PURPOSE", "SIZE", "NOTES", "ROWS", "MARKS", "VERDICT"),
    )


def _judged(each: "Listed") -> str:
    """``passed 2026-11-24``, or ``passed 5 % 2026-11-24`` if only a sample was read."""
    if each.verified is None:
        return "never verified"
    read = "" if each.sample is None else f"{each.sample:g} % "
    return f"{each.verdict} {read}{each.verified[:10]}"


def _objects(*, allow_unsigned: bool = True) -> "S3Objects":
    from mediatool_assets.stores.s3 import S3Objects

    return S3Objects.of(settings(), allow_unsigned=allow_unsigned)


def _days(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """Both days; raises Misuse that lists everything wrong with them."""
    problems: list[str] = []
    days: list[date | None] = []
    for option, text in (("--from", first), ("--to", last)):
        try:
            days.append(datetime.strptime(text, "%Y-%m-%d").date() if text else None)
        except ValueError:
            days.append(None)
            problems.append(f"{option} {text!r} is not a date; write YYYY-MM-DD")
    begin, end = days
    if begin and end and begin > end:
        problems.append(f"--from {begin} is after --to {end}; swap them")
    if problems:
        raise Misuse("; ".join(problems))
    return begin, end


def _databases(metadata: "Metadata") -> dict[str, str]:
    """The databases that were made with the version, or were to be."""
    made, targets = metadata.databases_created, metadata.targets
    return {
        **({"mongodb": made.mongodb or "none"} if targets.mongodb else {}),
        **({"postgres": made.postgres or "none"} if targets.postgres else {}),
    }


def _place(export: "Export") -> str:
    return f"{export.path} ({megabytes(export.size_bytes)})"


def _verified(verdict: "Verdict | None") -> str:
    """The standing verdict, in one line."""
    if verdict is None:
        return "never"
    read = "every byte" if verdict.sample is None else f"{verdict.sample:g} % of it"
    return f"{verdict.outcome}, {read}, {verdict.at[:19]}Z"


def _restored(evidence: "RestoreRecord | None") -> str:
    """The last restore, in one line."""
    if evidence is None:
        return "never"
    part = "a part, " if evidence.part else ""
    where = f"{evidence.to} {evidence.server}/{evidence.database}"
    return f"{evidence.verdict}, {part}{where} in {evidence.seconds:.1f} s, {evidence.began[:19]}Z"


def _marks(entry: "RegistryEntry") -> str:
    """``promoted``, ``pinned``, both, or empty."""
    said = {"promoted": entry.promoted, "pinned": entry.pinned}
    return ", ".join(word for word, is_so in said.items() if is_so)


def _few(objects: "Sequence[str]") -> str:
    """The first objects of a list, and the number of the others."""
    more = f" and {len(objects) - _OBJECTS:,} more" if len(objects) > _OBJECTS else ""
    return ", ".join(objects[:_OBJECTS]) + more


def _print_version(
    metadata: "Metadata",
    entry: "RegistryEntry",
    marks: str,
    verified: str,
    restored: str,
    written: dict[str, str],
) -> None:
    exports, source = metadata.exports, metadata.source
    server = [source.type, source.instance or "", source.server_version or ""]
    print_facts(
        {
            "version": metadata.timestamp,
            "purpose": metadata.purpose + (f" ({entry.notes})" if entry.notes else ""),
            "marks": marks,
            "source": " ".join(filter(None, server)),
            "complete": metadata.export_complete,
            **_databases(metadata),
            "rows in": exports.raw.record_count,
            "documents": sum(exports.transformed.documents.values()),
            **{kind: _place(export) for kind, export in exports.by_archive.items()},
            "verified": verified,
            "restored": restored,
            **{name.replace("-", " "): uri for name, uri in written.items()},
        }
    )
    echo("")
    print_table(("TABLE", "ROWS"), sorted(exports.raw.rows.items()))
    echo("")
    print_table(("COLLECTION", "DOCUMENTS"), sorted(exports.transformed.documents.items()))
    if metadata.not_carried:
        echo("")
        print_table(
            ("NOT CARRIED", "WHAT", "OF"),
            [(each.kind, each.name, _few(each.objects)) for each in metadata.not_carried],
        )
    for warning in metadata.warnings:
        echo(f"warning: {warning}")


def annotate(
    version: VersionArgument,
    notes: Annotated[str, typer.Option(help="The new notes; empty to remove them.")],
    json: Json = False,
) -> None:
    """Replace the notes of a version.

    The metadata file does not change; `versions` and `show` print the new notes.

    Examples:

        mediatool annotate 20250621-143000 --notes "before the migration"
    """
    wanted = named(version)
    from mediatool_assets.versions import flow as marking

    objects, local = _bucket()
    marks = marking.annotate(objects, wanted, notes, local)
    _tell(wanted, marks, json, f"the notes of {wanted} are replaced")


def keep(version: VersionArgument, json: Json = False) -> None:
    """Pin a version: neither `prune` nor the bucket's rule for test exports deletes it.

    The other rules of the bucket still apply: its raw archive moves to colder storage, and is
    deleted after two years.

    Examples:

        mediatool keep 20250621-143000
        mediatool keep latest
    """
    wanted = named(version)
    from mediatool_assets.versions import flow as marking

    objects, local = _bucket()
    marks = marking.keep(objects, wanted, local, at=datetime.now(UTC), who=account())
    _tell(wanted, marks, json, f"{wanted} is pinned")


def unkeep(version: VersionArgument, json: Json = False) -> None:
    """Remove a version's pin; the next `prune` treats it as any other version.

    Examples:

        mediatool unkeep 20250621-143000
    """
    wanted = named(version)
    from mediatool_assets.versions import flow as marking

    objects, local = _bucket()
    marks = marking.unkeep(objects, wanted, local)
    _tell(wanted, marks, json, f"{wanted} is not pinned")


def promote(version: VersionArgument, json: Json = False) -> None:
    """Name the version that applications should use: they look it up in mongodb-versions.json.

    Its MongoDB database must exist and be complete. `prune` keeps it and the one before it.

    Examples:

        mediatool promote latest
        mediatool promote 20250621-143000 --json
    """
    wanted = named(version)
    from mediatool_assets.stores.mongodb import MongoDocuments
    from mediatool_assets.versions import flow as marking

    own = settings("mongodb_url")
    objects, local = _bucket()
    marks = marking.promote(
        objects, MongoDocuments.of(own), wanted, local, at=datetime.now(UTC), who=account()
    )
    _tell(wanted, marks, json, f"promoted: mediatool_{wanted} is the version for applications now")


def rollback(json: Json = False) -> None:
    """Return to the version that was promoted before; again, to the one before that.

    Its MongoDB database must exist and be complete.

    Examples:

        mediatool rollback
        mediatool rollback --json
    """
    from mediatool_assets.stores.mongodb import MongoDocuments
    from mediatool_assets.versions import flow as marking

    own = settings("mongodb_url")
    objects, local = _bucket()
    marks = marking.rollback(objects, MongoDocuments.of(own), local, at=datetime.now(UTC))
    promoted = Version.parse(marks.promoted or "")
    _tell(
        promoted,
        marks,
        json,
        f"promoted again: mediatool_{promoted} is the version for applications now",
    )


def _bucket() -> "tuple[S3Objects, Path]":
    """The bucket, and the path of the local copy of its registry."""
    from mediatool_assets.stores.s3 import S3Objects

    own = settings()
    return S3Objects.of(own, allow_unsigned=True), own.local_registry


def _tell(version: Version, marks: "Marks", json: bool, done: str) -> None:
    if json:
        print_json(
            {
                "version": str(version),
                "notes": marks.notes.get(str(version)),
                "pinned": str(version) in marks.pinned,
                "promoted": marks.promoted,
                "rollback_goes_to": marks.fallback,
            }
        )
    else:
        echo(done)
