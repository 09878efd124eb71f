"""What it takes to stop an export half way: rows for some seconds of upload, and a look at it."""

import time
from collections.abc import Callable

import psycopg
from psycopg import sql

from mediatool_assets.stores.s3 import S3Objects

_PATIENCE_SECONDS = 120
_BALLAST = """
CREATE TABLE {}.ballast AS
    SELECT n AS id, string_agg(md5(n::text || m), '') AS noise
    FROM generate_series(1, 24000) n, generate_series(1, 64) m GROUP BY n
"""  # 24 MB after compression: three parts, of which the first makes the upload begin


def add_ballast(url: str, schema: str = "media_tool") -> None:
    """Add a table that an export uploads in parts, other than the few rows of a test."""
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL(_BALLAST).format(sql.Identifier(schema)))


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
