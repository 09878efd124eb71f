"""The part of `mediatool check` for MongoDB; it changes nothing."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from mediatool_assets.domain.readiness import Reading, compare_clocks, ok, warning, wrong
from mediatool_assets.domain.settings import Settings
from mediatool_assets.domain.urls import host_of, is_this_machine, without_passwords
from mediatool_assets.stores.mongodb_errors import server_words

AREA = "mongodb"
ROLE = Path(__file__).parents[1] / "access" / "mongodb-role.json"

_PATIENCE_MS = 5_000
_OLDEST = (4, 4)
_ROOM = 1 << 30


def mongodb_readings(settings: Settings) -> list[Reading]:
    """Connection, version, rights, clock and room; nothing if MongoDB is no target."""
    if not settings.targets.mongodb:
        return []
    if settings.mongodb_url is None:
        steps = ("mediatool init", "MEDIATOOL_TARGETS=none  # versions without MongoDB")
        return [wrong(AREA, "url", "MEDIATOOL_MONGODB_URL is not set", *steps, code=2)]
    hosts = settings.mongodb_url.hosts
    correct = "correct MEDIATOOL_MONGODB_URL"
    found: list[Reading] = []
    try:
        client: MongoClient[Any] = MongoClient(
            settings.mongodb_url.reveal(),
            appname="mediatool",
            serverSelectionTimeoutMS=_PATIENCE_MS,
            connectTimeoutMS=_PATIENCE_MS,
        )
        with client:
            found.extend(_of(client, hosts, settings.mongodb_prefix))
    except (ConfigurationError, TypeError, ValueError):
        says = "the URL has a parameter that MongoDB does not accept, or its host is not found"
        found.append(wrong(AREA, "connection", says, correct, code=2))
    except OperationFailure as error:
        says = f"{hosts}: {server_words(error)}"
        found.append(wrong(AREA, "connection", says, f"{correct}: its user or password", code=4))
    except PyMongoError as error:
        reason = without_passwords(str(error).partition(",")[0])
        says = f"{hosts} does not answer: {reason}"
        found.append(wrong(AREA, "connection", says, f"{correct}, or start the server", code=4))
    return found


def _of(client: MongoClient[Any], hosts: str, prefix: str) -> Iterator[Reading]:
    before = datetime.now(UTC)
    hello = client.admin.command("hello")
    here = before + (datetime.now(UTC) - before) / 2
    version = str(client.server_info()["version"])
    status = client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    users = [f"{u['user']}@{u['db']}" for u in status["authenticatedUsers"]]
    yield ok(AREA, "connection", f"{hosts} as {', '.join(users) or 'nobody'}")
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        yield wrong(AREA, "version", f"MongoDB {version}: {needed} or newer is needed")
    else:
        yield ok(AREA, "version", f"MongoDB {version}")
    yield _rights(client, hosts, users, status, prefix)
    yield compare_clocks(AREA, hello["localTime"].replace(tzinfo=UTC), here)
    room = client.admin.command("dbStats") if users or _is_open(client) else {}
    if "fsTotalSize" in room:
        free = int(room["fsTotalSize"] - room["fsUsedSize"])
        says = f"{free / 1e9:,.1f} GB free"
        make = "free space on the disk of mongod, or `mediatool prune`"
        low = free < _ROOM
        yield warning(AREA, "room", says, make) if low else ok(AREA, "room", says)


def _is_open(client: MongoClient[Any]) -> bool:
    """Whether the server allows everything without a login."""
    try:
        client.admin.command("listDatabases", nameOnly=True)
    except OperationFailure:
        return False
    return True


def _rights(
    client: MongoClient[Any], hosts: str, users: list[str], status: Mapping[str, Any], prefix: str
) -> Reading:
    wanted = json.loads(ROLE.read_text("utf-8"))
    if not users:
        if not _is_open(client):
            says = "the server asks for a user, and the URL names none"
            fix = "write mongodb://user:password@host/?authSource=admin"
            return wrong(AREA, "rights", says, fix, code=4)
        if all(is_this_machine(host_of(host)) for host in hosts.split(",")):
            return ok(AREA, "rights", "everybody on this machine may do everything")
        says = "everybody who reaches the server may read every version"
        return warning(AREA, "rights", says, "start mongod with --auth, and give it users")
    missing = sorted(_missing(wanted["privileges"], status["authenticatedUserPrivileges"], prefix))
    if not missing:
        return ok(AREA, "rights", f"{users[0]} may load, read and drop databases of versions")
    user, _, database = users[0].rpartition("@")
    role = wanted["createRole"]
    return wrong(
        AREA,
        "rights",
        f"{users[0]} lacks {', '.join(missing)}",
        f'db.getSiblingDB("admin").runCommand({json.dumps(wanted)})',
        f'db.getSiblingDB("{database}").grantRolesToUser("{user}", '
        f'[{{role: "{role}", db: "admin"}}])',
        code=4,
    )


def _missing(wanted: list[dict[str, Any]], given: list[dict[str, Any]], prefix: str) -> set[str]:
    """The actions that no privilege gives, neither on every database nor on one of a version."""
    has: dict[bool, set[str]] = {True: set(), False: set()}
    for privilege in given:
        resource, actions = privilege["resource"], set(privilege["actions"])
        if resource.get("anyResource"):
            has[True] |= actions
            has[False] |= actions
        elif resource.get("cluster"):
            has[True] |= actions
        elif resource.get("collection") == "" and (
            resource.get("db") == "" or str(resource.get("db")).startswith(prefix)
        ):
            has[False] |= actions
    return {
        action
        for privilege in wanted
        for action in privilege["actions"]
        if action not in has["cluster" in privilege["resource"]]
    }
