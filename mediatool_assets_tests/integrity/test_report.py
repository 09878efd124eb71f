"""The report of a version: all that it looks at, what it cannot know, and what a sample finds.

What a version alone cannot tell (a table that was emptied, or lost a column, before the export) is
the comparison's and the daily checks' to find: the last test says so.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from mediatool_assets.archive.reader import LocalFile
from mediatool_assets.core.errors import NotFound
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import METADATA_PREFIX, Version
from mediatool_assets.export.flow import export
from mediatool_assets.integrity.plan import Integrity
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.postgres_target import PostgresTarget
from mediatool_assets.verify.checks import raw_as_usual
from mediatool_assets_tests.compared import compared
from mediatool_assets_tests.fixtures.complete_version import Made, failed
from mediatool_assets_tests.twins import DirectoryObjects


def test_a_sound_version_is_intact(made: Made) -> None:
    """Every area is looked at, everything passes, and the report reads back as it was."""
    report = made.report()
    assert [line for line in report.lines if line.outcome != "passed"] == []
    assert report.verdict == "passed"
    assert {line.area for line in report.lines} == {
        "stores", "counts", "fingerprints", "values", "losses", "copies", "references",
        "duplicates", "soft deletes", "indexes", "structure",
    }  # fmt: skip
    members = made.reader("raw").manifest.tables()
    by_value = {x.thing: x.figures for x in report.lines if x.area == "values"}
    assert by_value.keys() == members.keys() - {"schema_migrations"}  # which the model leaves out
    assert {t: f["rows in documents"] for t, f in by_value.items()} == {
        table: members[table].rows for table in by_value
    }
    assert Integrity.from_json(report.to_json()) == report


def test_every_line_says_what_was_checked_and_how(made: Made) -> None:
    """With its figures and its duration; references with the number of their orphans."""
    report = made.report()
    assert all(line.checked and line.how and line.seconds >= 0 for line in report.lines)
    [reps] = [x for x in report.lines if x.thing == "campaigns.sales_rep_user_id -> "
              "reps.zoho_user_id"]  # fmt: skip
    assert int(reps.figures["orphans"] or 0) > 0  # most name a rep whom no table has
    [deleted] = [x for x in report.lines if x.thing == "campaigns" and x.area == "soft deletes"]
    assert deleted.figures["raw"] == deleted.figures["mongodb"]
    [lost] = [x for x in report.lines if x.thing == "campaigns_history.valid_from"]
    assert lost.area == "losses"
    assert int(lost.figures["microseconds"] or 0) > 0


def test_what_is_not_known_has_not_passed(made: Made) -> None:
    """A server that does not answer, one that nobody named, another model, a database gone."""
    nowhere = replace(made.documents, url=Url("mongodb://127.0.0.1:1/"), answer_ms=200)
    silent = replace(made, documents=nowhere).report()
    assert silent.verdict == "unknown"
    assert {x.outcome for x in silent.lines if x.area == "values"} == {"unknown"}
    assert {x.outcome for x in silent.lines if x.area == "references"} == {"passed"}
    far = PostgresTarget(Url("postgresql://127.0.0.1:1/postgres"))
    assert replace(made, target=far).report().verdict == "unknown"
    with pytest.raises(NotFound, match="not a complete version"):
        replace(made, version=Version(datetime(1999, 1, 1, tzinfo=UTC))).report()


class PrunedMeanwhile:
    """A bucket from which a version is deleted after its metadata was read."""

    def __init__(self, whole: ObjectStore) -> None:
        self._whole, self._is_read = whole, False

    def __getattr__(self, name: str) -> Any:
        """All else is the bucket's."""
        return getattr(self._whole, name)

    def get(self, key: str) -> tuple[bytes, str]:
        """The metadata is there once."""
        if key.startswith(METADATA_PREFIX) and self._is_read:
            raise NotFound(key)
        self._is_read = True
        return self._whole.get(key)

    def open(self, key: str) -> Any:
        """No archive is."""
        raise NotFound(key)


def test_what_was_deleted_meanwhile_is_not_called_damaged(made: Made) -> None:
    """The version does not exist any more: there is no report."""
    pruned = cast(DirectoryObjects, PrunedMeanwhile(made.objects))
    with pytest.raises(NotFound, match="not a complete version"):
        replace(made, objects=pruned).report()


def test_documents_that_another_model_made_are_not_known_to_be_wrong(made: Made) -> None:
    """What the one at hand explains passes all the same, under whatever name."""
    items = made.model.collections["lineItems"]
    other = replace(items, shape=replace(items.shape, renames=()))
    collections = {**made.model.collections, "lineItems": other}
    found = replace(made, model=replace(made.model, collections=collections)).report()
    unknown = {line.thing: line for line in found.lines if line.outcome == "unknown"}
    assert unknown.keys() == {"line_items"}
    assert "another model" in unknown["line_items"].reason
    renamed = replace(made, model=replace(made.model, source="elsewhere.yaml")).report()
    assert renamed.verdict == "passed"


def test_a_sample_finds_every_lost_row_and_each_value_in_its_turn(made: Made) -> None:
    """Keys are looked for every day; a changed value is found on one day of four."""
    with made.collection("campaigns") as campaigns:
        document = campaigns.find_one()
        assert document is not None
        campaigns.update_one({"_id": document["_id"]}, {"$set": {"goalsKpis": "other"}})
        days = [made.report(sample=25, days=day) for day in range(4)]
        campaigns.replace_one({"_id": document["_id"]}, document)
        assert campaigns.delete_one({"_id": document["_id"]}).deleted_count == 1
        lost = [made.report(sample=25, days=day) for day in range(2)]
        campaigns.insert_one(document)
    found = ["campaigns" in failed(report, "values") for report in days]
    assert sorted(found) == [False, False, False, True]
    assert all("campaigns" in failed(report, "values") for report in lost)
    assert days[0].sample == 25


def test_what_only_an_earlier_version_can_tell(
    made: Made, demo_source: Url, tmp_path: Path
) -> None:
    """A table emptied or a column dropped at the source is a sound version; comparison names it."""
    later = Version(made.version.moment + timedelta(days=1))
    with psycopg.connect(demo_source.reveal(), autocommit=True) as connection:
        connection.execute("SET search_path TO media_tool")
        connection.execute("DELETE FROM attachments")
        connection.execute("DELETE FROM users_history")
        connection.execute("ALTER TABLE rate_card DROP COLUMN notes")
    export(PostgresSource(demo_source, "media_tool"), made.objects, made.pool, later)
    files = [LocalFile(replace(made, version=v).path("raw")) for v in (made.version, later)]
    found = compared(tmp_path, (files[0], files[1]), made.model)
    lost = found.details["users_history"]
    assert (lost.count_v2, lost.removed) == (0, lost.count_v1)
    [dropped] = [c for c in found.schema_changes if (c.what, c.name) == ("column", "notes")]
    assert dropped.table == "rate_card"
    assert dropped.severity == "breaking"
    emptied = raw_as_usual(made.objects, later, ["users_history", "rate_card"], {})
    assert {table: finding.outcome for table, finding in emptied.items()} == {
        "users_history": "failed",
        "rate_card": "failed",
    }
