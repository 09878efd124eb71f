"""Groups the files of an RDS snapshot export by table; deviations from the layout are errors."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mediatool_assets.domain.errors import BadSource
from mediatool_assets.domain.rds_export import TableStatus
from mediatool_assets.domain.schema import namespaces
from mediatool_assets.flows.ports import ObjectStore, Source

_PART = re.compile(r"part-([0-9]+)-[^/]*\.parquet")
_AGAIN = "export the snapshot again"


@dataclass(frozen=True)
class ExportFiles:
    """The files of an export below its key prefix, which has the closing slash.

    ``schema_name`` is the schema to read, ``live`` the live database, if there is one.
    """

    objects: ObjectStore
    prefix: str
    schema_name: str = "media_tool"
    live: Source | None = None

    @property
    def uri(self) -> str:
        """The export's URI in the bucket."""
        return self.objects.uri(self.prefix)

    def bad(self, problem: str, next_step: str) -> BadSource:
        """Build an error that names the export."""
        return BadSource(f"{self.uri}: {problem}; {next_step}")


@dataclass(frozen=True, slots=True)
class ExportedTable:
    """One table of the export: its status from AWS, and the keys of its parts in order."""

    status: TableStatus
    parts: tuple[str, ...]


def folders(export: ExportFiles, statuses: Iterable[TableStatus]) -> dict[str, ExportedTable]:
    """Return the tables of the wanted schema by name; raises BadSource on the first deviation.

    Deviations are: a table that is not COMPLETE, that AWS left out with a warning, or that is
    listed twice; a batch without ``_SUCCESS``; a missing or additional part; a file that belongs to
    no table. Files of other schemas are ignored.
    """
    tables = _tables(export, statuses)
    files: dict[str, list[str]] = {status.target: [] for status in tables.values()}
    for info in export.objects.list(export.prefix):
        name = info.key.removeprefix(export.prefix)
        target = _target(name)
        if target in files:
            files[target].append(name)
        elif target is None or _schema_of(target) == export.schema_name:
            raise export.bad(f"{name} belongs to none of its tables", _AGAIN)
    return {
        table: ExportedTable(status, tuple(_parts(export, status, files[status.target])))
        for table, status in tables.items()
    }


def _tables(export: ExportFiles, statuses: Iterable[TableStatus]) -> dict[str, TableStatus]:
    if len(namespaces(export.schema_name)) > 1:
        problem = f"it cannot be read for several schemas ({export.schema_name})"
        raise export.bad(problem, "name one in MEDIATOOL_POSTGRES_SCHEMA, or export the database")
    tables: dict[str, TableStatus] = {}
    for status in statuses:
        names = status.target.split(".", 2)
        if len(names) > 1 and names[1] != export.schema_name:
            continue
        if status.warning_message:
            raise export.bad(f"AWS left out {status.target}: {status.warning_message}", _AGAIN)
        if len(names) < 3:
            continue
        if status.status != "COMPLETE":
            raise export.bad(f"{status.target} is {status.status}, not COMPLETE", _AGAIN)
        if names[2] in tables:
            both = f"{tables[names[2]].target} and {status.target}"
            raise export.bad(f"it has {names[2]} twice: {both}", "export only one database")
        tables[names[2]] = status
    if not tables:
        raise export.bad(
            f"it has no table of schema {export.schema_name}",
            "set MEDIATOOL_POSTGRES_SCHEMA, or export that schema",
        )
    return tables


def _target(name: str) -> str | None:
    """``database.schema.table`` of a file; the empty string for the export's own files."""
    words = name.split("/")
    if len(words) == 1 and name.startswith(("export_info_", "export_tables_info_")):
        return ""
    return f"{words[0]}.{words[1]}" if len(words) > 2 else None


def _schema_of(target: str) -> str:
    return target.split(".", 2)[1] if target.count(".") > 1 else ""


def _parts(export: ExportFiles, status: TableStatus, names: Sequence[str]) -> Iterator[str]:
    """Return the keys of a table's parts by batch; an older export has no folder per batch."""
    batches: dict[str, list[str]] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        batches.setdefault(folder, []).append(file)
    _check_batches(export, status, list(batches))
    total = 0
    for folder in sorted(batches, key=_batch_number):
        files = batches[folder]
        if "_SUCCESS" not in files:
            raise export.bad(f"{folder} has no _SUCCESS: it is not whole", _AGAIN)
        numbers: dict[int, str] = {}
        for file in sorted(set(files) - {"_SUCCESS"}):
            part = _PART.fullmatch(file)
            if part is None:
                raise export.bad(f"{folder}/{file} is no part of a table", _AGAIN)
            if int(part[1]) in numbers:
                raise export.bad(
                    f"{folder}/{file} is there in addition to another part {part[1]}", _AGAIN
                )
            numbers[int(part[1])] = file
        total += len(numbers)
        yield from (f"{export.prefix}{folder}/{numbers[number]}" for number in sorted(numbers))
    _check_count(export, status, total)


def _check_batches(export: ExportFiles, status: TableStatus, found: list[str]) -> None:
    numbers = sorted(map(_batch_number, found))
    if not found:
        raise export.bad(f"{status.target} has no _SUCCESS and no part", _AGAIN)
    if numbers not in ([0], list(range(1, len(numbers) + 1))):
        missing = next(n for n, number in enumerate(numbers, 1) if n != number)
        raise export.bad(f"{status.target} lacks its batch {missing}", _AGAIN)


def _batch_number(folder: str) -> int:
    """The batch number of a folder; 0 if the table's own folder holds the parts."""
    last = folder.split("/", 2)[2:]
    return int(last[0]) if last and last[0].isdigit() else 0


def _check_count(export: ExportFiles, status: TableStatus, parts: int) -> None:
    """Compare the parts with the partitions that AWS read. An empty table has one and no part."""
    info = status.table_statistics.partitioning_info
    if info is None:
        return
    wanted, done = info.number_of_partitions, info.number_of_completed_partitions
    if done < wanted:
        raise export.bad(f"{status.target}: {done} of {wanted} partitions were exported", _AGAIN)
    if parts > wanted:
        problem = f"{status.target} has {parts} parts, {parts - wanted} more than AWS wrote"
        raise export.bad(problem, "remove the files that AWS did not write")
    if parts < wanted and (parts, wanted) != (0, 1):
        raise export.bad(f"{status.target} has {parts} of its {wanted} parts", _AGAIN)
