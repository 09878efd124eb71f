"""The shipped MongoDB role on the real mongod: what it is enough for, and what it cannot do."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import bson
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from mediatool_assets.core.errors import Unreachable
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url
from mediatool_assets.core.version import Version
from mediatool_assets.load.flow import LoadOptions, dump, load
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.access_documents import ACCESS, mongodb_role
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.documents import ROOT, blocks
from mediatool_assets_tests.transformed import transformed
from mediatool_assets_tests.twins import DirectoryObjects

VERSION = Version(datetime(2003, 1, 1, tzinfo=UTC))
OTHER = Version(datetime(2003, 1, 2, tzinfo=UTC))
UNAUTHORIZED = 13


@dataclass(frozen=True)
class Users:
    """The server's owner, and how a user with a role is made."""

    owner: MongoClient[Any]
    url: str

    def of(self, command: dict[str, Any]) -> str:
        """The URL of a new user who has only the role that the command makes."""
        name, password = f"user_{token_hex(6)}", token_hex(16)
        self.owner.admin.command(command)
        self.owner.admin.command("createUser", name, pwd=password, roles=[command["createRole"]])
        parts = urlsplit(self.url)
        netloc = f"{name}:{password}@{parts.hostname}:{parts.port}"
        return parts._replace(netloc=netloc).geturl()


@pytest.fixture
def users(settings: Settings) -> Iterator[Users]:
    """Whatever users and roles a test makes are gone afterwards."""
    assert settings.mongodb_url is not None
    with MongoClient[Any](settings.mongodb_url.reveal()) as owner:
        yield Users(owner, settings.mongodb_url.reveal())
        for each in owner.admin.command("usersInfo", 1)["users"]:
            if each["user"].startswith("user_"):
                owner.admin.command("dropUser", each["user"])
        for each in owner.admin.command("rolesInfo", 1)["roles"]:
            owner.admin.command("dropRole", each["role"])
        for version in (VERSION, OTHER):
            owner.drop_database(mongodb_database(version))


@pytest.fixture
def pipeline(users: Users) -> str:
    """A user with the shipped role."""
    return users.of(mongodb_role(f"role_{token_hex(6)}"))


def _work(url: str, version: Version, pool: Workspace, scratch: Path) -> MongoDocuments:
    """All that the pipeline does with a version: load, read back, dump, list, and drop."""
    twin, documents = DirectoryObjects(scratch / "objects"), MongoDocuments(Url(url))
    people = [bson.encode({"_id": n, "name": "x"}) for n in range(100)]
    made = transformed(twin, version, {"people": people, "teams": []})
    assert load(twin, documents, pool, version).agrees_with(made.manifest)
    assert load(twin, documents, pool, version, LoadOptions(replace=True)).agrees_with(
        made.manifest
    )
    assert dump(twin, documents, pool, version).manifest.rows == 100
    return documents


def test_it_is_enough(pipeline: str, pool: Workspace, tmp_path: Path) -> None:
    """Load, verify, dump, list and drop of a version."""
    documents = _work(pipeline, VERSION, pool, tmp_path)
    assert mongodb_database(VERSION) in documents.names()
    documents.drop(mongodb_database(VERSION))
    assert mongodb_database(VERSION) not in documents.names()


DENIED: dict[str, Callable[[MongoClient[Any]], object]] = {
    "make a user": lambda c: c.admin.command("createUser", "x", pwd="x", roles=[]),
    "take a role": lambda c: c.admin.command("grantRolesToUser", "x", roles=["root"]),
    "read users": lambda c: c.admin["system.users"].find_one(),
    "shut down": lambda c: c.admin.command("shutdown"),
    "read the log": lambda c: c.admin.command("getLog", "global"),
    "read settings": lambda c: c.admin.command("getCmdLineOpts"),
    "set a parameter": lambda c: c.admin.command("setParameter", 1, logLevel=1),
    "see others' work": lambda c: c.admin.command("currentOp"),
    "end others' work": lambda c: c.admin.command("killOp", op=1),
    "change a validator": lambda c: c.x.command("collMod", "x", validationLevel="off"),
    "pass a validator by": lambda c: c.x.command(
        "insert", "x", documents=[{"a": 1}], bypassDocumentValidation=True
    ),
}


@pytest.mark.parametrize("call", DENIED)
def test_what_it_cannot_do(pipeline: str, call: str) -> None:
    """Users, settings, other people's work, and whatever the pipeline has no use for."""
    with MongoClient[Any](pipeline) as client, pytest.raises(OperationFailure) as caught:
        DENIED[call](client)
    assert caught.value.code == UNAUTHORIZED


def named(role: str, *databases: str) -> dict[str, Any]:
    """The role held to some databases, as docs/how-to/access.md does it."""
    (block,) = [
        b for b in blocks("python", ROOT / "docs/how-to/access.md") if "def held_to" in b.text
    ]
    names: dict[str, Any] = {}
    exec(block.text, names)  # noqa: S102  # the document's own code is what is tested
    command = json.loads((ACCESS / "mongodb-role.json").read_text())
    found: dict[str, Any] = names["held_to"](command, databases)
    return found | {"createRole": role}


def test_held_to_databases(users: Users, pool: Workspace, tmp_path: Path) -> None:
    """Held to the names of the nights to come it is enough for those, and for no other."""
    url = users.of(named(f"role_{token_hex(6)}", mongodb_database(VERSION)))
    documents = _work(url, VERSION, pool, tmp_path)
    with pytest.raises(Unreachable, match="refuses the credentials or the right"):
        documents.exists(mongodb_database(OTHER))
    with MongoClient[Any](url) as client, pytest.raises(OperationFailure) as caught:
        client.shop.orders.insert_one({})
    assert caught.value.code == UNAUTHORIZED
    documents.drop(mongodb_database(VERSION))
