"""What each stage is measured against: the native tools, called as their users call them.

``pg_dump`` and ``pg_restore`` are those of the local server's package. MongoDB's own tools are in
no package registry: they are used if they are on the PATH, and left out otherwise. Files that we
upload to S3 are uploaded for the peer too: by ``aws s3 cp`` if it is installed, else by boto3.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import bson
import psycopg
import pymongo
from bson.raw_bson import RawBSONDocument

from mediatool_assets.archive import compress
from mediatool_assets.archive.writer import BLOCK_BYTES
from mediatool_assets.core.schema import Release
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.stores.postgres import parameters
from mediatool_assets.stores.postgres_ddl import best, clients

PREFIX = "peers"
"""Where peers' uploads go; emptied after each."""

IMPORT = "mongoimport, 4 workers"
RESTORE = "mongorestore, 4 workers"
DUMP = "mongodump --gzip --archive"
MONGODB_TOOLS = (IMPORT, RESTORE, DUMP)

_NO_JSON = re.compile(rb'"\$[^"]*"\s*:')
"""A key that mongoimport takes for Extended JSON, and ends at where it is none."""

_BATCH = 2000
_VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}


def absent() -> list[str]:
    """The tools of MongoDB that are not on the PATH."""
    return [tool for tool in MONGODB_TOOLS if not shutil.which(program(tool))]


def program(tool: str) -> str:
    """The program of a tool and its options: ``mongoimport``."""
    return tool.partition(",")[0].partition(" ")[0]


def importable(folder: Path, target: Path) -> int:
    """Copy the rows that mongoimport can read; returns how many it cannot."""
    target.mkdir()
    left_out = 0
    for path in sorted(folder.glob("*.ndjson")):
        with path.open("rb") as rows, (target / path.name).open("wb") as kept:
            for row in rows:
                if _NO_JSON.search(row):
                    left_out += 1
                else:
                    kept.write(row)
    return left_out


def mongorestore(url: str, folder: Path, database: str) -> int:
    """Restore a folder of BSON into a database."""
    given = ["--numInsertionWorkersPerCollection=4", f"--nsTo={database}.*", "--quiet"]
    _mongodb_tool("mongorestore", url, *given, f"--nsFrom={folder.name}.*", str(folder.parent))
    return 0


def mongoimport(url: str, folder: Path, database: str) -> int:
    """Import the rows of ``importable``, a file a table: nothing is joined or typed."""
    for path in sorted(folder.glob("*.ndjson")):
        given = [f"--db={database}", f"--collection={path.stem}", "--numInsertionWorkers=4"]
        _mongodb_tool("mongoimport", url, *given, "--quiet", f"--file={path}")
    return 0


def mongodump(url: str, database: str, target: Path) -> int:
    """Dump a database into one compressed file."""
    given = [f"--db={database}", "--gzip", f"--archive={target}", "--quiet"]
    _mongodb_tool("mongodump", url, *given)
    return 0


def _mongodb_tool(name: str, url: str, *options: str) -> None:
    subprocess.run([name, f"--uri={url}", *options], check=True)


def pg_dump(settings: Settings, target: Path, *options: str) -> int:
    """Dump the schema into ``target``; its bytes on disk."""
    url = _set(settings.postgres_url)
    command = [str(_program(url, "pg_dump")), *options, "-n", settings.postgres_schema]
    subprocess.run(
        [*command, "-f", str(target), parameters(url)["dbname"]], check=True, env=_environment(url)
    )
    files = target.iterdir() if target.is_dir() else [target]
    return sum(file.stat().st_size for file in files)


def pg_dump_up(settings: Settings, target: Path, *options: str) -> int:
    """Dump the schema into ``target``, and upload that; its bytes on disk."""
    size = pg_dump(settings, target, *options)
    upload(settings, target)
    return size


def pg_restore(settings: Settings, dump: Path, database: str) -> int:
    """Restore a directory dump into a new database, and drop it again; nothing is read back.

    Owners are left out, as ours leaves them: the role of the restore cannot give objects away.
    """
    url = _set(settings.restore_postgres_url)
    program = str(_program(url, "pg_restore"))
    command = [program, "--no-owner", "-j", str(settings.workers), "-d", database, str(dump)]
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
        try:
            subprocess.run(command, check=True, env=_environment(url))
        finally:
            connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())
    return 0


def upload(settings: Settings, path: Path) -> None:
    """Put a file or folder into the bucket, and remove it again."""
    target = f"s3://{settings.s3_bucket}/{PREFIX}/{path.name}"
    if aws := shutil.which("aws"):
        command = [aws, "s3", "cp", "--only-show-errors", str(path), target]
        if settings.s3_endpoint_url:
            command += ["--endpoint-url", settings.s3_endpoint_url]
        subprocess.run(command + ["--recursive"] * path.is_dir(), check=True)
        return
    client = boto3.client("s3", endpoint_url=settings.s3_endpoint_url)
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        client.upload_file(str(file), settings.s3_bucket, f"{PREFIX}/{path.name}/{file.name}")
    client.close()


def emptied(settings: Settings) -> None:
    """Remove what peers uploaded."""
    bucket = boto3.resource("s3", endpoint_url=settings.s3_endpoint_url).Bucket(settings.s3_bucket)
    bucket.object_versions.filter(Prefix=f"{PREFIX}/").delete()


def insert_many(url: str, database: str, paths: Iterable[Path]) -> int:
    """Files of BSON into a database, batch by batch in one loop, as scripts do; documents."""
    with pymongo.MongoClient[RawBSONDocument](url, document_class=RawBSONDocument) as client:
        return sum(_inserted(client[database][path.stem], path) for path in paths)


def _inserted(collection: Any, path: Path) -> int:
    count = 0
    for batch in _batches(path):
        collection.insert_many(batch, ordered=False)
        count += len(batch)
    return count


def _batches(path: Path) -> Iterator[list[RawBSONDocument]]:
    batch: list[RawBSONDocument] = []
    with path.open("rb") as file:
        while head := file.read(4):
            rest = file.read(int.from_bytes(head, "little") - 4)
            batch.append(RawBSONDocument(head + rest))
            if len(batch) == _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def insert_documents(url: str, database: str, folder: Path) -> int:
    """Files of NDJSON into a database as most scripts do: json.loads, insert_many; documents."""
    import json  # noqa: PLC0415  # what most scripts use, and nothing else here

    count = 0
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        for path in sorted(folder.glob("*.ndjson")):
            batch: list[dict[str, Any]] = []
            with path.open() as file:
                for line in file:
                    batch.append(json.loads(line, parse_int=_fitting))
                    if len(batch) == _BATCH:
                        count += len(client[database][path.stem].insert_many(batch).inserted_ids)
                        batch = []
            if batch:
                count += len(client[database][path.stem].insert_many(batch).inserted_ids)
    return count


def _fitting(digits: str) -> int | float:
    """What BSON can hold: without this such a script ends at the first large number."""
    return int(digits) if len(digits) < 19 else float(digits)


def find_loop(url: str, database: str, target: Path) -> int:
    """Every document of a database into gzip'd BSON, in one loop, as scripts do; documents."""
    import gzip  # noqa: PLC0415  # what most scripts use, and nothing else here

    count = 0
    target.mkdir()
    with pymongo.MongoClient[dict[str, Any]](url) as client:
        for name in client[database].list_collection_names():
            with gzip.open(target / f"{name}.bson.gz", "wb") as file:
                for document in client[database][name].find():
                    file.write(bson.encode(document))
                    count += 1
    return count


def packed(tool: str, path: Path) -> int:
    """A file through a program that packs it, to nowhere; its bytes."""
    subprocess.run([*tool.split(), "-c", "-k", path], check=True, stdout=subprocess.DEVNULL)
    return path.stat().st_size


def packed_in_blocks(path: Path) -> int:
    """A file in blocks as the archive has them, one after the other; its bytes."""
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            compress(block)
        return file.tell()


def dropped(url: str, *databases: str) -> None:
    """Remove databases of MongoDB."""
    with pymongo.MongoClient[dict[str, Any]](url) as client, ThreadPoolExecutor() as pool:
        list(pool.map(client.drop_database, databases))


def _set(url: Url | None) -> Url:
    assert url is not None, "the benchmark's servers are up"
    return url


def _program(url: Url, name: str) -> Path:
    with psycopg.connect(url.reveal()) as connection:
        release = Release.of(connection.info.server_version)
    return best(release, clients()).path.with_name(name)


def _environment(url: Url) -> dict[str, str]:
    given = parameters(url)
    return os.environ | {
        variable: given[name] for name, variable in _VARIABLES.items() if name in given
    }
