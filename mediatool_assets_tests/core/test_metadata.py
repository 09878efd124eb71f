"""The metadata file and the registry: the storage description's fields, by name and meaning."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from msgspec.structs import replace

from mediatool_assets.core import metadata
from mediatool_assets.core.metadata import Databases, DumpExport, Exports, RegistryEntry, instant
from mediatool_assets_tests.metadata_examples import example


def test_the_description_s_fields() -> None:
    """Every field of the description is there under its name, with its type."""
    found = json.loads(example().to_json())
    assert found["timestamp"] == "20250621-143000"
    assert found["export_date"] == "2025-06-21"
    assert (
        found["source"].items()
        >= {
            "type": "rds",
            "instance": "media-tool-production",
            "snapshot_id": "manual-export-20250621-143000",
        }.items()
    )
    raw = found["exports"]["raw"]
    assert raw["path"].startswith("s3://media-tool-backups/postgres-exports/raw/2025-06-21/")
    assert (raw["size_mb"], raw["record_count"], raw["tables_exported"]) == (924, 848_937, 24)
    transformed = found["exports"]["transformed"]
    assert transformed.keys() >= {"path", "size_mb", "collections"}
    assert transformed["collections"] == ["campaigns", "users", "lineItems"]
    assert found["databases_created"] == {
        "postgres": "media_tool_20250621-143000",
        "mongodb": "mediatool_20250621-143000",
    }
    assert found["export_duration_minutes"] == 45
    assert found["export_complete"] == "2025-06-21T14:45:00Z"


def test_decode_and_encode_are_inverse() -> None:
    """The metadata is read as it was written, and is laid out for people."""
    data = example().to_json()
    assert metadata.Metadata.from_json(data) == example()
    assert data.startswith(b'{\n    "timestamp"')
    assert data.endswith(b"}\n")


def test_metadata_of_an_earlier_tool_is_read() -> None:
    """It was written before 2026-11-28, when the sizes were those without compression."""
    data = (Path(__file__).parent / "metadata_before_2026-11-28.json").read_bytes()
    written = json.loads(data)["exports"]
    exports = metadata.Metadata.from_json(data).exports
    for name in ("raw", "transformed", "dump"):
        export = getattr(exports, name)
        assert export.size_bytes == written[name]["size_bytes"]
        assert export.size_mb == round(written[name]["size_bytes"] / 1e6, 3)
        assert export.uncompressed_mb == written[name]["size_mb"] > export.size_mb
        assert metadata.uncompressed_bytes(export) == round(written[name]["size_mb"] * 1e6)
    assert (exports.raw.tables_exported, exports.raw.tables_with_rows) == (34, 33)
    assert exports.raw.record_count == sum(exports.raw.rows.values())
    again = metadata.Metadata.from_json(data).to_json()
    assert metadata.Metadata.from_json(again) == metadata.Metadata.from_json(data)


def test_an_instant_is_of_utc() -> None:
    """Moments are written in UTC, to the second or the µs, whatever zone they came in."""
    moment = datetime(2025, 6, 21, 16, 45, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert instant(moment) == instant(moment.astimezone(UTC)) == "2025-06-21T14:45:00Z"
    assert instant(moment, exact=True) == "2025-06-21T14:45:00.000005Z"


@pytest.mark.parametrize("text", ["2025-06-21T14:45:00Z", "2025-06-21T14:45:00+00:00"])
def test_an_older_instant_is_read(text: str) -> None:
    """It was written with an offset."""
    assert metadata.in_utc(text) == "2025-06-21T14:45:00Z"


def test_sizes_are_in_millions_of_bytes() -> None:
    """To the thousand; what nobody measured is nothing."""
    assert metadata.megabytes(1_234_567_501) == 1234.568
    export = example().exports.raw
    assert metadata.uncompressed_bytes(replace(export, uncompressed_mb=2_000.123)) == 2_000_123_000
    assert metadata.uncompressed_bytes(replace(export, uncompressed_mb=None)) == 0


def test_archives_by_kind() -> None:
    """In the order in which they are made; without MongoDB there is no dump."""
    made = example().exports
    assert made.by_archive == {
        "raw": made.raw,
        "transformed": made.transformed,
        "dump": made.dump,
    }
    assert made.size_bytes == 924_000_000 + 2 * 450_000_000
    without = replace(made, dump=None)
    assert list(without.by_archive) == ["raw", "transformed"]
    assert b"dump" not in replace(example(), exports=without).to_json()


def test_what_a_restore_left_out_is_a_warning() -> None:
    """Each object by itself; one warning where there is no database at all."""
    assert Databases("pg", "mongo").warnings == ()
    assert Databases("pg", "mongo", None, ("view a: why", "view b: why")).warnings == (
        "pg is restored without view a: why",
        "pg is restored without view b: why",
    )
    assert Databases(None, "mongo", "no room", ("view a: why",)).warnings == (
        "there is no restored PostgreSQL database: no room",
    )


@pytest.mark.parametrize(
    ("made", "targets"),
    [
        (Databases("pg", "mongo"), "mongodb, postgres"),
        (Databases(None, "mongo"), "mongodb"),
        (Databases(None, None), "none"),
        (Databases("pg", None), "postgres"),
        (Databases(None, "mongo", "no room"), "mongodb, postgres"),
    ],
)
def test_the_targets_of_a_version(made: Databases, targets: str) -> None:
    """Those with a database, and PostgreSQL if a restore was tried."""
    assert str(replace(example(), databases_created=made).targets) == targets


def _without_uncompressed(dump: DumpExport | None) -> DumpExport:
    assert dump is not None
    return replace(dump, uncompressed_mb=None)


def test_fields_that_say_nothing_are_left_out() -> None:
    """Beside the description's fields the file has only what there is to say."""
    plain = example()
    exports = Exports(
        replace(plain.exports.raw, uncompressed_mb=None, tables_with_rows=None),
        replace(plain.exports.transformed, uncompressed_mb=None),
        _without_uncompressed(plain.exports.dump),
    )
    found = json.loads(replace(plain, exports=exports).to_json())
    parts = {**found["exports"], "source": found["source"], "made": found["databases_created"]}
    assert {name: set(part) for name, part in {**parts, "all": found}.items()} == {
        "raw": {"path", "size_mb", "record_count", "tables_exported", "sha256", "size_bytes"}
        | {"rows", "schema_fingerprint"},
        "transformed": {"path", "size_mb", "collections", "sha256", "size_bytes", "documents"},
        "dump": {"path", "size_mb", "sha256", "size_bytes", "documents"},
        "source": {"type", "instance", "snapshot_id"},
        "made": {"postgres", "mongodb"},
        "all": {"timestamp", "export_date", "source", "exports", "databases_created"}
        | {"export_duration_minutes", "export_complete", "purpose", "notes", "tool_version"}
        | {"seconds", "warnings"},
    }


def test_the_registry_s_entry() -> None:
    """A version's entry has the description's six fields."""
    entry = RegistryEntry.of(example())
    assert json.loads(metadata.registry_to_json([entry])) == [
        {
            "version": "20250621-143000",
            "database_name": "mediatool_20250621-143000",
            "source_postgres_db": "media_tool_20250621-143000",
            "created_at": "2025-06-21T14:45:00Z",
            "purpose": "daily_backup",
            "notes": "Pre-release backup",
        }
    ]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_the_registry_comes_back(number: int) -> None:
    """A registry of any length is one valid JSON list, and is read as it was written."""
    entries = (RegistryEntry.of(example()),) * number
    assert metadata.registry_from_json(metadata.registry_to_json(entries)) == entries
