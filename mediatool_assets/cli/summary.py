"""The result of a run, as the command line prints it."""

import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from mediatool_assets.cli.launch import SuccessfulRun
from mediatool_assets.cli.output import echo
from mediatool_assets.domain.keys import metadata_key
from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.versions import catalog

if TYPE_CHECKING:
    from mediatool_assets.stores.s3 import S3Objects


class VersionMade(msgspec.Struct, frozen=True):
    """One version and the run that made it; ``str`` gives the text for display.

    ``failed_checks`` lists failed checks as ``asset: check: finding``. ``homes`` counts the rows
    that became documents, were embedded, and so on; their sum is ``rows``.
    """

    version: str
    partition: str
    run_id: str
    purpose: str
    notes: str
    database: str
    postgres_database: str | None
    rows: int
    tables: int
    documents: int
    collections: int
    homes: dict[str, int]
    metadata: str
    warnings: tuple[str, ...]
    failed_checks: tuple[str, ...] = ()

    def __str__(self) -> str:
        others = "".join(
            f" + {count:,} {home.replace('_', ' ')}"
            for home, count in self.homes.items()
            if count and home != "documents"
        )
        lines = [
            f"{self.version}: {self.rows:,} rows of {self.tables} tables = "
            f"{self.homes.get('documents', 0):,} documents{others}; "
            f"{self.collections} collections"
        ]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join([*lines, *(f"  failed: {check}" for check in self.failed_checks)])


def version_made(run: SuccessfulRun, objects: "S3Objects") -> VersionMade:
    """The content of the run's version, from its metadata in the bucket; raises NotFound."""
    metadata = catalog.read(objects, run.version)
    exports = metadata.exports
    return VersionMade(
        version=metadata.timestamp,
        partition=metadata.export_date,
        run_id=run.run_id,
        purpose=metadata.purpose,
        notes=metadata.notes,
        database=metadata.databases_created.mongodb or "",
        postgres_database=metadata.databases_created.postgres,
        rows=exports.raw.record_count,
        tables=exports.raw.tables_exported,
        documents=sum(exports.transformed.documents.values()),
        collections=len(exports.transformed.collections),
        homes=exports.transformed.homes,
        metadata=objects.uri(metadata_key(metadata.version)),
        warnings=metadata.warnings,
        failed_checks=run.failed_checks,
    )


def program() -> str:
    """The command to call this program: its name, or its path if it is not on the PATH."""
    return (
        "mediatool"
        if shutil.which("mediatool")
        else near(Path(sys.executable).parent / "mediatool")
    )


def near(path: Path) -> str:
    """The path relative to the current directory, if it is below it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def listing_command(settings: Settings) -> str:
    """The AWS command that lists the bucket."""
    endpoint = f" --endpoint-url {settings.s3_endpoint_url}" if settings.s3_endpoint_url else ""
    return f"aws{endpoint} s3 ls s3://{settings.s3_bucket}/{settings.s3_prefix} --recursive"


def exit_if_failed(failed_checks: Iterable[str]) -> None:
    """Print the failed checks on stderr and exit with 1; does nothing if there are none."""
    if failed := tuple(failed_checks):
        names = ", ".join(":".join(check.split(":")[:2]) for check in failed)
        echo(f"mediatool: the version is complete, but checks failed: {names}", err=True)
        raise typer.Exit(1)
