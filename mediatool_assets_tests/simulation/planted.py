"""Ten bugs, one for each invariant, that can be planted in the product."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from mediatool_assets.core import metadata
from mediatool_assets.core.version import REGISTRY_KEY, bson_member, metadata_key, metadata_member
from mediatool_assets.export import assets as raw
from mediatool_assets.export import flow as export
from mediatool_assets.load import flow as load
from mediatool_assets.prune import flow as prune
from mediatool_assets.prune import rules as retention
from mediatool_assets.verify import assets as publication
from mediatool_assets.verify import flow as verify_stores
from mediatool_assets.verify import publish
from mediatool_assets.versions import catalog
from mediatool_assets.versions import flow as marking
from mediatool_assets.versions.records import metadata_json
from mediatool_assets_tests.simulation.documents import Documents

Plant = Callable[[pytest.MonkeyPatch], None]


def rows_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    """An export that takes what arrives, though fewer rows do: what is complete is not whole."""

    def spool(share: Any) -> Any:
        rows = share.reader.read(share.table, share.chunk)
        return share.spools.rows(share.name, rows)

    def write_table(self: Any, writer: Any, table: Any, spools: Iterator[Any]) -> int:
        own = [next(spools) for _ in self._chunks_of(table)]
        return int(writer.add_rows(f"{table.name}.ndjson", own, table=table.name).rows)

    patch.setattr(export, "spool_chunk", spool)
    patch.setattr(export._ExportRun, "_write_table", write_table)
    patch.setattr("mediatool_assets.transform.flow.require_source_counts", lambda _: None)


def the_day_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """A run that takes its snapshot after midnight files it under the day before."""
    patch.setattr(raw, "OnDay", lambda source, *_: source)


def metadata_first(patch: pytest.MonkeyPatch) -> None:
    """The registry lists versions before they are complete: something half-made is listed."""
    original = publish.compare

    def compare(made: Any, documents: Any, version: Any) -> None:
        objects = made.raw.source.bucket
        stored, etag = catalog.stored_registry(objects)
        entry = metadata.RegistryEntry(
            str(version), f"mediatool_{version}", None, "2025-01-01T00:00:00Z", "testing", ""
        )
        objects.put(
            REGISTRY_KEY, metadata.registry_to_json([*(stored or ()), entry]), replacing=etag
        )
        original(made, documents, version)

    patch.setattr(publish, "compare", compare)


def the_database_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    """A load that neither journals nor reads back what it inserted: a crash loses rows."""
    patch.setattr(Documents, "make_durable", lambda *_: None)
    patch.setattr(load, "_verify", lambda *_: None)
    patch.setattr(load, "_compare", lambda *_: None)
    patch.setattr(publish, "_compare_collections", lambda *_: None)
    patch.setattr("mediatool_assets.load.flow._Dump._collection", _collection)


def _collection(self: Any, writer: Any, info: Any, spools: list[Any]) -> int:
    database = self.expected.database
    rows = writer.add_rows(bson_member(database, info.name), spools, collection=info.name).rows
    writer.add_file(metadata_member(bson_member(database, info.name)), metadata_json(info))
    return int(rows)


def metadata_is_written_again(patch: pytest.MonkeyPatch) -> None:
    """A run of a version that is complete writes its metadata anew: bytes change."""
    original = publish.complete

    def again(stores: Any, workspace: Any, version: Any, *given: Any) -> Any:
        made, objects = original(stores, workspace, version, *given), stores.objects
        data, etag = objects.get(metadata_key(version))
        objects.put(metadata_key(version), data + b"\n", replacing=etag)
        return made

    patch.setattr(publication, "complete", again)


def the_registry_is_overwritten(patch: pytest.MonkeyPatch) -> None:
    """A writer of the registry that does not look whether another was there meanwhile."""

    def register(objects: Any, *, anew: bool = False) -> None:
        del anew
        stored, etag = catalog.stored_registry(objects)
        known = stored or ()
        versions = {e.version for e in known}
        there = [v for v in catalog.versions(objects) if str(v) not in versions][-1:]
        new = [metadata.RegistryEntry.of(catalog.read(objects, v)) for v in there]
        objects.put(REGISTRY_KEY, metadata.registry_to_json([*known, *new]), replacing=etag)

    for module in (publish, prune, marking):
        patch.setattr(module, "register", register)


def pins_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """Retention that knows of no marks."""
    patch.setattr("mediatool_assets.core.metadata.Marks.protection", lambda *_: None)


def the_last_may_go(patch: pytest.MonkeyPatch) -> None:
    """Retention that lets go of the last version, where it is old."""
    original = retention._Decider.__init__

    def init(self: Any, *arguments: Any) -> None:
        original(self, *arguments)
        self._last = {}
        self._newest = dict.fromkeys(self._newest)

    patch.setattr(retention._Decider, "__init__", init)
    decide = retention.decide

    def sooner(found: Any, policy: Any, now: Any) -> Any:
        return decide(found, replace(policy, daily=0, weekly=0), now)

    patch.setattr(prune, "decide", sooner)


def everything_is_a_recovery(patch: pytest.MonkeyPatch) -> None:
    """Good news of any day ends the bad news of another."""
    patch.setattr(
        "mediatool_assets.alerts.messages._ends",
        lambda well, problem: (well.kind, well.thing) == (problem.kind, problem.thing),
    )


def the_window_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Each night's alert is posted, the same trouble or not."""

    def posted(self: Any, alert: Any, now: Any) -> None:
        del now
        for name in (*alert.ends, alert.fingerprint):
            self.waiting.pop(name, None)

    patch.setattr("mediatool_assets.alerts.messages.Channel.posted", posted)


def damage_is_not_seen(patch: pytest.MonkeyPatch) -> None:
    """A verification that does not compare: what is damaged passes."""
    patch.setattr("mediatool_assets.verify.flow.read_blocks", lambda *_: None)
    original = verify_stores.open_archive

    def open_archive(run: Any, kind: Any) -> Any:
        found = original(run, kind)
        found.status, found.problems, found.total = "passed", [], 0
        return found

    patch.setattr("mediatool_assets.verify.flow.open_archive", open_archive)


PLANTED: Mapping[str, Plant] = {
    plant.__name__: plant
    for plant in (
        rows_are_not_counted,
        the_day_is_not_looked_at,
        metadata_first,
        the_database_is_not_compared,
        metadata_is_written_again,
        the_registry_is_overwritten,
        pins_are_not_looked_at,
        the_last_may_go,
        everything_is_a_recovery,
        the_window_is_forgotten,
        damage_is_not_seen,
    )
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """The product with the bug."""
    with pytest.MonkeyPatch.context() as patch:
        PLANTED[name](patch)
        yield
