"""The result of a run, as the command line prints it."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mediatool_assets.cli.launch import LaunchedRun
from mediatool_assets.domain.keys import metadata_key
from mediatool_assets.domain.settings import Settings
from mediatool_assets.flows.versions import catalog

if TYPE_CHECKING:
    from mediatool_assets.stores.s3 import S3Objects


class VersionMade(msgspec.Struct, frozen=True):
    """One version and the run that made it; ``str`` tells people, each warning on its line.

    ``failed_checks`` are what is not as it should be: ``asset: check: what it found``.

    ``homes`` says how many rows became documents, were embedded, ...: together they are ``rows``.
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


def version_made(run: LaunchedRun, objects: "S3Objects") -> VersionMade:
    """What the run's version holds, from its metadata in the bucket; raises NotFound."""
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
    """How this program is called from here: by name, or by its path where it is not on the PATH."""
    return (
        "mediatool"
        if shutil.which("mediatool")
        else near(Path(sys.executable).parent / "mediatool")
    )


def near(path: Path) -> str:
    """The path as a person in this directory would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def listing_command(settings: Settings) -> str:
    """What lists the bucket with AWS's own command."""
    endpoint = f" --endpoint-url {settings.s3_endpoint_url}" if settings.s3_endpoint_url else ""
    return f"aws{endpoint} s3 ls s3://{settings.s3_bucket}/ --recursive"
