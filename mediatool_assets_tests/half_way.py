"""What it takes to stop an export half way: rows for some seconds of upload, and a look at it."""

import os
import time
from collections.abc import Callable

import psycopg
from psycopg import sql

from mediatool_assets.stores.s3 import S3Objects

_PATIENCE_SECONDS = 120
_ROWS, _NOISE = 24_000, 1024
"""24 MB of bytes that compress no further: three parts, of which the first begins the upload."""


def add_ballast(url: str, schema: str = "media_tool") -> None:
    """Add a table that an export uploads in parts, other than the few rows of a test."""
    table = sql.Identifier(schema, "ballast")
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(sql.SQL("CREATE TABLE {} (id int, noise text)").format(table))
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copy:
            for number in range(_ROWS):
                copy.write(f"{number}\t{os.urandom(_NOISE).hex()}\n")


def drop_ballast(url: str, schema: str = "media_tool") -> None:
    """Take it away again, once no session of the stopped export reads it."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("DROP TABLE {}.ballast").format(sql.Identifier(schema)))


def uploads(objects: S3Objects) -> list[str]:
    """The keys of the uploads that have begun and not ended."""
    found = objects.client.list_multipart_uploads(Bucket=objects.bucket)
    return [upload["Key"] for upload in found.get("Uploads", [])]


def wait_for_upload(objects: S3Objects, alive: Callable[[], bool]) -> str:
    """The key of the first upload that is under way; its maker has to be alive until then."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert alive(), "the export ended before it was stopped"
        if keys := uploads(objects):
            return keys[0]
        time.sleep(0.02)
    raise AssertionError(f"no upload began within {_PATIENCE_SECONDS} s")
