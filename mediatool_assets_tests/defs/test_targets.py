"""Versions of a shop with and without MongoDB and a restored PostgreSQL: what is off is nowhere.

Nor is any word of another trade than the shop's, in what Dagster, reports and commands say.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mediatool_assets.core.errors import NotFound, Refused
from mediatool_assets.core.setting_values import Targets
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import (
    DatabaseNames,
    Version,
    archive_key,
    metadata_key,
    report_key,
)
from mediatool_assets.definitions import definitions
from mediatool_assets.infer.flow import LiveTables, infer
from mediatool_assets.integrity import plan
from mediatool_assets.main import main
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.verify.publish import VersionArchives
from mediatool_assets.versions.flow import fetch
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.fixtures.command_line import Result
from mediatool_assets_tests.fixtures.dagster_day import environment, source_of, today

NONE, MONGODB, POSTGRES, BOTH = "none", "mongodb", "postgres", "mongodb, postgres"
EVERY = (NONE, MONGODB, POSTGRES, BOTH)
DATABASES = ("mongodb", "postgres")
SERVERS = {"mongodb": "MEDIATOOL_MONGODB_URL", "postgres": "MEDIATOOL_RESTORE_POSTGRES_URL"}
ARCHIVES = {"mongodb": {"dump"}, "postgres": set[str]()}

DDL = """
CREATE SCHEMA shop;
SET search_path TO shop;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int REFERENCES customers, total numeric(12, 2), at timestamptz);
INSERT INTO customers VALUES (1, 'Åre'), (2, '');
INSERT INTO orders VALUES (1, 1, 1.50, '2025-06-01 10:00:00.123456+00'), (2, null, null, null);
"""

MODEL = """
tables: {customers: , orders: }
one_to_one: [customers, orders]
"""
NAMES = DatabaseNames("shop_docs_", "shop_")
OTHER_TRADE = re.compile(r"media[ _-]tool|media[ _-]planning|campaign", re.IGNORECASE)
OF_THE_DEMO = {"seed"}
"""The command that fills the shipped model's database."""


def off(targets: str) -> list[str]:
    """The databases that are not made."""
    return [name for name in DATABASES if name not in targets]


def parts(targets: str) -> set[str]:
    """The archives and databases of a version."""
    on = [name for name in DATABASES if name in targets]
    return {"raw", "transformed", *on}.union(*(ARCHIVES[name] for name in on))


# The definitions, without any server


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dg.Definitions]:
    """The definitions for each combination."""
    path = tmp_path_factory.mktemp("model") / "model.yaml"
    path.write_text(MODEL)
    return {
        targets: definitions(Settings(model=path, targets=Targets.parse(targets)))
        for targets in EVERY
    }


def texts(defs: dg.Definitions) -> Iterator[str]:
    """Every key, name and kind of assets, checks, jobs, schedules and sensors."""
    for spec in defs.resolve_all_asset_specs():
        yield f"{spec.key.to_user_string()} {spec.group_name} {sorted(spec.kinds)}"
    graph = defs.resolve_asset_graph()
    yield from (f"{key.asset_key.to_user_string()} {key.name}" for key in graph.asset_check_keys)
    repository = defs.get_repository_def()
    yield from (job.name for job in repository.get_all_jobs())
    yield from (schedule.name for schedule in repository.schedule_defs)
    yield from (sensor.name for sensor in repository.sensor_defs)


@pytest.mark.parametrize("targets", EVERY)
def test_what_is_off_has_no_asset_check_or_job(
    targets: str, loaded: dict[str, dg.Definitions]
) -> None:
    """No name and no kind speaks of it; of the source, PostgreSQL is."""
    dg.Definitions.validate_loadable(loaded[targets])
    found = [text for text in texts(loaded[targets]) if not text.startswith("source/")]
    of = {
        "mongodb": ("mongodb", "dump", "staging", "new_version"),
        "postgres": ("postgres", "restored"),
    }
    for name in DATABASES:
        spoken = [text for text in found if any(word in text for word in of[name])]
        assert bool(spoken) == (name in targets), spoken
    drills = [text for text in found if "restore_drill" in text]
    assert bool(drills) == (targets != NONE)


@pytest.mark.parametrize("targets", EVERY)
def test_a_version_is_published_after_all_of_it(
    targets: str, loaded: dict[str, dg.Definitions]
) -> None:
    """The metadata depends on the last thing that is made of each database, or on the archive."""
    graph = loaded[targets].resolve_asset_graph()
    before = {key.to_user_string() for key in graph.get(dg.AssetKey("metadata")).parent_keys}
    archived = {"dump"} if "mongodb" in targets else {"transformed_archive"}
    assert before == archived | ({"postgres_database"} if "postgres" in targets else set())


def test_definitions_speak_of_no_other_trade(loaded: dict[str, dg.Definitions]) -> None:
    """No name, description, owner or tag of anything that Dagster shows."""
    said = list[str]()
    for spec in loaded[BOTH].resolve_all_asset_specs():
        said += [str(spec.key), str(spec.description), str(spec.owners), str(spec.tags)]
        said += [str(value) for value in spec.metadata.values()]
    graph = loaded[BOTH].resolve_asset_graph()
    for key in graph.asset_check_keys:
        said += [key.name, str(graph.get_check_spec(key).description)]
    repository = loaded[BOTH].get_repository_def()
    things: list[Any] = [*repository.get_all_jobs(), *repository.schedule_defs]
    for thing in (*things, *repository.sensor_defs):
        said += [thing.name, str(thing.description)]
    assert len(said) > 200
    assert [text for text in said if OTHER_TRADE.search(text)] == []


def test_help_speaks_of_no_other_trade() -> None:
    """Of any command but those of the demo; the page is what `--help` prints."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "commands.md").read_text("utf-8")
    sections = re.split(r"^### `mediatool ([^`]+)`$", page, flags=re.MULTILINE)[1:]
    commands = dict(zip(sections[::2], sections[1::2], strict=True))
    assert {"export", "model infer", "bucket plan"} | OF_THE_DEMO <= commands.keys()
    assert [n for n, text in commands.items() if OTHER_TRADE.search(text)] == [*OF_THE_DEMO]


def test_a_job_of_one_s_own_is_started_without_mongodb_too(tmp_path: Path) -> None:
    """Only the shipped one needs the database."""
    (tmp_path / "model.yaml").write_text(MODEL)
    targets = Targets.parse(NONE)
    own = Settings(model=tmp_path / "model.yaml", targets=targets, new_version_job="daily_export")
    names = [s.name for s in definitions(own).get_repository_def().sensor_defs]
    assert "new_version_sensor" in names


# Versions, on the servers


@dataclass(frozen=True)
class Made:
    """A version for each combination, all of one bucket, and how its run went."""

    versions: dict[str, Version]
    results: dict[str, dg.ExecuteInProcessResult]
    reports: dict[str, plan.Integrity]
    objects: S3Objects


@contextmanager
def only(targets: str) -> Iterator[None]:
    """The environment with these targets, and without the servers of the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDIATOOL_TARGETS", targets)
        for name in off(targets):
            patch.delenv(SERVERS[name])
        yield


def infer_model() -> str:
    """A model of the shop's tables, as `mediatool model infer` writes it."""
    with (
        PostgresSource.of(Settings.parse(os.environ)).snapshot() as snapshot,
        worker_pool(1) as executor,
        tempfile.TemporaryDirectory() as scratch,
    ):
        return infer(LiveTables(snapshot), Workspace(executor, Path(scratch))).model


@contextmanager
def shop_names() -> Iterator[None]:
    """The shop's schema, and databases that are called after it."""
    with environment(
        MEDIATOOL_POSTGRES_SCHEMA="shop",
        MEDIATOOL_MONGODB_PREFIX=NAMES.mongodb,
        MEDIATOOL_POSTGRES_PREFIX=NAMES.postgres,
    ):
        yield


@pytest.fixture(scope="module")
def made(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """S3 only first, then with each database, then with both."""
    home = tmp_path_factory.mktemp("home")
    with (
        source_of(stack, home, DDL, MODEL),
        shop_names(),
        environment(MEDIATOOL_MODEL=str(home / "inferred.yaml")),
    ):
        (home / "inferred.yaml").write_text(infer_model())
        objects = S3Objects.of(Settings.parse(os.environ))
        every = Made({}, {}, {}, objects)
        for targets in EVERY:
            with only(targets), dg.DagsterInstance.ephemeral() as instance:
                job = definitions(Settings.parse(os.environ)).resolve_job_def("daily_export")
                result = job.execute_in_process(partition_key=today(), instance=instance)
                run = instance.get_run_by_id(result.run_id)
            assert run is not None
            every.versions[targets] = Version.parse(run.tags["mediatool/version"])
            every.results[targets] = result
            report, _ = objects.get(report_key("data-integrity-report", today()))
            every.reports[targets] = plan.Integrity.from_json(report)
        yield every


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``mediatool`` with these words in this process."""

    def run(*words: str) -> Result:
        capsys.readouterr()
        code = main([*words])
        return Result(code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("targets", EVERY)
def test_every_check_of_the_run_passes(targets: str, made: Made) -> None:
    """And none is of what is off."""
    checks = made.results[targets].get_asset_check_evaluations()
    assert [c.description for c in checks if not c.passed] == []
    assert ("dumped" in {check.check_name for check in checks}) == ("mongodb" in targets)
    assert ("restored" in {check.check_name for check in checks}) == ("postgres" in targets)


@pytest.mark.parametrize("targets", EVERY)
def test_metadata_registry_and_bucket(targets: str, made: Made) -> None:
    """They name the databases that were made, and no other."""
    version, objects = made.versions[targets], made.objects
    whole = json.loads(objects.get(metadata_key(version))[0])
    assert {*whole["exports"]} == parts(targets) - {*DATABASES}
    named = {name: value for name, value in whole["databases_created"].items() if value}
    wanted = {"mongodb": NAMES.in_mongodb(version), "postgres": NAMES.in_postgres(version)}
    assert named == {name: wanted[name] for name in DATABASES if name in targets}
    assert (objects.head(archive_key("dump", version, NAMES)) is not None) == ("mongodb" in targets)
    assert not {"load", "dump"} & {*whole["seconds"]} or "mongodb" in targets
    registry = json.loads(objects.get("mongodb-versions.json")[0])
    [entry] = [entry for entry in registry if entry["version"] == str(version)]
    assert bool(entry["database_name"]) == ("mongodb" in targets)
    assert bool(entry["source_postgres_db"]) == ("postgres" in targets)


@pytest.mark.parametrize("targets", EVERY)
def test_the_integrity_report_compares_what_there_is(targets: str, made: Made) -> None:
    """Every value is compared, with the transformed archive if there is no live database."""
    report = made.reports[targets]
    assert (report.version, report.verdict) == (str(made.versions[targets]), "passed")
    assert {line.thing for line in report.lines if line.area == "stores"} == parts(targets)
    compared = {line.thing: line for line in report.lines if line.area == "values"}
    where = "MongoDB" if "mongodb" in targets else "the transformed archive"
    assert compared["orders"].checked == f"every value of orders in {where}, 4 columns"
    assert compared["orders"].figures["rows in documents"] == 2
    said = json.dumps([[line.thing, line.checked, line.how] for line in report.lines]).lower()
    for name in off(targets):
        assert {"mongodb": "mongo", "postgres": "restored"}[name] not in said
    assert "live" not in said or "mongodb" in targets


@pytest.mark.parametrize("targets", EVERY)
def test_verified_with_and_without_the_servers(targets: str, made: Made, command: Any) -> None:
    """The version's own parts are read, whichever servers are named; it needs no other."""
    version = str(made.versions[targets])
    with only(targets):
        alone = json.loads(command("verify", version, "--json").out)
    beside = json.loads(command("verify", version, "--json").out)
    for verdict in (alone, beside):
        assert verdict["verdict"] == "passed"
        assert {check["part"] for check in verdict["checks"]} == parts(targets)


@pytest.mark.parametrize("targets", EVERY)
def test_show_and_check_speak_of_what_is_on(targets: str, made: Made, command: Any) -> None:
    """No line of `show`, no reading of `check` and no setting that it demands is of the others."""
    with only(targets):
        shown = command("show", str(made.versions[targets]))
        checked = json.loads(command("check", "--json").out)
    facts = {line.split()[0] for line in shown.out.partition("\n\n")[0].splitlines()}
    assert facts & {"raw", "transformed", "dump", *DATABASES} == parts(targets)
    areas = {reading["area"] for reading in checked["readings"]}
    assert ("mongodb" in areas) == ("mongodb" in targets)
    assert ("restores" in areas) == ("postgres" in targets)
    wrong = [reading["says"] for reading in checked["readings"] if reading["verdict"] == "wrong"]
    assert not [says for says in wrong if "is not set" in says]


def test_versions_has_no_column_without_databases(
    stack: Stack, tmp_path: Path, made: Made, command: Any
) -> None:
    """With databases beside them, a version without one has an empty field."""
    assert "DATABASE" in command("versions").out.splitlines()[0]
    hidden = [str(v) for t, v in made.versions.items() if "mongodb" in t]
    listed = json.loads(command("versions", "--json").out)
    assert {e["version"] for e in listed if e["database_name"]} == {*hidden}
    first = str(made.versions[NONE])
    assert first < min(hidden)
    with source_of(stack, tmp_path, DDL, MODEL), shop_names():
        objects = S3Objects.of(Settings.parse(os.environ))
        key = metadata_key(made.versions[NONE])
        objects.put(key, made.objects.get(key)[0])
        assert command("versions", "--rebuild").out.splitlines()[0].split()[:2] == [
            "VERSION",
            "PURPOSE",
        ]


def test_no_object_of_the_bucket_speaks_of_another_trade(made: Made) -> None:
    """Neither metadata nor registry, and no report, page or chart."""
    found = dict[str, list[str]]()
    for info in made.objects.list(""):
        if info.key.endswith((".json", ".html")):
            text = made.objects.get(info.key)[0].decode()
            found[info.key] = [
                text[m.start() - 40 : m.end() + 40] for m in OTHER_TRADE.finditer(text)
            ]
        assert not OTHER_TRADE.search(info.key)
    assert len(found) > 10
    assert {key: texts for key, texts in found.items() if texts} == {}


def test_versions_are_compared_across(made: Made, command: Any) -> None:
    """Their raw archives are the same, whatever databases they have."""
    first, *others = (str(version) for version in made.versions.values())
    for other in others:
        output = Path(os.environ["MEDIATOOL_HOME"], f"{other}.json")
        words = ("--version1", first, "--version2", other, "--output", str(output))
        assert command("compare", *words, "--fail-on-difference").code == 0


def test_databases_can_be_made_later(made: Made, command: Any) -> None:
    """By hand from the archives of a version that was made without; then they are verified too."""
    version = str(made.versions[NONE])
    assert command("restore", version, "--to", "mongodb").code == 0
    assert command("restore", version, "--to", "postgres").code == 0
    verdict = json.loads(command("verify", version, "--json").out)
    assert verdict["verdict"] == "passed"
    assert {check["part"] for check in verdict["checks"]} == parts(BOTH) - {"dump"}
    promoted = command("promote", version)
    assert promoted.code == 0, promoted.err


def test_a_dump_that_was_not_made_is_no_damage(made: Made, tmp_path: Path) -> None:
    """It is not there, and the message says where the documents are."""
    with pytest.raises(NotFound, match="made without MongoDB; its transformed archive"):
        fetch(made.objects, made.versions[NONE], "dump", tmp_path)


def test_a_version_that_was_begun_with_mongodb_is_finished_with_it(made: Made) -> None:
    """Else its dump would belong to no version."""
    with pytest.raises(Refused, match="begun with MongoDB; finish it with mongodb in MEDIATOOL_T"):
        VersionArchives.of(made.objects, made.versions[MONGODB], Targets.parse(NONE))


def test_a_target_without_its_server_is_named_before_a_run(made: Made, command: Any) -> None:
    """`export` and `check` name the variable."""
    with only(NONE):
        os.environ["MEDIATOOL_TARGETS"] = BOTH
        exported, checked = command("export"), command("check", "--json")
    assert exported.code == 2
    wrong = {
        r["area"]: r["says"] for r in json.loads(checked.out)["readings"] if r["verdict"] == "wrong"
    }
    for area, name in (("mongodb", SERVERS["mongodb"]), ("restores", SERVERS["postgres"])):
        assert f"{name} is not set" in exported.err
        assert wrong[area] == f"{name} is not set"
