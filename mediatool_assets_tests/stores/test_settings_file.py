"""mediatool.toml: every setting can stand there, and no secret does."""

import tomllib
from pathlib import Path

import pytest

from mediatool_assets.core.settings import DECLARED
from mediatool_assets.core.signing import SigningKey
from mediatool_assets.stores.user_files import Reference, SettingsFile

FOLDER = Path("/etc/shop")


def _read(text: str) -> SettingsFile:
    return SettingsFile.of(FOLDER / "mediatool.toml", tomllib.loads(text))


def test_values_are_as_their_variables_would_have_them() -> None:
    """Numbers, switches, dates, lists and tables; paths are relative to the file."""
    found = _read(
        """
        workers = 3
        verify_sample = 2.5
        prune_daily = true
        first_day = 2026-11-01
        exclude_tables = ["a", "b"]
        restore_skip = ["VIEW a", "FUNCTION f(integer, text)"]
        model = "shop.yaml"
        signing_key = "signing.key"
        home = "/var/lib/mediatool"
        postgres_url = "postgresql://reader@db/shop?sslmode=require"
        [s3]
        bucket = "shop"
        [aws]
        access_key_id = "k"
        [dagster]
        home = "dagster"
        """
    )
    assert found.problems == []
    assert found.values == {
        "MEDIATOOL_WORKERS": "3",
        "MEDIATOOL_VERIFY_SAMPLE": "2.5",
        "MEDIATOOL_PRUNE_DAILY": "yes",
        "MEDIATOOL_FIRST_DAY": "2026-11-01",
        "MEDIATOOL_EXCLUDE_TABLES": "a,b",
        "MEDIATOOL_RESTORE_SKIP": "VIEW a;FUNCTION f(integer, text)",
        "MEDIATOOL_MODEL": "/etc/shop/shop.yaml",
        "MEDIATOOL_SIGNING_KEY": "/etc/shop/signing.key",
        "MEDIATOOL_HOME": "/var/lib/mediatool",
        "MEDIATOOL_POSTGRES_URL": "postgresql://reader@db/shop?sslmode=require",
        "MEDIATOOL_S3_BUCKET": "shop",
        "AWS_ACCESS_KEY_ID": "k",
        "DAGSTER_HOME": "/etc/shop/dagster",
    }


@pytest.mark.parametrize("name", sorted(set(DECLARED) - {"config", "source"}))
def test_every_setting_may_be_a_reference(name: str) -> None:
    """Whatever it is, a variable, a file or a secret of AWS may hold it."""
    found = _read(f'{name} = {{ file = "secret" }}')
    assert found.problems == []
    assert list(found.values.values()) == [Reference("file", "/etc/shop/secret")]


@pytest.mark.parametrize(
    "line",
    [
        'postgres_url = "postgresql://me:hidden@db/shop"',
        'restore_postgres_url = "postgresql://db/shop?password=hidden"',
        'mongodb_url = "mongodb://me:hidden@db"',
        f'signing_key = "{SigningKey(bytes(range(32))).reveal()}"',
        'masking_key = "' + bytes(range(32)).hex() + '"',
        'alert_webhook_url = "https://hooks.example.com/hidden"',
        'aws_secret_access_key = "hidden"',
        'aws_session_token = "hidden"',
        'dagster_pg_password = "hidden"',
    ],
)
def test_a_secret_in_plain_text_is_refused(line: str) -> None:
    """The message names the setting and what to write, and does not show the secret."""
    found = _read(line)
    [problem] = found.problems
    name = line.partition(" ")[0]
    assert f"{name} holds a secret in plain text; write {name} = {{ env" in problem
    assert "hidden" not in problem
    assert bytes(range(32)).hex() not in problem
    assert found.values == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("s3_bukket = 1", "s3_bukket is not a setting; did you mean s3_bucket?"),
        ("[s3]\nbukket = 1", "s3_bukket is not a setting; did you mean s3_bucket?"),
        ('config = "x"', "config is not a setting"),
        ("qqq = 1", "qqq is not a setting; `mediatool settings` lists them"),
        ('s3_bucket = "a"\n[s3]\nbucket = "b"', "s3_bucket is set twice"),
        ("workers = 0", "workers is not a whole number of workers"),
        ("schedule_hour = 24", "schedule_hour is not an hour from 0 to 23"),
        ('schedule_time_zone = "Mars/Base"', "schedule_time_zone is not a time zone"),
        ("mongodb_url = { env = 1 }", "mongodb_url is not a reference to a secret"),
        ('mongodb_url = { env = "A", file = "B" }', "mongodb_url is not a reference to a secret"),
        ('mongodb_url = { env = "A", key = "B" }', "mongodb_url is not a reference to a secret"),
        ("mongodb_url = {}", "mongodb_url is not a reference to a secret"),
        ("exclude_tables = [{}]", "exclude_tables must be a text or a number"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(text: str, says: str) -> None:
    """One problem, one line."""
    [problem] = _read(text).problems
    assert problem.startswith(f"/etc/shop/mediatool.toml: {says}")


SECTIONS = """
s3.bucket = "b"
[sources.shop]
mongodb_url = { env = "SHOP" }
model = "shop.yaml"
[sources.library.s3]
prefix = "/"
[sources.museum]
s3_bucket = "another"
"""


def test_sections_are_sources_with_names_of_their_own() -> None:
    """Nested tables and references are those of the file; the bucket's prefixes are known."""
    found = _read(SECTIONS)
    assert found.problems == []
    assert found.values == {"MEDIATOOL_S3_BUCKET": "b"}
    assert found.of_source("shop") == {
        "MEDIATOOL_MONGODB_URL": Reference("env", "SHOP"),
        "MEDIATOOL_MODEL": "/etc/shop/shop.yaml",
        "MEDIATOOL_S3_PREFIX": "shop/",
        "MEDIATOOL_S3_PREFIXES": "/,shop/",
        "MEDIATOOL_MONGODB_PREFIX": "mediatool_shop_",
        "MEDIATOOL_POSTGRES_PREFIX": "media_tool_shop_",
        "MEDIATOOL_STAGING_DATABASE": "mediatool_shop_staging",
    }
    assert found.of_source("library")["MEDIATOOL_S3_PREFIXES"] == "/,shop/"
    assert found.of_source("museum")["MEDIATOOL_S3_PREFIXES"] == "museum/"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[sources]\nShop.workers = 1", "[sources.Shop] is not a table whose name has"),
        ("[sources]\nshop = 1", "[sources.shop] is not a table whose name has"),
        ("sources = 1", "sources is a table of sections; write [sources.NAME]"),
        ("[sources.a]\nworkerz = 1", "[sources.a] workerz is not a setting; did you mean workers?"),
        ("[sources.a]\nworkers = 0", "[sources.a] workers is not a whole number"),
        ('[sources.a]\nhome = "h"', "[sources.a] home is the same for all sources"),
        ('[sources.a.aws]\nprofile = "p"', "[sources.a] aws_profile is the same for all sources"),
        (
            '[sources.a]\nmongodb_prefix = { env = "X" }',
            "[sources.a] mongodb_prefix has to be a text",
        ),
        ('s3_prefix = "x/"\n[sources.a]', "s3_prefix is another for each source; set it in"),
        (
            '[sources.a]\ns3_prefix = "b/c/"\n[sources.b]',
            "[sources.a] and [sources.b] have the s3_prefix 'b/c/' and 'b/'",
        ),
        (
            '[sources.a]\ns3_prefix = "/"\n[sources.b]\ns3_prefix = "/"',
            "[sources.a] and [sources.b] have the s3_prefix '/' and '/'",
        ),
        (
            '[sources.a]\nmongodb_prefix = "x_"\n[sources.b]\nmongodb_prefix = "x_sanitized_"',
            "[sources.a] and [sources.b] have the mongodb_prefix 'x_' and 'x_sanitized_'",
        ),
        (
            '[sources.a]\npostgres_prefix = "x_"\n[sources.b]\npostgres_prefix = "x_"',
            "[sources.a] and [sources.b] have the postgres_prefix 'x_' and 'x_'",
        ),
    ],
)
def test_sources_that_could_meet_are_refused(text: str, says: str) -> None:
    """One problem, one line, which names the sections."""
    [problem] = _read(text).problems
    assert problem.startswith(f"/etc/shop/mediatool.toml: {says}")


def test_sources_with_a_bucket_each_may_both_be_at_its_top() -> None:
    """As the storage description has it."""
    sections = (f'[sources.{name}.s3]\nbucket = "{name}"\nprefix = "/"' for name in "ab")
    assert _read("\n".join(sections)).problems == []


def test_all_problems_are_told() -> None:
    """Three wrong lines are three problems, and the right one stands."""
    found = _read('a = 1\nworkers = 0\nmongodb_url = "mongodb://a:b@c"\nverify_days = 3')
    assert len(found.problems) == 3
    assert found.values == {"MEDIATOOL_VERIFY_DAYS": "3"}
