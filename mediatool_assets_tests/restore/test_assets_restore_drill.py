"""The restore drill as the job of the daemon runs it: evidence, figures, and nothing left."""

from typing import Any

import pytest

from mediatool_assets.core.errors import CheckFailed
from mediatool_assets.core.metadata import RestoreRecord
from mediatool_assets.core.version import Version
from mediatool_assets.restore.flow import SCRATCH
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import restore_records
from mediatool_assets_tests.defs.operated import postgres_databases, run, told
from mediatool_assets_tests.fixtures.dagster_day import Day, locked_out_of_mongodb
from mediatool_assets_tests.json_schemas import faults_in


def _newest(objects: ObjectStore) -> Version:
    """The version of ``day``, or one that other tests of the package have made since."""
    return max(catalog.versions(objects))


def _drills(objects: ObjectStore) -> list[RestoreRecord]:
    return [e for e in restore_records(objects, _newest(objects)) if e.database == SCRATCH]


def test_the_drill_restores_verifies_and_drops(
    day: Day, live_database: Any, bucket_objects: ObjectStore
) -> None:
    """Both servers, with the time that each took, and evidence; nothing is left of it."""
    before = _drills(bucket_objects)
    facts = told(run(day, "weekly_restore_drill"))
    assert (facts["version"], facts["verdict"]) == (
        str(_newest(bucket_objects)),
        "verified",
    )
    assert facts["rows_postgres"] == 5
    assert facts["rows_mongodb"] == 5
    assert facts["seconds_postgres"] > 0
    assert facts["seconds_mongodb"] > 0
    drills = _drills(bucket_objects)[len(before) :]
    assert [(e.to, e.verdict) for e in drills] == [
        ("postgres", "verified"),
        ("mongodb", "verified"),
    ]
    assert list(faults_in(bucket_objects)) == []
    assert not [name for name in postgres_databases() if name.startswith(SCRATCH)]
    assert SCRATCH not in live_database.client.list_database_names()


def test_a_drill_that_fails_fails_its_run(day: Day, bucket_objects: ObjectStore) -> None:
    """The error is the run's, and says what to do; the evidence says that it failed."""
    with locked_out_of_mongodb():
        result = run(day, "weekly_restore_drill")
    assert not result.success
    drills = _drills(bucket_objects)
    assert drills[-1].verdict == "failed"


def test_a_drill_that_fails_on_one_server_is_done_on_the_other(
    day: Day, live_database: Any, bucket_objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing on either, whatever it was that failed."""
    failing = CheckFailed("a row is not what it was")

    def fail(*_: object, **__: object) -> Any:
        raise failing

    monkeypatch.setattr("mediatool_assets.restore.flow.reread", fail)
    monkeypatch.setattr("mediatool_assets.load.flow._verify", fail)
    result = run(day, "weekly_restore_drill")
    assert not result.success
    drills = _drills(bucket_objects)
    assert [(e.to, e.verdict, e.reason) for e in drills[-2:]] == [
        ("postgres", "failed", str(failing)),
        ("mongodb", "failed", str(failing)),
    ]
    assert not [name for name in postgres_databases() if name.startswith(SCRATCH)]
    assert SCRATCH not in live_database.client.list_database_names()
