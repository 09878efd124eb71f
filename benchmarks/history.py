"""Measures the cost of history: readers and the daily run with years of versions.

    .venv/bin/python benchmarks/history.py --days 1000 --a-day 3

It makes one version, copies its metadata file to the names of all the others, and makes the
registry again. The other versions have no archives: the measured code must not read any.
"""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import msgspec

from mediatool_assets.core.metadata import Metadata
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Version, metadata_key
from mediatool_assets.demo.seeding import seed
from mediatool_assets.export.flow import export
from mediatool_assets.load.flow import dump, load
from mediatool_assets.stores.local_stack import Stack, down, up
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Stores
from mediatool_assets.stores.postgres_source import PostgresSource
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.user_files import signing_key
from mediatool_assets.transform.flow import transform
from mediatool_assets.verify.publish import RunFacts, complete
from mediatool_assets.versions import catalog
from mediatool_assets.versions.records import register
from mediatool_assets.work import worker_pool
from mediatool_assets.work.scratch import Workspace

CHECKED = 30
"""The number of versions that a report reads."""


def main() -> None:
    """Start the servers, make history, measure, and remove everything."""
    parser = argparse.ArgumentParser(description="readers and the daily path after years")
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--a-day", type=int, default=3, help="versions")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="mediatool-history-"))
    try:
        print(json.dumps(run(up(home), arguments.days, arguments.a_day), indent=2))
    finally:
        down(home)
        shutil.rmtree(home)


def run(stack: Stack, days: int, a_day: int) -> dict[str, float]:
    """Seconds by what was done."""
    os.environ.update(stack.environment)
    settings = Settings.parse(stack.environment)
    objects, now = S3Objects.of(settings), datetime.now(UTC).replace(microsecond=0)
    metadata = small_version(settings, objects, Version(now))

    def keep(number: int) -> None:
        day, of_day = divmod(number, a_day)
        version = Version(now - timedelta(days=day + 1, hours=of_day))
        copy = msgspec.structs.replace(metadata, timestamp=str(version))
        objects.put(metadata_key(version), copy.to_json())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(keep, range(days * a_day)))
    newest = Version(now)
    added = Version(now + timedelta(seconds=1))
    return {
        "versions": days * a_day + 1,
        "registry made anew": _seconds(lambda: register(objects, anew=True)),
        "registry read (versions)": _seconds(lambda: catalog.registry(objects)),
        "newest (latest)": _seconds(lambda: catalog.latest(objects)),
        f"the {CHECKED} before (checks, reports)": _seconds(
            lambda: catalog.versions_before(objects, newest, CHECKED)
        ),
        "metadata listed": _seconds(lambda: list(catalog.versions(objects))),
        "one more version registered": _seconds(lambda: _one_more(objects, metadata, added)),
    }


def _one_more(objects: S3Objects, metadata: Metadata, version: Version) -> None:
    copy = msgspec.structs.replace(metadata, timestamp=str(version))
    objects.put(metadata_key(version), copy.to_json())
    register(objects)


def _seconds(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return round(perf_counter() - start, 3)


def small_version(settings: Settings, objects: S3Objects, version: Version) -> Metadata:
    """A small version, whole; signed if the settings have a key."""
    assert settings.postgres_url is not None, "the benchmark's servers are up"
    seed(settings.postgres_url, scale=0.002, full=False, day=0)
    documents, model = MongoDocuments.of(settings), load_model(settings.model)
    with (
        tempfile.TemporaryDirectory(prefix="mediatool-history-") as folder,
        worker_pool(2) as workers,
    ):
        workspace = Workspace(workers, Path(folder))
        export(PostgresSource.of(settings), objects, workspace, version)
        transform(objects, workspace, version, model)
        load(objects, documents, workspace, version)
        dump(objects, documents, workspace, version)
        facts = RunFacts("postgres", None, "testing", "history", {})
        key = signing_key(settings)
        return complete(Stores(objects, documents), workspace, version, facts, key)


if __name__ == "__main__":
    main()
