"""All the way with one source: infer, export, transform, load, dump, complete, restore, verify."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mediatool_assets.core import ddl as script
from mediatool_assets.core.authenticity import Verdict
from mediatool_assets.core.ddl import BadStatement
from mediatool_assets.core.manifest import Manifest
from mediatool_assets.core.metadata import Metadata
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.resolution import resolve
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.version import Version
from mediatool_assets.export.flow import export
from mediatool_assets.infer.flow import ArchivedTables, Inferred, infer
from mediatool_assets.integrity.flow import integrity
from mediatool_assets.integrity.plan import Integrity
from mediatool_assets.restore.flow import restore_postgres
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Source, Stores
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.verify.flow import verify
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import Restored
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.both_codecs import transform_by_both
from mediatool_assets_tests.finished import finish, load_and_dump
from mediatool_assets_tests.twins import DirectoryObjects

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Servers:
    """Where a version goes."""

    documents: MongoDocuments
    target: PostgresTarget
    pool: Workspace


@dataclass(frozen=True)
class Journey:
    """What a version came to, from its source to the reports on it."""

    raw: Manifest
    inferred: Inferred
    homes: dict[str, dict[str, int]]
    model_warnings: tuple[str, ...]
    metadata: Metadata
    restored: Restored
    verdict: Verdict
    report: Integrity
    unprinted: list[str]

    def faults(self) -> list[str]:
        """All that is not as it should be of a version whose source is sound; empty is well."""
        rows = {table: member.rows for table, member in self.raw.tables().items()}
        found = [*self.model_warnings, *self.unprinted]
        if {table: homes["in"] for table, homes in self.homes.items()} != rows:
            found.append(f"taken in: {self.homes}, and the archive has {rows}")
        found += [
            f"{table}: {homes}"
            for table, homes in self.homes.items()
            if homes["left_out"] or 2 * homes["in"] != sum(homes.values())
        ]
        if self.restored.rows != rows:
            found.append(f"restored: {self.restored.rows}, and the archive has {rows}")
        found += [f"{c.findings}" for c in self.verdict.checks if c.outcome != "passed"]
        return found + [
            f"{line.area} {line.thing}: {line.outcome}, {line.reason}"
            for line in self.report.lines
            if line.outcome != "passed"
        ]


def travel(source: Source, servers: Servers, version: Version, folder: Path) -> Journey:
    """Make the version, by the model that is inferred for it, in the empty ``folder``."""
    objects, scratch = DirectoryObjects(folder / "bucket"), folder / "scratch"
    scratch.mkdir()
    documents, target, pool = servers.documents, servers.target, servers.pool
    raw = export(source, objects, pool, version).manifest
    archive = catalog.reader(objects, "raw", version)
    path = folder / "model.yaml"
    inferred = infer(ArchivedTables(archive), pool)
    path.write_text(inferred.model, "utf-8")
    model = load_model(path)
    warnings = resolve(model, Schema.from_json(archive.read_file("schema.json"))).warnings
    homes = transform_by_both(objects, pool, version, model).manifest.facts["rows"]
    assert isinstance(homes, dict)
    load_and_dump(objects, documents, pool, version)
    metadata = finish(objects, documents, pool, version, folder / "registry.json")
    restored = restore_postgres(objects, target, pool, version)
    verdict = verify(Stores(objects, documents, target), replace(pool, clock=lambda: NOW), version)
    report = integrity(
        Stores(objects, documents, target), replace(pool, clock=lambda: NOW), version, model
    )
    unprinted = list(_unprinted(archive.read_file("schema.sql").decode()))
    return Journey(raw, inferred, homes, warnings, metadata, restored, verdict, report, unprinted)


def _unprinted(ddl: str) -> Iterator[str]:
    """The statements whose trees cannot be printed as they are."""
    for entry in script.entries(ddl):
        for statement in entry.statements:
            try:
                script.deparse(script.parse(statement))
            except BadStatement as error:
                yield f"{entry}: {error}"
