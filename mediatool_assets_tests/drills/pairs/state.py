"""What the servers and the home have, by plain clients, and how a pair's changes are undone."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg
from bson.raw_bson import RawBSONDocument
from psycopg import sql
from pymongo import MongoClient

MARKER = "_mediatool_version"
REGISTRY = "mongodb-versions.json"
_OURS = ("mediatool_", "media_tool_2")


@dataclass(frozen=True)
class Object:
    """An object of the bucket: its bytes and its tags."""

    data: bytes
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Collection:
    """A collection of a database: its options, indexes and documents."""

    options: dict[str, Any]
    indexes: tuple[dict[str, Any], ...]
    documents: tuple[bytes, ...]


Database = Mapping[str, Collection]
Versions = frozenset[str] | None
"""Versions whose databases belong to the drill; None if all of the servers do."""


@dataclass(frozen=True)
class Restored:
    """A database of PostgreSQL: its marker, and the rows of each table as JSON, in order."""

    marker: Any
    rows: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class World:
    """Everything at one moment."""

    objects: Mapping[str, Object]
    uploads: tuple[str, ...]
    documents: Mapping[str, Database]
    restored: Mapping[str, Restored]
    local: bytes


@dataclass
class Clients:
    """Plain clients of the servers of an environment."""

    environment: Mapping[str, str]
    cache: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Connect."""
        own = self.environment
        self.bucket = own["MEDIATOOL_S3_BUCKET"]
        self.s3: Any = boto3.session.Session(
            own["AWS_ACCESS_KEY_ID"],
            own["AWS_SECRET_ACCESS_KEY"],
            region_name=own["AWS_DEFAULT_REGION"],
        ).client("s3", endpoint_url=own["MEDIATOOL_S3_ENDPOINT_URL"])
        self.mongo = MongoClient[RawBSONDocument](
            own["MEDIATOOL_MONGODB_URL"], document_class=RawBSONDocument
        )
        self.postgres = own["MEDIATOOL_POSTGRES_URL"]
        self.local = Path(own["MEDIATOOL_HOME"], REGISTRY)

    def close(self) -> None:
        """End the connections."""
        self.mongo.close()
        self.s3.close()

    def world(self, versions: Versions) -> World:
        """What there is now, of the databases only those of these versions."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        listed = [each for page in pages for each in page.get("Contents", [])]
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return World(
            {each["Key"]: self._object(each["Key"], each["ETag"]) for each in listed},
            tuple(upload["Key"] for upload in uploads),
            dict(self._documents(versions)),
            dict(self._restored(versions)),
            self.local.read_bytes() if self.local.exists() else b"",
        )

    def _object(self, key: str, etag: str) -> Object:
        if (key, etag) not in self.cache:
            body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
            self.cache[key, etag] = body.read()
        found = self.s3.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"]
        tags = tuple(sorted((tag["Key"], tag["Value"]) for tag in found))
        return Object(self.cache[key, etag], tags)

    def _documents(self, versions: Versions) -> Iterator[tuple[str, Database]]:
        for name in sorted(self.mongo.list_database_names()):
            if _is_ours(name, versions):
                database = self.mongo[name]
                yield (
                    name,
                    {
                        each["name"]: Collection(
                            dict(each.get("options", {})),
                            tuple(map(dict, database[each["name"]].list_indexes())),
                            tuple(bytes(d.raw) for d in database[each["name"]].find().sort("_id")),
                        )
                        for each in database.list_collections()
                    },
                )

    def _restored(self, versions: Versions) -> Iterator[tuple[str, Restored]]:
        query = "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY 1"
        with psycopg.connect(_to(self.postgres, "postgres")) as connection:
            found = connection.execute(query).fetchall()
        for name, comment in found:
            if _is_ours(name, versions):
                yield name, Restored(json.loads(comment or "null"), self._rows(name))

    def _rows(self, database: str) -> dict[str, tuple[str, ...]]:
        with psycopg.connect(_to(self.postgres, database)) as connection:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = 'media_tool'"
            tables = [name for (name,) in connection.execute(query)]
            return {name: tuple(rows_of(connection, name)) for name in tables}

    def undo(self, now: World, golden: World) -> list[str]:
        """Make everything but PostgreSQL as it was; returns the databases to be restored there."""
        for key in now.objects.keys() - golden.objects.keys():
            self.s3.delete_object(Bucket=self.bucket, Key=key)
        for key, wanted in golden.objects.items():
            if now.objects.get(key) != wanted:
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=wanted.data)
                tags = [{"Key": name, "Value": value} for name, value in wanted.tags]
                self.s3.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": tags})
        for name in now.documents.keys() | golden.documents.keys():
            if now.documents.get(name) != golden.documents.get(name):
                self.mongo.drop_database(name)
                self._fill(name, golden.documents.get(name, {}))
        self.local.write_bytes(golden.local)
        extra = [name for name in now.restored if name not in golden.restored]
        with psycopg.connect(_to(self.postgres, "postgres"), autocommit=True) as connection:
            for name in extra:
                query = sql.SQL("DROP DATABASE {} WITH (FORCE)")
                connection.execute(query.format(sql.Identifier(name)))
        return [name for name in golden.restored if name not in now.restored]

    def _fill(self, name: str, database: Database) -> None:
        for collection, wanted in database.items():
            self.mongo[name].command({"create": collection, **wanted.options})
            if wanted.documents:
                self.mongo[name][collection].insert_many(map(RawBSONDocument, wanted.documents))
            indexes = [index for index in wanted.indexes if index["name"] != "_id_"]
            if indexes:
                self.mongo[name].command({"createIndexes": collection, "indexes": indexes})


def rows_of(connection: "psycopg.Connection[Any]", table: str) -> list[str]:
    """The rows of a table of the source's schema, as text in order."""
    query = sql.SQL("SELECT t::text FROM media_tool.{} t ORDER BY 1").format(sql.Identifier(table))
    return [row for (row,) in connection.execute(query)]


def _is_ours(name: str, versions: Versions) -> bool:
    """Whether a database belongs to the drill: other tests may use the server too."""
    if name.startswith(("scratch", "people")):
        return True
    return name.startswith(_OURS) and (
        versions is None or any(version in name for version in versions)
    )


def _to(url: str, database: str) -> str:
    head, _, tail = url.rpartition("/")
    mark = tail.find("?")
    return f"{head}/{database}{tail[mark:] if mark >= 0 else ''}"
