"""Measures commands when the bucket has hundreds of versions.

    .venv/bin/python benchmarks/versions.py --versions 400

Makes signed versions, one for each day; only the newest has all of its archives. Then it measures
each command in a separate process: seconds, processor seconds, requests to S3, bytes read, peak
memory. A second run with a quarter of the versions shows what grows with their number. Writes
``benchmarks/results/versions-N.json``.

A home that is given with ``--home`` is kept, with the versions in it, and measured again as it is.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psutil
from history import small_version
from queries import COMMAND, RESULTS, Commands, Step, home_of

from mediatool_assets.core.authenticity import (
    Checkpoint,
    content_digest,
    encode_statement,
    entry_key,
    of_version,
)
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.version import Kind, Version, archive_key, metadata_key
from mediatool_assets.stores.local_stack import Stack, up
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.user_files import signing_key
from mediatool_assets.versions import catalog
from mediatool_assets.versions import flow as chain
from mediatool_assets.versions.records import register

KINDS: tuple[Kind, ...] = ("raw", "transformed", "dump")


@dataclass(frozen=True)
class Counted(Step):
    """A step, and the requests to S3 of its process; those of workers are not counted."""

    requests: int = 0


@dataclass(frozen=True)
class Counting(Commands):
    """Runs commands of a home, and counts their requests too."""

    def count(self, step: str, *arguments: str) -> Counted:
        """A command of ``mediatool``; exit codes above 1 end the benchmark."""
        counted = self.folder / "counted"
        found = self.run(step, sys.executable, str(COMMAND), str(counted), *arguments)
        read, kib, requests = map(int, counted.read_text().split())
        measured = replace(found, s3_mb=round(read / 1e6, 1), peak_mib=round(kib / 1024))
        return Counted(**asdict(measured), requests=requests)


def main() -> None:
    """Start the servers, make the versions, measure, and remove everything."""
    parser = argparse.ArgumentParser(description="commands with hundreds of versions")
    parser.add_argument("--versions", type=int, default=400)
    parser.add_argument("--home", type=Path, help="kept, with the versions that it has")
    arguments = parser.parse_args()
    with home_of(arguments.home) as home:
        found = run(up(home, new_keys=True), arguments.versions)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"versions-{arguments.versions}.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


def run(stack: Stack, versions: int) -> dict[str, object]:
    """What each command takes with a quarter of the versions, and with all of them."""
    environment = {**os.environ, **stack.environment, "MEDIATOOL_WORKERS": "2"}
    os.environ.update(environment)
    settings = Settings.parse(environment)
    rounds = {}
    with tempfile.TemporaryDirectory(prefix="mediatool-versions-") as folder:
        for number in (versions // 4, versions):
            make(settings, number)
            commands = Counting(environment, Path(folder))
            rounds[str(number)] = [asdict(each) for each in measured(commands, number // 2)]
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "load_average_at_the_end": round(psutil.getloadavg()[0], 1),
        "versions": rounds,
    }


def make(settings: Settings, number: int) -> None:
    """Make versions until there are so many, each a day older than the one before it.

    The newest one is whole. The others have its archives' bytes under their own names, metadata of
    their own, and an entry of the chain: none of what is measured reads their archives' content.
    """
    objects, key = S3Objects.of(settings, is_maker=True), signing_key(settings)
    assert key is not None, "a new home has keys"
    there = sorted(catalog.versions(objects))
    newest = there[-1] if there else Version(datetime.now(UTC).replace(microsecond=0))
    whole = catalog.read(objects, newest) if there else small_version(settings, objects, newest)
    bytes_of = {kind: objects.open(archive_key(kind, newest)) for kind in KINDS}
    contents = {kind: source.read(0, source.size) for kind, source in bytes_of.items()}
    end = chain.newest(objects)
    for day in range(len(there) or 1, number):
        version = Version(newest.moment - timedelta(days=day))
        for kind in KINDS:
            with objects.create(archive_key(kind, version)) as sink:
                sink.write(contents[kind])
        own = msgspec.structs.replace(
            whole, timestamp=str(version), export_date=version.partition, purpose="daily_backup"
        )
        content = content_digest(own.to_json())
        statement = of_version(own, content, end.number + 1, end.digest)
        signed = key.sign(encode_statement(statement))
        entry = signed.to_json()
        objects.put(entry_key(statement.number), entry)
        end = Checkpoint.of(statement.number, entry)
        objects.put(metadata_key(version), msgspec.structs.replace(own, proof=signed).to_json())
    register(objects)


def measured(commands: Counting, back: int) -> Iterator[Counted]:
    """Every command, in order; one version so many before the latest is shown too."""
    for words in (
        ("latest",),
        ("versions", "--limit", "1000"),
        ("versions", "--rebuild", "--limit", "1"),
        ("show", "latest"),
        ("show", f"latest~{back}"),
        ("prune", "--dry-run"),
        ("annotate", "latest", "--notes", "measured"),
        ("keep", "latest~1"),
        ("verify", "latest"),
        ("keys", "chain"),
        ("keys", "checkpoint"),
        ("costs",),
        ("metrics", "--once"),
        ("report", "--site", str(commands.folder / "site")),
    ):  # fmt: skip
        yield commands.count(" ".join(w for w in words if "/" not in w), *words)


if __name__ == "__main__":
    main()
