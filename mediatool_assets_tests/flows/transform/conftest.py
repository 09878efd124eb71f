"""Runs of the transform: rows of a few tables, published, and what a model makes of them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from bson.binary import Binary

from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.schema import Table
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import StoredArchive
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.both_codecs import transform_by_both
from mediatool_assets_tests.raw_archives import VERSION, raw_archive, table
from mediatool_assets_tests.raw_archives import documents as documents_of
from mediatool_assets_tests.twins import DirectoryObjects

Rows = Sequence[Mapping[str, Any] | bytes]

USERS = table("users", id="uuid", zoho_id="text", name="text")
CAMPAIGNS = table("campaigns", id="text", number="text", owner="text")
STRATEGIES = table("strategies", id="integer", campaign_id="text", name="text")
LINES = table("line_items", id="integer", strategy_id="integer", trader_ids="uuid[]")
PLANS = table("plans", id="integer", line_id="integer", buy_id="integer", rank="numeric")
BUYS = table("buys", id="integer", name="text", numbers="text[]")
TEAMS = table("teams", id="integer", name="text")
REPS = table("reps_x_teams", ("rep_id", "team_id"), rep_id="integer", team_id="integer")
DAILY = table("daily", ("buy_id", "day"), buy_id="integer", day="date", clicks="bigint")


def uuid(number: int) -> str:
    """A small uuid."""
    return f"00000000-0000-0000-0000-{number:012}"


def binary(number: int) -> Binary:
    """The same as BSON has it."""
    return Binary(number_bytes(number), 4)


def number_bytes(number: int) -> bytes:
    """The bytes of that uuid."""
    return bytes.fromhex(uuid(number).replace("-", ""))


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    """A bucket in a directory: these tests are about documents, not about S3."""
    return DirectoryObjects(tmp_path / "bucket")


class Run:
    """One transform of a few rows by a model."""

    def __init__(self, objects: DirectoryObjects, directory: Path) -> None:
        self.objects, self.directory = objects, directory

    def __call__(self, model: str, tables: Mapping[Table, Rows], **options: Any) -> StoredArchive:
        """Publish the rows, transform them, and return the archive."""
        counted = options.pop("counted", None)
        raw_archive(self.objects, tables, excluded=options.pop("excluded", ()), counted=counted)
        return self.again(model, **options)

    def again(self, model: str, pool: Workspace | None = None, **options: Any) -> StoredArchive:
        """Transform what was published, by both codecs."""
        path = self.directory / "model.yaml"
        path.write_text(model, "utf-8")
        scratch = self.directory / "scratch"
        scratch.mkdir(exist_ok=True)
        with ThreadPoolExecutor(2) as threads:
            workspace = pool or Workspace(threads, scratch)
            loaded = load_model(path)
            return transform_by_both(self.objects, workspace, VERSION, loaded, **options)

    def documents(self, collection: str) -> list[dict[str, Any]]:
        """The documents of a collection."""
        return documents_of(self.objects, collection)

    def metadata(self, collection: str) -> dict[str, Any]:
        """The collection's options and indexes."""
        reader = catalog.reader(self.objects, "transformed", VERSION)
        name = f"mediatool_{VERSION}/{collection}.metadata.json"
        content: dict[str, Any] = json_util.loads(reader.read_file(name))
        return content


@pytest.fixture
def run(objects: DirectoryObjects, tmp_path: Path) -> Run:
    """Publishes rows and transforms them."""
    return Run(objects, tmp_path)


def facts(archived: StoredArchive, name: str) -> Any:
    """One of the facts of a manifest."""
    return archived.manifest.facts[name]


def went(archived: StoredArchive, name: str) -> dict[str, int]:
    """Where the rows of a table went; homes without any are left out."""
    rows: dict[str, int] = facts(archived, "rows")[name]
    return {home: count for home, count in rows.items() if count and home != "in"}


PEOPLE: Rows = [{"id": uuid(1), "zoho_id": "z1", "name": "Ann"}]
