"""The metadata of the storage description's example."""

from mediatool_assets.core.metadata import (
    Databases,
    DumpExport,
    Exports,
    Metadata,
    RawExport,
    RecordedSource,
    TransformedExport,
)
from mediatool_assets.core.version import Kind, Version, archive_key
from mediatool_assets_tests.database_names import mongodb_database, postgres_database


def example(version: str = "20250621-143000") -> Metadata:
    """Metadata with the description's own figures, for any version."""
    of = Version.parse(version)

    def uri(kind: Kind) -> str:
        return f"s3://media-tool-backups/{archive_key(kind, of)}"

    return Metadata(
        timestamp=version,
        export_date=of.partition,
        source=RecordedSource(
            type="rds",
            instance="media-tool-production",
            snapshot_id=f"manual-export-{version}",
        ),
        exports=Exports(
            raw=RawExport(
                uri("raw"),
                924,
                848_937,
                24,
                "0" * 64,
                924_000_000,
                {},
                "1" * 64,
                uncompressed_mb=2_400,
                tables_with_rows=24,
            ),
            transformed=TransformedExport(
                uri("transformed"),
                450,
                ("campaigns", "users", "lineItems"),
                "2" * 64,
                450_000_000,
                {},
                uncompressed_mb=1_100,
            ),
            dump=DumpExport(uri("dump"), 450, "3" * 64, 450_000_000, {}, 1_100),
        ),
        databases_created=Databases(postgres_database(of), mongodb_database(of)),
        export_duration_minutes=45,
        export_complete=f"{of.partition}T14:45:00Z",
        purpose="daily_backup",
        notes="Pre-release backup",
        tool_version="0.1.0",
        seconds={},
        warnings=(),
    )
