"""``demo``: several days of a source on local servers; past days come from RDS exports.

Runs Dagster's UI and daemon on this machine until it is interrupted.

An RDS snapshot export of a schema, as AWS lays it out: for the demo and for tests.

Only AWS makes real ones. This one has the same files with the same types: whole numbers, floats,
booleans and bytes as Parquet types, everything else as PostgreSQL's text, no ``oid`` columns.
"""

import io
import os
import signal
import socket
import subprocess
import sys
import time as clock
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Composable, Identifier
from pyarrow import parquet

from mediatool_assets.cli import echo, megabytes, note, working
from mediatool_assets.cli.child_process import supervised, tethered
from mediatool_assets.cli.launch import RunFailed, SuccessfulRun, launch, stop, stores
from mediatool_assets.core.errors import Refused
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import (
    REGISTRY_KEY,
    REPORT_FORMS,
    REPORTS,
    Version,
    archive_key,
    metadata_key,
    report_key,
)
from mediatool_assets.export.command import (
    VersionMade,
    listing_command,
    near,
    program,
    version_made,
)
from mediatool_assets.export.rds_files import (
    ExportInfo,
    Partitioning,
    SchemaMetadata,
    TablesInfo,
    TableStatistics,
    TableStatus,
    TypeMapping,
    export_prefix,
)
from mediatool_assets.stores.environment import (
    has_own_servers,
    home,
    local_settings,
    maker_settings,
    sources,
)

if TYPE_CHECKING:
    from mediatool_assets.stores.s3 import S3Objects


class Demonstration(msgspec.Struct, frozen=True):
    """The result of the demo; ``objects`` is bytes by bucket key, ``rows`` is by version.

    ``verdicts`` is by version too: the verdict of reading it again.
    """

    versions: tuple[str, ...]
    rows: dict[str, dict[str, int]]
    databases: tuple[str, ...]
    postgres_databases: tuple[str, ...]
    objects: dict[str, int]
    made: tuple[VersionMade, ...]
    verdicts: dict[str, str]
    look: dict[str, str]


def run(home: Path, scale: float, days: int) -> Demonstration:
    """Run the demo. Errors of its steps are raised, and earlier versions are kept.

    ``days`` includes today. For each day before it, an RDS snapshot export of the source is
    written, and the day's version is made from it unless it exists already.
    """
    from mediatool_assets.stores.local_stack import up
    from mediatool_assets.stores.s3 import S3Objects

    with working("starting PostgreSQL, MongoDB and S3"):
        up(home, new_keys=True)
    settings = local_settings()
    settings.require("postgres_url", *settings.targets.settings)
    objects = S3Objects.of(settings)
    today = datetime.now(UTC).date()
    past = [today - timedelta(days=ago) for ago in range(days - 1, 0, -1)]
    for number, day in enumerate(past):
        _seed(settings, scale, day=number)
        _leave_rds_export(settings, objects, day)
    _seed(settings, scale, day=len(past))
    backup = {"purpose": "daily_backup"}
    runs = [_version(home, "daily_export", day, backup) for day in (*past, None)]
    _seed(settings, scale, day=days)
    asked = {"purpose": "testing", "notes": "the demo, after a day of edits"}
    runs.append(_version(home, "on_demand_export", None, asked))
    made = tuple(version_made(run, objects) for run in runs)
    return Demonstration(
        versions=tuple(m.version for m in made),
        rows={m.version: {"in": m.rows, "documents": m.documents} for m in made},
        databases=tuple(m.database for m in made if m.database),
        postgres_databases=tuple(m.postgres_database for m in made if m.postgres_database),
        objects=_objects(objects, [m.version for m in made]),
        made=made,
        verdicts=dict(_verdicts(settings, objects, [m.version for m in made])),
        look={
            "versions": f"{program()} versions",
            "show": f"{program()} show {made[-1].version}",
            "ui": f"{program()} dev",
            "s3": listing_command(settings),
            **({"mongodb": str(settings.mongodb_url)} if settings.targets.mongodb else {}),
            "secrets": near(home / "environment.json"),
        },
    )


_LOOK = {
    "versions": "every version",
    "show": "one of them: its tables, collections and warnings",
    "ui": "Dagster's UI: the graph, the partitions, the row counts",
    "s3": "the bucket, with AWS's own command",
    "mongodb": "the databases",
    "secrets": "the passwords and keys, readable by you alone",
}


def describe(made: Demonstration) -> str:
    """The last lines of the demo: versions, rows in and out, and next commands."""
    lines = [str(version) for version in made.made]
    lines += [
        f"{len(made.objects)} objects in the bucket, {megabytes(sum(made.objects.values()))}"
        + (f"; MongoDB databases {', '.join(made.databases)}" if made.databases else ""),
        *(
            [f"PostgreSQL databases {', '.join(made.postgres_databases)}, read back and compared"]
            if made.postgres_databases
            else []
        ),
        *(f"{version}, read again to its last byte: {v}" for version, v in made.verdicts.items()),
        "",
        "Where to look:",
    ]
    for name, place in made.look.items():
        lines += [f"  {place}", f"      {_LOOK[name]}"]
    return "\n".join(lines)


def _seed(settings: Settings, scale: float, day: int) -> None:
    from mediatool_assets.demo.seeding import seed

    with working(f"filling the source, day {day}"):
        seed(
            settings.required_url("postgres_url"),
            scale=scale,
            full=True,
            day=day,
            schema=settings.postgres_schema,
        )
    note(f"the source is filled, day {day}")


def _leave_rds_export(settings: Settings, objects: "S3Objects", day: date) -> None:
    """Export the current source as AWS would have exported a snapshot at 03:00 of that day."""

    version = Version(datetime.combine(day, time(3), UTC))
    if next(objects.list(export_prefix(version)), None) is None:
        with working(f"an RDS snapshot export of {day}"):
            url, schema = settings.required_url("postgres_url"), settings.postgres_schema
            export_as_rds(url, objects.put, version, schema=schema)
        note(f"an RDS snapshot export of {day} is in the bucket")


def _version(home: Path, job: str, day: date | None, asked: Mapping[str, str]) -> SuccessfulRun:
    """Make a version of a past day, or of now."""
    run = launch(job, day.isoformat() if day else None, asked, home)
    note(f"{run.version} is made")
    return run


def _verdicts(
    settings: Settings, objects: "S3Objects", versions: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Read all archives and databases of each version again, and store the verdict."""
    from mediatool_assets.verify.flow import verify
    from mediatool_assets.versions.records import store_verdict
    from mediatool_assets.work.scratch import workspace

    with (
        working("reading every version again") as progress,
        workspace(settings, progress) as work,
    ):
        for version in versions:
            verdict = verify(stores(settings), work, Version.parse(version))
            store_verdict(objects, verdict)
            yield version, verdict.outcome


def _objects(objects: "S3Objects", versions: list[str]) -> dict[str, int]:
    """Every object of the versions, their days' reports, and the registry: bytes by key."""
    days = {Version.parse(version).partition for version in versions}
    keys = [REGISTRY_KEY]
    keys += [report_key(r, day, form) for day in days for r in REPORTS for form in REPORT_FORMS]
    for version in map(Version.parse, versions):
        keys += [
            archive_key(k, version, objects.database_names) for k in ("raw", "transformed", "dump")
        ]
        keys.append(metadata_key(version))
    found = {key: objects.head(key) for key in sorted(keys)}
    return {key: info.size for key, info in found.items() if info is not None}


WORKSPACE = """\
load_from:
  - python_module:
      module_name: mediatool_assets.definitions
      location_name: mediatool_assets
"""
_USUAL_PORT = 3000  # Dagster's own default
_GRACE_SECONDS = 20  # below that of ``stop``; a run aborts its uploads within 2 s
_START_SECONDS = 180.0  # the first start on 2 slow cores took 38 s


def develop(port: int | None) -> str:
    """Start what is needed, print the UI's address, wait for Ctrl-C, and return the address.

    Raises Refused if the port is taken, RunFailed if Dagster ends by itself.
    """
    own: dict[str, str] = {}
    if has_own_servers():
        if not sources():  # of which the UI shows all
            maker_settings("postgres_url")
    else:
        from mediatool_assets.stores.local_stack import up

        up(home(), new_keys=True)
        own = keyed(os.environ, local_settings().home)
    port = _free_port(port)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(workspace(home()))]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    for ending in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: wait until everything has ended
        signal.signal(ending, signal.default_int_handler)
    process = subprocess.Popen(
        tethered(supervised(command, _GRACE_SECONDS)),
        env=os.environ | own | linked(os.environ, url),
        stdout=sys.stderr.fileno(),
        process_group=0,
    )
    try:
        _wait_until_up(process, url)
        echo(url)
        process.wait()
    except KeyboardInterrupt:
        return url
    finally:
        stop(process)
    raise _ended(process)


def linked(environ: Mapping[str, str], url: str) -> dict[str, str]:
    """The variable with the UI's URL for links in alerts: the one that is set, else ``url``."""
    own = environ.get("MEDIATOOL_DAGSTER_URL", "").strip()
    return {"MEDIATOOL_DAGSTER_URL": own or url}


def keyed(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """The variable with the home's masking key, unless one is set, so that all assets work."""
    from mediatool_assets.stores.user_files import kept_key

    name = "MEDIATOOL_MASKING_KEY"
    if environ.get(name, "").strip():
        return {}
    return {name: kept_key(home).path.read_text().strip()}


def workspace(home: Path) -> Path:
    """The workspace file that Dagster loads, with the location name of the command line's runs.

    It is the checkout's file, or a generated one in ``home`` if only the package is installed.
    """
    checkout = Path(__file__).parents[2] / "workspace.yaml"
    if checkout.is_file():
        return checkout
    own = home / "dagster" / "workspace.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(WORKSPACE)
    return own


def _wait_until_up(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = clock.monotonic() + _START_SECONDS
    while process.poll() is None and clock.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5):  # noqa: S310  # our own http URL
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            clock.sleep(0.5)
    raise _ended(process)


def _ended(process: subprocess.Popen[bytes]) -> RunFailed:
    code = "and did not answer in time" if process.poll() is None else f"with {process.returncode}"
    return RunFailed(f"`dagster dev` ended with {code}; its last lines above say why", 4)


def _free_port(wanted: int | None) -> int:
    """The requested port, or Dagster's default one, or any free one."""
    for port in (wanted,) if wanted else (_USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Refused(f"port {wanted} is taken; leave --port out, or name another one")


_NATIVE: Mapping[str, pa.DataType] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "bytea": pa.binary(),
}
INSTANCE = "media-tool-production"
"""Of which the exported snapshots say that they are."""

_SESSION = """
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';
    SET extra_float_digits = 3; SET bytea_output = 'hex'; SET lc_monetary = 'C'
"""
_TABLES = """
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'r'
      AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY c.relname COLLATE "C", a.attnum
"""
_BATCH_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns of a table by their types, those left out that AWS does not export."""

    types: Mapping[str, str]

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([(name, _arrow(kind)) for name, kind in self.types.items()])

    @property
    def selected(self) -> Composable:
        return SQL(", ").join(selected(name, kind) for name, kind in self.types.items())

    @property
    def mappings(self) -> tuple[TypeMapping, ...]:
        return tuple(
            TypeMapping(name, kind, str(_arrow(kind))) for name, kind in self.types.items()
        )


def selected(name: str, kind: str) -> Composable:
    """What to select of a column of that type: its value where Parquet has the type, else text."""
    if kind in _NATIVE:
        return Identifier(name)
    # concat prints any type as its output function does; a cast takes the padding of characters
    return SQL("CASE WHEN num_nulls({0}) = 0 THEN concat({0}) END").format(Identifier(name))


def export_as_rds(  # sizes are the tests' to set
    url: Url,
    put: Callable[[str, bytes], object],
    version: Version,
    *,
    schema: str = "media_tool",
    part_rows: int = 20_000,
    group_rows: int = 10_000,
) -> str:
    """Export a schema's rows of now as AWS would have at ``version``; returns the prefix.

    A table has one batch of as many parts as it has ``part_rows``, each of groups of
    ``group_rows``. ``put`` writes one file, by its key. Memory: one part.
    """
    prefix = export_prefix(version)
    name = prefix.rstrip("/").rpartition("/")[2]
    with psycopg.connect(url.reveal(), client_encoding="utf8") as connection:
        connection.execute(_SESSION)
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        database = connection.info.dbname
        statuses: list[TableStatus] = []
        for table, columns in _tables(connection, schema):
            folder = f"{prefix}{database}/{schema}.{table}/1/"
            parts = 0
            for part in _parts(connection, schema, table, columns, part_rows):
                unique = UUID(int=int(version.moment.timestamp()) << 32 | parts)
                put(f"{folder}part-{parts:05}-{unique}-c000.gz.parquet", _parquet(part, group_rows))
                parts += 1
            put(f"{folder}_SUCCESS", b"")
            statuses.append(_status(f"{database}.{schema}.{table}", columns, max(parts, 1)))
    tables = f"{prefix}export_tables_info_{name}_from_1_to_{len(statuses)}.json"
    put(tables, msgspec.json.encode(TablesInfo(tuple(statuses))))
    info = ExportInfo(
        name,
        "COMPLETE",
        version.moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        source_arn=(
            "arn:aws:rds:us-east-1:000000000000:snapshot:"
            f"rds:{INSTANCE}-{version.moment:%Y-%m-%d-%H-%M}"
        ),
        percent_progress=100,
        export_only=(f"{database}.{schema}",),
    )
    put(f"{prefix}export_info_{name}.json", msgspec.json.encode(info))
    return prefix


def _tables(connection: psycopg.Connection[Any], schema: str) -> list[tuple[str, _Columns]]:
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(_TABLES, (Identifier(schema).as_string(),)).fetchall()
    for table, column, kind in rows:
        columns = found.setdefault(table, {})
        if kind != "oid":
            columns[column] = kind
    return [(table, _Columns(columns)) for table, columns in found.items()]


def _parts(
    connection: psycopg.Connection[Any], schema: str, table: str, columns: _Columns, rows: int
) -> Iterator[pa.Table]:
    query = SQL("SELECT {} FROM ONLY {}").format(columns.selected, Identifier(schema, table))
    batches: list[pa.RecordBatch] = []
    with connection.cursor(name="rds_export", binary=True) as cursor:
        cursor.execute(query)
        while found := cursor.fetchmany(min(rows, _BATCH_ROWS)):
            values = [
                pa.array(column, field.type)
                for column, field in zip(zip(*found, strict=True), columns.arrow, strict=True)
            ]
            batches.append(pa.record_batch(values, schema=columns.arrow))
            if sum(batch.num_rows for batch in batches) >= rows:
                yield pa.Table.from_batches(batches)
                batches = []
    if batches:
        yield pa.Table.from_batches(batches)


def _parquet(part: pa.Table, group_rows: int) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(part, buffer, row_group_size=group_rows, compression="gzip")
    return buffer.getvalue()


def _arrow(kind: str) -> pa.DataType:
    return _NATIVE.get(kind, pa.string())


def _status(target: str, columns: _Columns, parts: int) -> TableStatus:
    return TableStatus(
        target,
        "COMPLETE",
        schema_metadata=SchemaMetadata(columns.mappings),
        table_statistics=TableStatistics(Partitioning(parts, parts)),
    )
