"""Versions made of a few rows, up to the point where only their completion is missing."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson

from mediatool_assets.core.manifest import Exclusion
from mediatool_assets.core.metadata import Metadata, Purpose
from mediatool_assets.core.signing import SigningKey
from mediatool_assets.core.version import Version
from mediatool_assets.load.flow import dump, load
from mediatool_assets.stores.ports import DocumentStore, ObjectStore, Stores
from mediatool_assets.verify.publish import RunFacts, complete
from mediatool_assets.versions.records import write_local_registry
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.raw_archives import raw_archive, table
from mediatool_assets_tests.transformed import transformed

ACCOUNTS = table("accounts", id="text", name="text")
REPS = table("reps", id="integer")
EMPTY = table("teams", id="integer")
HOMES = {"documents": 0, "embedded": 0, "orphans": 0, "folded": 0, "left_out": 0}
ROWS: dict[str, dict[str, int]] = {
    "accounts": {"in": 3, **HOMES, "documents": 3},
    "reps": {"in": 5, **HOMES, "embedded": 3, "orphans": 1, "folded": 1},
    "teams": {"in": 0, **HOMES},
}


def make(objects: ObjectStore, version: Version, rows: dict[str, Any] | None = None) -> None:
    """The raw and the transformed archive; ``rows`` is what the transform says of the rows."""
    raw_archive(
        objects,
        {
            ACCOUNTS: [{"id": f"{i}", "name": "x" * i} for i in range(3)],
            REPS: [{"id": i} for i in range(5)],
            EMPTY: [],
        },
        version=version,
        excluded=[Exclusion("secrets", "by setting", 7)],
    )
    transformed(
        objects,
        version,
        {
            "accounts": [bson.encode({"_id": f"{i}", "name": "x" * i}) for i in range(3)],
            "repsOrphans": [bson.encode({"_id": 4})],
        },
        facts={"rows": ROWS if rows is None else rows},
        warnings=["reps: 1 row has no account", "reps: 1 row has no account"],
    )


def load_and_dump(
    objects: ObjectStore, documents: DocumentStore, pool: Workspace, version: Version
) -> None:
    """The database, verified, and its dump."""
    load(objects, documents, pool, version)
    dump(objects, documents, pool, version)


def finish(
    objects: ObjectStore,
    documents: DocumentStore,
    pool: Workspace,
    version: Version,
    local: Path,
    notes: str = "for the tests",
    purpose: Purpose = "testing",
    signing_key: SigningKey | None = None,
) -> Metadata:
    """Complete the version, at a time and with durations that are always the same."""
    facts = RunFacts(
        source_type="postgres",
        instance="media-tool-production",
        purpose=purpose,
        notes=notes,
        seconds={"export": 60.0, "transform": 29.99999},
    )
    workspace = replace(pool, clock=lambda: datetime(2025, 6, 21, 14, 45, tzinfo=UTC))
    metadata = complete(Stores(objects, documents), workspace, version, facts, signing_key)
    write_local_registry(objects, local)
    return metadata
