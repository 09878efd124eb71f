"""Each planted defect turns the right checks red, in Dagster and on the command line, and is told.

The daily job makes one small version. A defect is planted in its stores, every check and the
integrity report run again alone, and the commands too; then the defect is taken out. Exactly the
checks that stand here are red and name the thing, the commands end with 1 and name it, and one
alert arrives. What is wrong at the source itself, a next version shows.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import dask
import psycopg
import pytest
from bson.decimal128 import Decimal128
from distributed import LocalCluster

from mediatool_assets.definitions import definitions
from mediatool_assets.defs.reports import report_asset
from mediatool_assets.domain.keys import Kind, archive_key, metadata_key
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.version import Version
from mediatool_assets.stores.local import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.postgres import PostgresTarget
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.cli.conftest import Run, mediatool, restored_environment
from mediatool_assets_tests.defs.conftest import environment, source_of, today
from mediatool_assets_tests.planting import (
    lines_of,
    live_collection,
    restored_database,
    rewritten,
    with_member,
)
from mediatool_assets_tests.receiver import Receiver, receiver
from mediatool_assets_tests.watching import Watch

__all__ = ["mediatool", "restored_environment"]  # fixtures: pytest finds them here by their names

MODEL = """
tables: {accounts: , campaigns: , plans: }
collections:
  accounts: accounts
  campaigns:
    root: campaigns
    add:
      accountName:
        look_up: account_id -> accounts.id
        take: name
      plans:
        embed_many: id -> plans.campaign_id
        orphans: plansWithoutCampaign
    indexes: [accountId]
"""

DDL = """
CREATE SCHEMA media_tool;
SET search_path TO media_tool;
CREATE TABLE accounts (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE campaigns (
    id text PRIMARY KEY, account_id text REFERENCES accounts, budget numeric(12, 2),
    channel text, created_at timestamptz);
CREATE INDEX campaigns_account ON campaigns (account_id);
CREATE TABLE plans (id int PRIMARY KEY, campaign_id text REFERENCES campaigns, spend numeric(9, 2));
INSERT INTO accounts VALUES ('a1', 'Åre'), ('b2', 'Boo'), ('c3', 'Clo');
INSERT INTO campaigns SELECT n::text, 'a1', n + 0.25, 'search', '2025-06-01 10:00:00.123456+00'
    FROM generate_series(1, 5) AS n;
INSERT INTO plans SELECT n, (n % 2 + 1)::text, n * 1.5 FROM generate_series(1, 20) AS n;
"""

RULES = "tables: {campaigns: {budget: keep}}"  # the shipped rules would hide it

INTACT = "data_integrity_report: intact"
THRESHOLDS = "daily_metrics_comparison: thresholds"


@dataclass(frozen=True)
class Found:
    """What a run of checks came to: what is red and why, and the integrity report of it."""

    red: Mapping[str, str]
    report: str

    @classmethod
    def of(cls, result: dg.ExecuteInProcessResult) -> "Found":
        """Of a run; some checks were judged."""
        judged = result.get_asset_check_evaluations()
        assert judged
        [report] = [
            event.materialization.metadata["report"].value
            for event in result.get_asset_materialization_events()
            if event.materialization.asset_key == report_asset("data-integrity-report")
        ]
        red = {
            f"{one.asset_key.to_user_string()}: {one.check_name}": one.description or ""
            for one in judged
            if not one.passed
        }
        return cls(red, str(report))


@dataclass(frozen=True)
class Made:
    """The version, where it lies, and the Dagster that made it."""

    partition: str
    version: Version
    defs: dg.Definitions
    instance: dg.DagsterInstance
    objects: S3Objects
    documents: MongoDocuments
    target: PostgresTarget

    def look(self) -> Found:
        """Report on the integrity again, and judge everything again, alone."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        checks = self.defs.resolve_job_def("daily_export").asset_layer.asset_graph.asset_check_keys
        daily = {key for key in checks if key.name not in ("on_time", "thresholds")}
        alone = job.get_subset(
            asset_selection={report_asset("data-integrity-report")}, asset_check_selection=daily
        )
        return Found.of(
            alone.execute_in_process(
                partition_key=self.partition, instance=self.instance, raise_on_error=False
            )
        )

    @contextmanager
    def next_version(self) -> Iterator[tuple[Version, Found]]:
        """Another version of the day; at the end it does not count any more."""
        job = self.defs.resolve_job_def("daily_export")
        result = job.execute_in_process(partition_key=self.partition, instance=self.instance)
        run = self.instance.get_run_by_id(result.run_id)
        assert run is not None
        version = Version.parse(run.tags["mediatool/version"])
        yield version, Found.of(result)
        self.objects.client.delete_object(Bucket=self.objects.bucket, Key=metadata_key(version))


@contextmanager
def _threads() -> Iterator[str]:
    """A Dask cluster within this process: thirty pools of processes would take minutes to start.

    Its profiler asks for the frames of all threads, which may lock this process up for good.
    """
    dask.config.set({"distributed.worker.profile.enabled": False})
    with LocalCluster(  # type: ignore[no-untyped-call]  # distributed has types in part
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def made(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """One version for all tests of this file; each puts back what it changes."""
    home, partition = tmp_path_factory.mktemp("home"), today()
    (home / "rules.yaml").write_text(RULES)
    with (
        source_of(stack, home, DDL, MODEL),
        _threads() as scheduler,
        environment(
            MEDIATOOL_DASK_SCHEDULER=scheduler, MEDIATOOL_MASKING_RULES=str(home / "rules.yaml")
        ),
        TemporaryDirectory() as folder,
        dg.instance_for_test(temp_dir=folder) as instance,
    ):
        settings = Settings.parse(os.environ)
        defs = definitions(settings)
        result = defs.resolve_job_def("daily_export").execute_in_process(
            partition_key=partition, instance=instance
        )
        assert not {
            one.check_name for one in result.get_asset_check_evaluations() if not one.passed
        }
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        stores = S3Objects.of(settings), MongoDocuments.of(settings), PostgresTarget.of(settings)
        version = Version.parse(run.tags["mediatool/version"])
        yield Made(partition, version, defs, instance, *stores)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that the settings name as the webhook."""
    with receiver() as found:
        monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", found.url)
        yield found


Planted = AbstractContextManager[None]


@dataclass(frozen=True)
class Defect:
    """What is planted, the checks that find it, and what names it.

    ``red`` has words of each check's description, ``named`` words of one row of the report, and
    ``told`` words that each command prints.
    """

    plant: Callable[[Made], Planted]
    red: Mapping[str, str]
    told: Mapping[str, str]
    named: tuple[str, ...] = field(default=())


@contextmanager
def archive(made: Made, kind: Kind, spoil: Callable[[Path], None]) -> Iterator[None]:
    """An archive in the bucket that is another."""
    key, client = archive_key(kind, made.version), made.objects.client
    data, _ = made.objects.get(key)
    with TemporaryDirectory() as folder:
        path = Path(folder, "archive")
        path.write_bytes(data)
        spoil(path)
        client.put_object(Bucket=made.objects.bucket, Key=key, Body=path.read_bytes())
    yield
    client.put_object(Bucket=made.objects.bucket, Key=key, Body=data)


def row_lost(made: Made) -> Planted:
    """An archive that agrees with itself, and lacks a row."""

    def spoil(path: Path) -> None:
        lines = lines_of(path, "accounts")
        kept = [line for line in lines if json.loads(line)["id"] != "b2"]
        assert len(kept) == len(lines) - 1
        rewritten(path, "accounts", kept)

    return archive(made, "raw", spoil)


def value_changed(made: Made) -> Planted:
    """An archive that agrees with itself, and has another name of an account."""

    def spoil(path: Path) -> None:
        lines = lines_of(path, "accounts")
        other = [line.replace(b'"Boo"', b'"Foo"') for line in lines]
        assert other != lines
        rewritten(path, "accounts", other)

    return archive(made, "raw", spoil)


def truncated(made: Made) -> Planted:
    """A dump without its last bytes."""

    def spoil(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-100])

    return archive(made, "dump", spoil)


def manifest_edited(kind: Kind, made: Made) -> Planted:
    """Another fingerprint of accounts."""
    return archive(
        made, kind, lambda path: with_member(path, "accounts", fingerprint=f"3:{1:032x}")
    )


@contextmanager
def digit_changed(made: Made) -> Iterator[None]:
    """In the budget of one campaign."""
    with live_collection(made.documents, made.version, "campaigns") as campaigns:
        for budget in ("3.26", "3.25"):
            changed = campaigns.update_one({"_id": "3"}, {"$set": {"budget": Decimal128(budget)}})
            assert changed.modified_count == 1
            if budget == "3.26":
                yield


@contextmanager
def document_missing(made: Made) -> Iterator[None]:
    """A campaign."""
    with live_collection(made.documents, made.version, "campaigns") as campaigns:
        document = campaigns.find_one_and_delete({"_id": "3"})
        assert document is not None
        yield
        campaigns.insert_one(document)


@contextmanager
def document_doubled(made: Made) -> Iterator[None]:
    """An account, under another ``_id``."""
    with live_collection(made.documents, made.version, "accounts") as accounts:
        accounts.insert_one({**(accounts.find_one({"_id": "a1"}) or {}), "_id": "doubled1"})
        yield
        accounts.delete_one({"_id": "doubled1"})


@contextmanager
def array_shortened(made: Made) -> Iterator[None]:
    """By the first plan of a campaign."""
    with live_collection(made.documents, made.version, "campaigns") as campaigns:
        document = campaigns.find_one({"_id": "1"})
        assert document is not None
        assert document["plans"][0]["id"] == 2
        campaigns.update_one({"_id": "1"}, {"$pop": {"plans": -1}})
        yield
        campaigns.replace_one({"_id": "1"}, document)


@contextmanager
def microsecond_later(made: Made) -> Iterator[None]:
    """In the restored PostgreSQL."""
    later = (
        "UPDATE campaigns SET created_at = created_at {} interval '1 microsecond' WHERE id = '4'"
    )
    with restored_database(made.target, made.version) as execute:
        execute(later.format("+"))
        yield
        execute(later.format("-"))


@contextmanager
def index_missing_in_mongodb(made: Made) -> Iterator[None]:
    """That on a reference."""
    with live_collection(made.documents, made.version, "campaigns") as campaigns:
        campaigns.drop_index("accountId_1")
        yield
        campaigns.create_index("accountId")


@contextmanager
def index_missing_in_postgresql(made: Made) -> Iterator[None]:
    """Of the restored database."""
    with restored_database(made.target, made.version) as execute:
        execute("DROP INDEX campaigns_account")
        yield
        execute("CREATE INDEX campaigns_account ON campaigns (account_id)")


DEFECTS = {
    "a row lost in the archive": Defect(
        row_lost,
        {
            "raw/accounts: counted": "accounts: ",
            "metadata: accounted": "accounts: 2 rows, 3 taken in",
            "metadata: archives_whole": "raw: ",
            INTACT: "accounts: 1 too many",
        },
        {"integrity": "mongodb: accounts id b2: the row: surplus", "verify": "raw: "},
        ("accounts", "id = b2", "surplus"),
    ),
    "a value changed in the archive, and its manifest with it": Defect(
        value_changed,
        {"metadata: archives_whole": "raw: it does not have the SHA-256",
         INTACT: "accounts: 1 different in name"},
        {"integrity": "mongodb: accounts id b2: name: differs", "verify": "raw: "},
        ("accounts", "id = b2", "differs", "name"),
    ),
    "a digit changed in MongoDB": Defect(
        digit_changed,
        {INTACT: "campaigns: 1 different in budget"},
        {"integrity": "mongodb: campaigns id 3: budget: differs",
         "verify": "mongodb: campaigns:"},
        ("campaigns", "id = 3", "differs", "budget", "3.25", "3.26"),
    ),
    "a document missing": Defect(
        document_missing,
        {"mongodb/campaigns: loaded": "campaigns: 4 documents, and 5",
         INTACT: "campaigns: 1 missing"},
        {"integrity": "mongodb: campaigns id 3: the row: missing",
         "verify": "mongodb: campaigns:"},
        ("campaigns", "id = 3", "missing"),
    ),
    "a document doubled": Defect(
        document_doubled,
        {"mongodb/accounts: loaded": "accounts: 4 documents, and 3",
         INTACT: "accounts: 1 too many"},
        {"integrity": "accounts id doubled1: the row: surplus", "verify": "mongodb: accounts:"},
        ("accounts", "id = doubled1", "surplus"),
    ),
    "an embedded array shortened": Defect(
        array_shortened,
        {INTACT: "plans: 1 missing"},
        {"integrity": "mongodb: plans id 2: the row: missing", "verify": "mongodb: campaigns:"},
        ("plans", "id = 2", "missing"),
    ),
    "a microsecond in the restored PostgreSQL": Defect(
        microsecond_later,
        {INTACT: "campaigns in PostgreSQL: 1 different in created_at"},
        {"integrity": "postgres: campaigns id 4: created_at: differs",
         "verify": "postgres: campaigns:"},
        ("campaigns", "id = 4", "differs", "created_at", ".123456", ".123457"),
    ),
    "an index missing in MongoDB": Defect(
        index_missing_in_mongodb,
        {INTACT: "campaigns: missing: accountId: 1"},
        {"integrity": "missing: accountId: 1"},
    ),
    "an index missing in the restored PostgreSQL": Defect(
        index_missing_in_postgresql,
        {INTACT: "campaigns in PostgreSQL: missing: campaigns_account"},
        {"integrity": "missing: campaigns_account"},
    ),
    "a dump truncated": Defect(
        truncated,
        {"dump: dumped": "cut short", "metadata: archives_whole": "dump: ", INTACT: "dump: "},
        {"integrity": "cut short", "verify": "dump: "},
    ),
    "a raw manifest edited": Defect(
        partial(manifest_edited, "raw"),
        {"raw/accounts: counted": "accounts: ", "metadata: archives_whole": "raw: ",
         INTACT: "accounts: "},
        {"integrity": "accounts", "verify": "raw: accounts"},
    ),
    "a transformed manifest edited": Defect(
        partial(manifest_edited, "transformed"),
        {"mongodb/accounts: loaded": "accounts: 3:", "metadata: archives_whole": "accounts",
         INTACT: "accounts: "},
        {"integrity": "accounts", "verify": "transformed: "},
    ),
    "a dump's manifest edited": Defect(
        partial(manifest_edited, "dump"),
        {"dump: dumped": "accounts: 3:", "metadata: archives_whole": "accounts",
         INTACT: "accounts: "},
        {"integrity": "accounts", "verify": "dump: "},
    ),
}  # fmt: skip


def told_once(watch: Watch, hook: Receiver, found: Found) -> None:
    """One alert has arrived, of all red checks, each with its asset; and no second one."""
    watch.tick()
    watch.tick()
    [alert] = hook.arrived
    checks = {p["thing"]: p for p in alert["problems"] if p["kind"] == "check"}
    assert checks.keys() == found.red.keys()
    assert {f"{p['asset']}: {p['check']}" for p in checks.values()} == found.red.keys()
    assert all(problem["reason"] for problem in checks.values())


def test_without_a_defect_nothing_is_red_and_nothing_is_told(
    made: Made, hook: Receiver, mediatool: Run
) -> None:
    """Nor does a command find anything."""
    watch = Watch(made.instance, made.defs)
    assert made.look().red == {}
    assert watch.tick().startswith("webhook: 0 posted, 0 waiting")
    assert hook.arrived == []
    for command in ("integrity", "verify"):
        assert mediatool(command, str(made.version)).code == 0


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_turns_its_checks_red_and_is_told_once(
    made: Made, hook: Receiver, mediatool: Run, name: str
) -> None:
    """By table, key and column, as far as there are any."""
    defect, watch = DEFECTS[name], Watch(made.instance, made.defs)
    with defect.plant(made):
        found = made.look()
        printed = {command: mediatool(command, str(made.version)) for command in defect.told}
    assert found.red.keys() == defect.red.keys()
    for check, words in defect.red.items():
        assert words in found.red[check]
    if defect.named:
        rows = [row for row in found.report.splitlines() if row.startswith("|")]
        assert [row for row in rows if all(word in row for word in defect.named)]
    for command, words in defect.told.items():
        assert (printed[command].code, printed[command].err) == (1, "")
        assert words in printed[command].out
    told_once(watch, hook, found)


def _emptied(comparison: dict[str, Any]) -> bool:
    plans = comparison["details"]["plans"]
    return bool((plans["count_v1"], plans["count_v2"], plans["removed"]) == (20, 0, 20))


def _dropped(comparison: dict[str, Any]) -> bool:
    [change] = comparison["schema_changes"]
    found = tuple(change[field] for field in ("table", "what", "name", "severity"))
    return found == ("campaigns", "column", "channel", "breaking")


@pytest.mark.parametrize(
    ("plant", "undo", "red", "named"),
    [
        pytest.param(
            "CREATE TABLE public.kept AS TABLE plans; DELETE FROM plans",
            "INSERT INTO plans SELECT * FROM public.kept",
            {"raw/plans: as_usual": "plans: is empty, and had 20 rows", THRESHOLDS: "plans"},
            _emptied,
            id="a table emptied",
        ),
        pytest.param(
            "ALTER TABLE campaigns DROP COLUMN channel",
            "ALTER TABLE campaigns ADD COLUMN channel text",
            {"raw/campaigns: as_usual": "channel", THRESHOLDS: "channel"},
            _dropped,
            id="a column dropped",
        ),
    ],
)
def test_what_is_wrong_at_the_source_the_next_version_tells(
    made: Made, hook: Receiver, mediatool: Run, tmp_path: Path,
    plant: str, undo: str, red: Mapping[str, str], named: Callable[[dict[str, Any]], bool],
) -> None:  # fmt: skip
    """The version is sound, and no other than its source; it is compared with the one before."""
    watch, report = Watch(made.instance, made.defs), tmp_path / "report.json"
    with psycopg.connect(os.environ["MEDIATOOL_POSTGRES_URL"], autocommit=True) as source:
        source.execute("SET search_path TO media_tool")
        source.execute(plant.encode())
        with made.next_version() as (version, found):
            between = "--version1", str(made.version), "--version2", str(version)
            printed = mediatool("compare", *between, "--output", report, "--fail-on-difference")
        source.execute(undo.encode())
    assert found.red.keys() == red.keys()
    assert [check for check, said in red.items() if said not in found.red[check]] == []
    assert (printed.code, printed.err) == (1, "")
    assert named(json.loads(report.read_bytes()))
    told_once(watch, hook, found)


def test_nothing_is_left_of_the_defects(made: Made) -> None:
    """Every test put back what it had changed, so that none found what another had planted."""
    assert made.look().red == {}
