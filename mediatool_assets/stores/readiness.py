"""The part of `mediatool check` for the source and the restore server; it changes nothing.

The part of `mediatool check` for MongoDB; it changes nothing.

The part of `mediatool check` for the bucket: it writes an object and removes it again.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import psycopg
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from mediatool_assets.core.errors import MediatoolError, Misuse
from mediatool_assets.core.outcomes import Reading, compare_clocks, ok, warning, wrong
from mediatool_assets.core.schema import Release, Schema, namespaces
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import Url, host_of, is_this_machine, without_passwords
from mediatool_assets.core.version import STAGING_PREFIX
from mediatool_assets.stores.mongodb import server_words
from mediatool_assets.stores.postgres import (
    OLDEST,
    Connection,
    database_address,
    message_of,
    parameters,
    read_standby,
)
from mediatool_assets.stores.postgres_catalog import read_tables
from mediatool_assets.stores.postgres_ddl import best, clients
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.stores.s3_upload import code_of, is_denied, is_taken, sha256

SOURCE, TARGET = "source", "restores"
_PATIENCE = "5"  # seconds to connect, once, while the user waits

_SCHEMAS = """
SELECT n.nspname, has_schema_privilege(n.oid, 'USAGE') FROM pg_catalog.pg_namespace n
WHERE n.nspname = ANY (%s)
"""

_OTHER_SCHEMAS = """
SELECT DISTINCT n.nspname FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_%%' ORDER BY 1 LIMIT 20
"""

_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind = 'S',
       CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
            ELSE has_table_privilege(c.oid, 'SELECT') END,
       c.relrowsecurity AND row_security_active(c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname = ANY (%s) ORDER BY 1, 2
"""

_SIZE = """
SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = ANY (%s)
"""


@dataclass(slots=True)
class SourceFound:
    """The readings, and the tables of the catalogs for later readings."""

    readings: list[Reading] = field(default_factory=list)
    schema: Schema | None = None
    bytes: int | None = None


def source_found(settings: Settings) -> SourceFound:
    """Connection, release, pg_dump, every missing right, and the schema if it can be read."""
    found = SourceFound()
    if settings.postgres_url is None:
        step = "mediatool init"
        found.readings = [wrong(SOURCE, "url", "MEDIATOOL_POSTGRES_URL is not set", step, code=2)]
        return found
    try:
        with closing(_connect(settings.postgres_url, "MEDIATOOL_POSTGRES_URL")) as connection:
            _look_at_source(connection, settings, found)
    except (psycopg.Error, MediatoolError) as error:
        url = settings.postgres_url
        found.readings.append(_unreachable(SOURCE, "MEDIATOOL_POSTGRES_URL", url, error))
    return found


def target_readings(settings: Settings) -> list[Reading]:
    """Of the server to restore to: connection, release, the rights to make databases and roles.

    Nothing if versions are not restored to PostgreSQL.
    """
    variable = "MEDIATOOL_RESTORE_POSTGRES_URL"
    if not settings.targets.postgres:
        return []
    if settings.restore_postgres_url is None:
        step = "set it, or leave postgres out of MEDIATOOL_TARGETS"
        return [wrong(TARGET, "url", f"{variable} is not set", step, code=2)]
    try:
        with closing(_connect(settings.restore_postgres_url, variable)) as connection:
            return list(_of_target(connection))
    except (psycopg.Error, MediatoolError) as error:
        return [_unreachable(TARGET, variable, settings.restore_postgres_url, error)]


def _connect(url: Url, variable: str) -> Connection:
    """Connect once, without waiting for a server that may still start."""
    given = parameters(url, variable) | {"connect_timeout": _PATIENCE, "client_encoding": "UTF8"}
    connection = psycopg.connect(make_conninfo("", **given), autocommit=True)
    connection.execute("SET search_path = ''")
    connection.execute("SET statement_timeout = '20s'")
    return connection


def _unreachable(area: str, variable: str, url: Url, error: Exception) -> Reading:
    if isinstance(error, psycopg.Error):
        says = f"{database_address(url)}: {message_of(error)}"
        fix = f"correct {variable}, or start the server and let this machine in (pg_hba.conf)"
        return wrong(area, "connection", says, fix, code=4)
    code = error.exit_code if isinstance(error, MediatoolError) else 4
    return wrong(area, "connection", str(error), code=code)


def _look_at_source(connection: Connection, settings: Settings, found: SourceFound) -> None:
    spaces = list(namespaces(settings.postgres_schema))
    role = connection.info.user
    found.readings += _of_server(SOURCE, connection)
    found.readings += _of_standby(connection, settings)
    found.readings.append(_pg_dump(connection))
    usable: dict[str, bool] = dict(connection.execute(_SCHEMAS, (spaces,)).fetchall())
    if missing := [space for space in spaces if space not in usable]:
        others = ", ".join(row[0] for row in connection.execute(_OTHER_SCHEMAS))
        says = f"there is no schema {', '.join(missing)}; with tables there are: {others or 'none'}"
        fix = "set MEDIATOOL_POSTGRES_SCHEMA (postgres_schema in mediatool.toml)"
        found.readings.append(wrong(SOURCE, "schema", says, fix, code=2))
    found.readings.append(_postgres_rights(connection, usable, role, settings.exclude_tables))
    if missing:
        return
    [(found.bytes,)] = connection.execute(_SIZE, (spaces,))
    everything = {row[1] for row in connection.execute(_RELATIONS, (spaces,)).fetchall()}
    everything |= {f"{row[0]}.{row[1]}" for row in connection.execute(_RELATIONS, (spaces,))}
    tables, _ = read_tables(connection, settings.postgres_schema, everything)
    found.schema = Schema(settings.postgres_schema, tuple(tables))


def _of_server(area: str, connection: Connection) -> Iterator[Reading]:
    release = Release.of(connection.info.server_version)
    where = f"{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
    yield ok(area, "connection", f"{where} as {connection.info.user}")
    if release.major < OLDEST:
        says = f"PostgreSQL {release}: {OLDEST} or newer is needed"
        yield wrong(area, "version", says, f"upgrade the server to PostgreSQL {OLDEST} or newer")
    else:
        yield ok(area, "version", f"PostgreSQL {release}")
    before = datetime.now(UTC)
    [(there,)] = connection.execute("SELECT clock_timestamp()")
    yield compare_clocks(area, there, before + (datetime.now(UTC) - before) / 2)


def _of_standby(connection: Connection, settings: Settings) -> Iterator[Reading]:
    """Whether a hot standby may cancel an export, and how far it is behind its primary."""
    standby = read_standby(connection)
    if standby is None:
        return
    names = ("max_standby_streaming_delay", "hot_standby_feedback")
    delay, feedback = (connection.execute(f"SHOW {n}".encode()).fetchall()[0][0] for n in names)
    lag = "unknown" if standby.lag_seconds is None else f"{standby.lag_seconds} s"
    state = "connected" if standby.is_connected else "disconnected"
    says = f"{state}, lag {lag}; {names[0]} = {delay}, {names[1]} = {feedback}"
    if feedback == "off" and delay != "-1" and settings.postgres_primary_url is None:
        fix = "ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf(); -- there"
        yield warning(SOURCE, "standby", f"{says}: it may cancel an export", fix)
    elif standby.lag_seconds is None or standby.lag_seconds > settings.postgres_max_lag_seconds:
        yield warning(SOURCE, "standby", says)
    else:
        yield ok(SOURCE, "standby", says)


def _pg_dump(connection: Connection) -> Reading:
    try:
        client = best(Release.of(connection.info.server_version), clients())
    except Misuse as error:
        major = connection.info.server_version // 10_000
        fix = f"apt-get install postgresql-client-{major}"
        return wrong(SOURCE, "pg_dump", str(error), fix, code=2)
    return ok(SOURCE, "pg_dump", f"{client.release} ({client.path})")


def _postgres_rights(
    connection: Connection, usable: dict[str, bool], role: str, exclude: frozenset[str]
) -> Reading:
    """One reading for all rights, with a statement to paste for each missing one."""

    def statement(text: str, *names: str) -> str:
        parts = [sql.Identifier(name) for name in names]
        made = sql.SQL(text).format(*parts, role=sql.Identifier(role))
        return made.as_string(connection)

    rows = connection.execute(_RELATIONS, (list(usable),)).fetchall()
    rows = [row for row in rows if not {row[1], f"{row[0]}.{row[1]}"} & exclude]
    fixes = [
        statement("GRANT USAGE ON SCHEMA {} TO {role};", space)
        for space, allowed in sorted(usable.items())
        if not allowed
    ]
    for space, name, is_sequence, readable, _ in rows:
        if not readable:
            kind = "SEQUENCE " if is_sequence else ""
            fixes.append(statement(f"GRANT SELECT ON {kind}{{}}.{{}} TO {{role}};", space, name))
    hidden = [f"{space}.{name}" for space, name, _, _, filtered in rows if filtered]
    if hidden:
        fixes.append(statement("ALTER ROLE {role} BYPASSRLS;"))
    tables = sum(not row[2] for row in rows)
    if fixes:
        policies = f"; row policies hide rows of {', '.join(hidden)}" if hidden else ""
        says = f"{role} lacks {len(fixes)} rights{policies}"
        return wrong(SOURCE, "rights", says, *fixes, code=3)
    says = f"{role} may read {tables} tables and {len(rows) - tables} sequences"
    return ok(SOURCE, "rights", says)


def _of_target(connection: Connection) -> Iterator[Reading]:
    yield from _of_server(TARGET, connection)
    [(databases, roles)] = connection.execute(
        "SELECT rolsuper OR rolcreatedb, rolsuper OR rolcreaterole FROM pg_catalog.pg_roles "
        "WHERE rolname = current_user"
    )
    role = connection.info.user
    missing = [n for n, has in (("CREATEDB", databases), ("CREATEROLE", roles)) if not has]
    if not missing:
        yield ok(TARGET, "rights", f"{role} may make databases and roles")
        return
    alter = sql.SQL("ALTER ROLE {} {};").format(
        sql.Identifier(role), sql.SQL(" ").join(map(sql.SQL, missing))
    )
    says = f"{role} lacks {' and '.join(missing)}"
    yield wrong(TARGET, "rights", says, alter.as_string(connection), code=4)


MONGODB_AREA = "mongodb"
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
        return [wrong(MONGODB_AREA, "url", "MEDIATOOL_MONGODB_URL is not set", *steps, code=2)]
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
        found.append(wrong(MONGODB_AREA, "connection", says, correct, code=2))
    except OperationFailure as error:
        says = f"{hosts}: {server_words(error)}"
        found.append(
            wrong(MONGODB_AREA, "connection", says, f"{correct}: its user or password", code=4)
        )
    except PyMongoError as error:
        reason = without_passwords(str(error).partition(",")[0])
        says = f"{hosts} does not answer: {reason}"
        found.append(
            wrong(MONGODB_AREA, "connection", says, f"{correct}, or start the server", code=4)
        )
    return found


def _of(client: MongoClient[Any], hosts: str, prefix: str) -> Iterator[Reading]:
    before = datetime.now(UTC)
    hello = client.admin.command("hello")
    here = before + (datetime.now(UTC) - before) / 2
    version = str(client.server_info()["version"])
    status = client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    users = [f"{u['user']}@{u['db']}" for u in status["authenticatedUsers"]]
    yield ok(MONGODB_AREA, "connection", f"{hosts} as {', '.join(users) or 'nobody'}")
    if tuple(map(int, version.split(".")[:2])) < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        yield wrong(MONGODB_AREA, "version", f"MongoDB {version}: {needed} or newer is needed")
    else:
        yield ok(MONGODB_AREA, "version", f"MongoDB {version}")
    yield _mongodb_rights(client, hosts, users, status, prefix)
    yield compare_clocks(MONGODB_AREA, hello["localTime"].replace(tzinfo=UTC), here)
    room = client.admin.command("dbStats") if users or _is_open(client) else {}
    if "fsTotalSize" in room:
        free = int(room["fsTotalSize"] - room["fsUsedSize"])
        says = f"{free / 1e9:,.1f} GB free"
        make = "free space on the disk of mongod, or `mediatool prune`"
        low = free < _ROOM
        yield warning(MONGODB_AREA, "room", says, make) if low else ok(MONGODB_AREA, "room", says)


def _is_open(client: MongoClient[Any]) -> bool:
    """Whether the server allows everything without a login."""
    try:
        client.admin.command("listDatabases", nameOnly=True)
    except OperationFailure:
        return False
    return True


def _mongodb_rights(
    client: MongoClient[Any], hosts: str, users: list[str], status: Mapping[str, Any], prefix: str
) -> Reading:
    wanted = json.loads(ROLE.read_text("utf-8"))
    if not users:
        if not _is_open(client):
            says = "the server asks for a user, and the URL names none"
            fix = "write mongodb://user:password@host/?authSource=admin"
            return wrong(MONGODB_AREA, "rights", says, fix, code=4)
        if all(is_this_machine(host_of(host)) for host in hosts.split(",")):
            return ok(MONGODB_AREA, "rights", "everybody on this machine may do everything")
        says = "everybody who reaches the server may read every version"
        return warning(MONGODB_AREA, "rights", says, "start mongod with --auth, and give it users")
    missing = sorted(_missing(wanted["privileges"], status["authenticatedUserPrivileges"], prefix))
    if not missing:
        return ok(
            MONGODB_AREA, "rights", f"{users[0]} may load, read and drop databases of versions"
        )
    user, _, database = users[0].rpartition("@")
    role = wanted["createRole"]
    return wrong(
        MONGODB_AREA,
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


S3_AREA = "s3"

_MISSING_BUCKET = {"NoSuchBucket", "404", "NotFound"}
_FAILURES = {"500", "503", "InternalError", "ServiceUnavailable", "SlowDown"}
_BYTES = b"what mediatool check has written, and removes"


def bucket_readings(settings: Settings) -> list[Reading]:
    """Credentials, the bucket, encryption, conditions, checksums, ranges, uploads, clock."""
    objects = S3Objects.of(settings)
    key = f"{STAGING_PREFIX}check-{uuid.uuid4().hex}"
    made = replace(objects, patient=False).client
    trial = _Trial(made, objects, key, objects.encryption_options)
    endpoint = objects.endpoint_url or "Amazon S3"
    found: list[Reading] = []
    try:
        found.extend(trial.readings())
    except (NoCredentialsError, PartialCredentialsError) as error:
        fix = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        found.append(wrong(S3_AREA, "credentials", str(error), fix, code=4))
    except ClientError as error:
        found.append(_refused(error, endpoint))
    except SSLError as error:
        fix = "set MEDIATOOL_S3_CA to the PEM file of the authority of its certificate"
        found.append(wrong(S3_AREA, "connection", f"{endpoint}: {error}", fix, code=4))
    except BotoCoreError as error:
        fix = "correct MEDIATOOL_S3_ENDPOINT_URL, or start the server"
        found.append(wrong(S3_AREA, "connection", f"{endpoint}: {error}", fix, code=4))
    return found


def _refused(error: ClientError, endpoint: str) -> Reading:
    said = f"{endpoint} answered {code_of(error)} to {error.operation_name}"
    if is_denied(error):
        fix = "mediatool bucket plan --document pipeline-role  # the rights of the identity in use"
        return wrong(S3_AREA, "rights", said, fix, code=4)
    fix = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and the region"
    return wrong(S3_AREA, "credentials", said, fix, code=4)


@dataclass(slots=True)
class _Trial:
    """A test object, on which every operation is tried that versions need."""

    client: Any
    objects: S3Objects
    key: str
    options: dict[str, str]

    @property
    def _where(self) -> dict[str, str]:
        return {"Bucket": self.objects.bucket, "Key": self.key}

    def readings(self) -> Iterator[Reading]:
        """In order; without the object, the readings that need it are left out."""
        before = datetime.now(UTC)
        try:
            answer = self.client.list_objects_v2(Bucket=self.objects.bucket, MaxKeys=1)
        except ClientError as error:
            if code_of(error) in _MISSING_BUCKET:
                says = f"there is no bucket {self.objects.bucket}"
                yield wrong(S3_AREA, "bucket", says, "mediatool bucket apply --create", code=2)
                return
            raise
        here = before + (datetime.now(UTC) - before) / 2
        yield ok(S3_AREA, "bucket", self.objects.uri(""))
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        if "date" in headers:
            yield compare_clocks(S3_AREA, parsedate_to_datetime(headers["date"]), here)
        try:
            yield self._write()
            yield from self._promises()
        finally:
            removed = self._remove()
        yield removed

    def _write(self) -> Reading:
        """Write the object like those of versions; without encryption if that is refused."""
        asked = self.objects.encryption
        try:
            answer = self._put()
        except ClientError as error:
            if asked == "none" or is_denied(error):
                raise
            said = f"the server refuses writes with {asked} ({code_of(error)})"
            self.options = {}
            try:
                self._put()
            except ClientError:
                raise error from None
            fixes = ['export MEDIATOOL_S3_SSE=none  # in mediatool.toml: s3_sse = "none"']
            if asked == "AES256":
                fixes.append("or give the server a key for SSE-S3, so that objects are encrypted")
            return wrong(S3_AREA, "encryption", said, *fixes, code=4)
        if asked == "none":
            says = "not requested: the server's disks must be encrypted"
            return warning(S3_AREA, "encryption", says)
        if (got := answer.get("ServerSideEncryption")) != asked:
            says = f"{asked} was requested, and the server reports {got or 'no encryption'}"
            return warning(S3_AREA, "encryption", says)
        return ok(S3_AREA, "encryption", asked)

    def _put(self) -> Any:
        checked = {"Body": _BYTES, "ChecksumSHA256": sha256(_BYTES)}
        return self.client.put_object(**self._where, **checked, **self.options)

    def _promises(self) -> Iterator[Reading]:
        write = {**self._where, "Body": b"another", **self.options}
        lost = "two runs could overwrite each other's objects: use a server that supports this"
        for name, call in (
            ("no overwriting", lambda: self.client.put_object(**write, IfNoneMatch="*")),
            (
                "replacing only an unchanged object",
                lambda: self.client.put_object(**write, IfMatch='"0"'),
            ),
            ("no overwriting by a multipart upload", self._complete_over),
        ):
            yield self._must_refuse(name, call, lost, is_taken)
        other = sha256(b"something else")
        damaged = "bytes that change on the way would be stored: use a server that supports this"
        yield self._must_refuse(
            "checksums",
            lambda: self.client.put_object(**write, ChecksumSHA256=other),
            damaged,
            lambda error: not is_denied(error) and code_of(error) not in _FAILURES,
        )
        try:
            answer = self.client.get_object(**self._where, Range="bytes=5-9")
            part = answer["Body"].read()
        except ClientError as error:
            yield wrong(S3_AREA, "ranges", f"the server answered {code_of(error)}", code=4)
            return
        if part == _BYTES[5:10]:
            yield ok(S3_AREA, "ranges", "one table can be read without the others")
        else:
            says = f"requested 5 bytes, received {len(part)} others"
            yield wrong(S3_AREA, "ranges", says, "use a server that supports ranges", code=4)

    def _complete_over(self) -> None:
        """Complete a multipart upload over the object, on the condition that it does not exist."""
        upload = self.client.create_multipart_upload(**self._where, **self.options)
        here = {**self._where, "UploadId": upload["UploadId"]}
        try:
            part = self.client.upload_part(**here, PartNumber=1, Body=b"x")
            parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
            self.client.complete_multipart_upload(**here, MultipartUpload=parts, IfNoneMatch="*")
        except ClientError:
            self.client.abort_multipart_upload(**here)
            raise

    def _must_refuse(
        self,
        name: str,
        call: Callable[[], object],
        otherwise: str,
        refuses: Callable[[ClientError], bool],
    ) -> Reading:
        try:
            call()
        except ClientError as error:
            if refuses(error):
                return ok(S3_AREA, name, f"the server refuses, as required ({code_of(error)})")
            return wrong(S3_AREA, name, f"the server answered {code_of(error)}", otherwise, code=4)
        return wrong(S3_AREA, name, "the server accepts what it must refuse", otherwise, code=4)

    def _remove(self) -> Reading:
        """Remove every version of the object; a pipeline's role may only hide it."""
        try:
            listed = self.client.list_object_versions(Bucket=self.objects.bucket, Prefix=self.key)
            for each in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
                version = each.get("VersionId")
                named = {} if version in (None, "null") else {"VersionId": version}
                self.client.delete_object(**self._where, **named)
        except ClientError:
            return self._hide()
        return ok(S3_AREA, "nothing left", "what was written is removed")

    def _hide(self) -> Reading:
        try:
            self.client.delete_object(**self._where)
        except ClientError as error:
            says = f"{self.objects.uri(self.key)} could not be removed ({code_of(error)})"
            fix = f"aws s3 rm {self.objects.uri(self.key)}  # and give s3:DeleteObject below it"
            return wrong(S3_AREA, "nothing left", says, fix, code=4)
        says = f"{self.key} is deleted; the bucket's rules expire what it keeps of it"
        return ok(S3_AREA, "nothing left", says)
