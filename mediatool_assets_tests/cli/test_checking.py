"""`mediatool check` names what is wrong with a set-up: each thing alone, and all at once."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import boto3
import psycopg
import pytest
from psycopg import sql
from pymongo import MongoClient

from mediatool_assets.core.texts import DAGSTER_YAML, Url
from mediatool_assets.main import main
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.conftest import superuser
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.moto_server import QUIET, moto_server
from mediatool_assets_tests.own_servers import KEYS, plain_seaweedfs

pytestmark = pytest.mark.usefixtures("as_any_other_process")

SHOP = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE shop.orders (id serial PRIMARY KEY, customer bigint REFERENCES shop.customers);
CREATE TABLE shop.notes (id bigint PRIMARY KEY, note text);
ALTER TABLE shop.notes ENABLE ROW LEVEL SECURITY;
INSERT INTO shop.customers VALUES (1, 'Ada'), (2, 'Grace');
INSERT INTO shop.orders (customer) VALUES (1), (2);
"""
RULES = "tables:\n  customers: {id: keep, name: redact}\n  orders: {id: keep, customer: keep}\n"
KEY = bytes(range(32)).hex()
USAGE, TABLES = "USAGE ON SCHEMA shop", "SELECT ON ALL TABLES IN SCHEMA shop"
SEQUENCES = "SELECT ON ALL SEQUENCES IN SCHEMA shop"

ROLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "all": ("BYPASSRLS", (USAGE, TABLES, SEQUENCES)),
    "no_usage": ("BYPASSRLS", (TABLES, SEQUENCES)),
    "no_orders": ("BYPASSRLS", (USAGE, SEQUENCES, "SELECT ON shop.customers, shop.notes")),
    "no_sequence": ("BYPASSRLS", (USAGE, TABLES)),
    "policies": ("", (USAGE, TABLES, SEQUENCES)),
    "nothing": ("", ()),
    "restorer": ("CREATEDB CREATEROLE", ()),
}
"""What is wrong with a role of the source, and its attributes and rights."""


@dataclass(frozen=True)
class Shop:
    """A set-up with which all is well, and the means to break it."""

    environ: dict[str, str]
    roles: dict[str, str]
    folder: Path
    mongodb_reader: str


@pytest.fixture(scope="module")
def shop(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A database, its roles, a bucket, a user of MongoDB, a model and masking rules."""
    folder = tmp_path_factory.mktemp("shop")
    name = f"shop_{uuid4().hex[:8]}"
    admin = superuser(stack)
    endpoint = stack.environment["MEDIATOOL_S3_ENDPOINT_URL"]
    bucket = name.replace("_", "-")
    with _database(admin, name) as roles, _mongodb_reader(stack, name) as reader:
        s3 = boto3.client("s3", endpoint_url=endpoint)
        s3.create_bucket(Bucket=bucket)
        (folder / "dagster").mkdir()
        (folder / "dagster" / "dagster.yaml").write_text(DAGSTER_YAML.read_text())
        (folder / "rules.yaml").write_text(RULES + "  notes: {id: keep, note: redact}\n")
        (folder / "short.yaml").write_text(RULES)
        environ = {
            "MEDIATOOL_POSTGRES_URL": roles["all"],
            "MEDIATOOL_POSTGRES_SCHEMA": "shop",
            "MEDIATOOL_RESTORE_POSTGRES_URL": roles["restorer"],
            "MEDIATOOL_MONGODB_URL": stack.environment["MEDIATOOL_MONGODB_URL"],
            "MEDIATOOL_S3_BUCKET": bucket,
            "MEDIATOOL_S3_ENDPOINT_URL": endpoint,
            "MEDIATOOL_MODEL": str(folder / "model.yaml"),
            "MEDIATOOL_MASKING_KEY": KEY,
            "MEDIATOOL_MASKING_RULES": str(folder / "rules.yaml"),
            "MEDIATOOL_HOME": str(folder / "home"),
            "MEDIATOOL_WORKERS": "1",
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in environ.items():
                patch.setenv(variable, value)
            assert main(["model", "infer", "--output", str(folder / "model.yaml")]) == 0
        yield Shop(environ, roles, folder, reader)
        left = s3.list_object_versions(Bucket=bucket)
        assert [*left.get("Versions", []), *left.get("DeleteMarkers", [])] == []
        assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
        s3.delete_bucket(Bucket=bucket)
        s3.close()


@contextmanager
def _database(admin: Url, name: str) -> Iterator[dict[str, str]]:
    """The URLs of a database by the roles of ROLES."""
    with psycopg.connect(admin.reveal(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = admin.to(name)
        with psycopg.connect(url.reveal(), autocommit=True) as inside:
            inside.execute(SHOP)
            for role, (attributes, rights) in ROLES.items():
                identifier = sql.Identifier(f"{name}_{role}")
                make = f"CREATE ROLE {{}} LOGIN PASSWORD 'pw' {attributes}"
                inside.execute(sql.SQL(make).format(identifier))
                for right in rights:
                    inside.execute(sql.SQL(f"GRANT {right} TO {{}}").format(identifier))
        yield {role: url.by(f"{name}_{role}", "pw").reveal() for role in ROLES}
        drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        connection.execute(drop.format(sql.Identifier(name)))
        for role in ROLES:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(f"{name}_{role}")))


@contextmanager
def _mongodb_reader(stack: Stack, name: str) -> Iterator[str]:
    """The URL of a user who may read one database, and list none."""
    url = Url(stack.environment["MEDIATOOL_MONGODB_URL"])
    with MongoClient[dict[str, object]](url.reveal()) as client:
        client.admin.command("createUser", name, pwd="pw", roles=[{"role": "read", "db": "x"}])
        yield f"mongodb://{name}:pw@{url.hosts}/?authSource=admin"
        client.admin.command("dropUser", name)


@dataclass(frozen=True)
class Found:
    """What check said."""

    code: int
    wrong: set[str]
    text: str


def _check(mediatool: Run, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> Found:
    for name in [n for n in os.environ if n.startswith(("MEDIATOOL_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = mediatool("check", "--json")
    readings = json.loads(result.out)["readings"]
    red = [reading for reading in readings if reading["verdict"] == "wrong"]
    told = "\n".join(f"{r['area']}: {r['says']}\n" + "\n".join(r["fixes"]) for r in red)
    assert ":pw@" not in result.out + result.err
    return Found(result.code, {reading["area"] for reading in red}, told)


def _broken(shop: Shop, how: str) -> tuple[dict[str, str], str, str, int]:
    """The variables that break it in one way; the area, what is said, and the exit code."""
    roles, folder = shop.roles, shop.folder
    all_in, absent = roles["all"], "postgresql://nobody@127.0.0.1:1/shop"
    (folder / "wrong.toml").write_text("s3_bukket = 1\n")
    (folder / "other.yaml").write_text("tables:\n  ships: {columns: [id]}\n")
    (folder / "no instance").mkdir(exist_ok=True)
    url = {n: f"MEDIATOOL_{n}_URL" for n in ("POSTGRES", "RESTORE_POSTGRES", "MONGODB")}
    source, restores, mongodb = url.values()
    endpoint = shop.environ["MEDIATOOL_S3_ENDPOINT_URL"]
    ways: dict[str, tuple[dict[str, str], str, str, int]] = {
        "a wrong number": (
            {"MEDIATOOL_VERIFY_DAYS": "0"},
            "settings",
            "MEDIATOOL_VERIFY_DAYS is",
            2,
        ),
        "a wrong file": (
            {"MEDIATOOL_CONFIG": str(folder / "wrong.toml")},
            "settings",
            "s3_bukket is not a setting; did you mean s3_bucket?",
            2,
        ),
        "no directory": ({"MEDIATOOL_SCRATCH": "/gone"}, "settings", "SCRATCH names no direc", 2),
        "no source": ({source: absent}, "source", "Connection refused", 4),
        "its password": ({source: all_in.replace(":pw@", ":no@")}, "source", "password auth", 4),
        "its database": ({source: Url(all_in).to("gone").reveal()}, "source", "not exist", 4),
        "its schema": (
            {"MEDIATOOL_POSTGRES_SCHEMA": "shp"},
            "source",
            "there is no schema shp; with tables there are: shop",
            2,
        ),
        "no usage": ({source: roles["no_usage"]}, "source", "GRANT USAGE ON SCHEMA", 3),
        "no select": ({source: roles["no_orders"]}, "source", '"shop"."orders" TO', 3),
        "no sequence": ({source: roles["no_sequence"]}, "source", 'SEQUENCE "shop"."orders_id', 3),
        "row policies": ({source: roles["policies"]}, "source", "BYPASSRLS;", 3),
        "no restore server": ({restores: absent}, "restores", "Connection refused", 4),
        "its role": ({restores: roles["all"]}, "restores", "CREATEDB CREATEROLE;", 4),
        "no mongod": ({mongodb: "mongodb://127.0.0.1:1"}, "mongodb", "does not answer", 4),
        "its user": (
            {mongodb: shop.mongodb_reader.replace(":pw@", ":no@")},
            "mongodb",
            "Authentication failed",
            4,
        ),
        "no role there": ({mongodb: shop.mongodb_reader}, "mongodb", "grantRolesToUser", 4),
        "no S3": ({"MEDIATOOL_S3_ENDPOINT_URL": "http://127.0.0.1:1"}, "s3", "connect to the", 4),
        "its keys": (
            {"MEDIATOOL_S3_ENDPOINT_URL": f"{endpoint}/", "AWS_ACCESS_KEY_ID": "no"},
            "s3",
            "answered InvalidAccessKeyId",
            4,
        ),
        "no bucket": ({"MEDIATOOL_S3_BUCKET": "gone"}, "s3", "bucket apply --create", 2),
        "another model": (
            {"MEDIATOOL_MODEL": str(Path(DAGSTER_YAML).parent / "models" / "media_tool.yaml")},
            "model",
            "mediatool model infer",
            3,
        ),
        "a wrong model": (
            {"MEDIATOOL_MODEL": str(folder / "other.yaml")},
            "model",
            "other.yaml",
            3,
        ),
        "masking rules": (
            {"MEDIATOOL_MASKING_RULES": str(folder / "short.yaml")},
            "masking",
            "notes.note (text) is not classified",
            3,
        ),
        "no instance": (
            {"DAGSTER_HOME": str(folder / "no instance")},
            "dagster",
            "without a dagster.yaml",
            2,
        ),
        "half a storage": ({"DAGSTER_PG_HOST": "h"}, "dagster", "DAGSTER_PG_PORT, DAGSTER_PG", 2),
        "no storage": (
            {f"DAGSTER_PG_{n}": "1" for n in ("PORT", "USER", "PASSWORD", "DB")}
            | {"DAGSTER_PG_HOST": "127.0.0.1"},
            "dagster",
            "Connection refused",
            4,
        ),
    }
    return ways[how]


WAYS = (
    "a wrong number", "a wrong file", "no directory", "no source", "its password", "its database",
    "its schema", "no usage", "no select", "no sequence", "row policies", "no restore server",
    "its role", "no mongod", "its user", "no role there", "no S3", "its keys", "no bucket",
    "another model", "a wrong model", "masking rules", "no instance", "half a storage",
    "no storage",
)  # fmt: skip


def test_all_is_well(mediatool: Run, monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    """Nothing is wrong, in the table too; the bucket is as it was (see the fixture)."""
    found = _check(mediatool, monkeypatch, shop.environ)
    assert (found.text, found.code) == ("", 0)
    result = mediatool("check")
    assert result.code == 0
    for line in ("source: rights", "s3: no overwriting", "mongodb: version", "model: fit"):
        assert f"ok       {line}" in result.out


@pytest.mark.parametrize("how", WAYS)
def test_one_thing_is_wrong(
    mediatool: Run, monkeypatch: pytest.MonkeyPatch, shop: Shop, how: str
) -> None:
    """It is named, in its area and in no other, with the exit code of its kind."""
    environ, area, says, code = _broken(shop, how)
    found = _check(mediatool, monkeypatch, shop.environ | environ)
    assert says in found.text
    assert found.wrong == {area}
    assert found.code == code


def test_all_is_wrong_at_once(mediatool: Run, monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    """Sixteen things in one run, on servers that are up; then one with every server away."""
    together = (
        "a wrong number", "a wrong file", "no directory", "its role", "no role there",
        "another model", "masking rules", "no instance", "no storage",
    )  # fmt: skip
    environ = shop.environ | {"MEDIATOOL_POSTGRES_URL": shop.roles["nothing"]}
    for how in together:
        environ |= _broken(shop, how)[0]
    with plain_seaweedfs() as url:
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=environ["MEDIATOOL_S3_BUCKET"])
        found = _check(mediatool, monkeypatch, environ | KEYS | {"MEDIATOOL_S3_ENDPOINT_URL": url})
        assert "Contents" not in client.list_objects_v2(Bucket=environ["MEDIATOOL_S3_BUCKET"])
        client.close()
    for how in together:
        assert _broken(shop, how)[2] in found.text
    for how in ("no usage", "no select", "no sequence", "row policies"):
        assert _broken(shop, how)[2] in found.text
    assert "s3: the server refuses writes with AES256" in found.text
    assert "MEDIATOOL_S3_SSE=none" in found.text
    assert found.code == 4
    away = ("no source", "no restore server", "no mongod", "no S3", "no storage")
    environ = dict(shop.environ)
    for how in away:
        environ |= _broken(shop, how)[0]
    found = _check(mediatool, monkeypatch, environ)
    assert found.wrong == {"source", "restores", "mongodb", "s3", "dagster"}


@QUIET
def test_a_server_that_keeps_no_promise(
    mediatool: Run, monkeypatch: pytest.MonkeyPatch, shop: Shop
) -> None:
    """What it takes and must refuse is named; trying leaves nothing there either."""
    with moto_server() as url:
        client = boto3.client("s3", endpoint_url=url)
        client.create_bucket(Bucket=shop.environ["MEDIATOOL_S3_BUCKET"])
        found = _check(mediatool, monkeypatch, shop.environ | {"MEDIATOOL_S3_ENDPOINT_URL": url})
        listed = client.list_objects_v2(Bucket=shop.environ["MEDIATOOL_S3_BUCKET"])
        client.close()
    assert "the server accepts what it must refuse" in found.text
    assert "Contents" not in listed
