"""Archives that an attacker, or a broken disk, could hand over, each wrong in one way.

``build`` writes an archive as ArchiveWriter would, and lets every part of it be another.
"""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import bson
import msgspec

from mediatool_assets.archive import compress, footer
from mediatool_assets.core.manifest import FORMAT, Block, Fingerprint, digest_of
from mediatool_assets.core.schema import ForeignKey, Schema
from mediatool_assets.core.version import bson_member, metadata_member
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.raw_archives import VERSION, table

USERS = table("users", id="integer", name="text")
TEAMS = table("teams", id="integer", name="text")
SCHEMA = Schema("media_tool", (TEAMS, USERS))
USER = b'{"id":1,"name":"Ada Ashgrove"}\n'
TEAM = b'{"id":1,"name":"The Reds"}\n'
DEEP = b"[" * 100_000 + b"]" * 100_000
SCHEMA_SQL = "".join(
    f"--\n-- Name: {name}; Type: {kind}; Schema: -; Owner: -\n--\n\n{sql};\n\n"
    for name, kind, sql in (
        ("media_tool", "SCHEMA", "CREATE SCHEMA media_tool"),
        ("teams", "TABLE", "CREATE TABLE media_tool.teams (id integer PRIMARY KEY, name text)"),
        ("users", "TABLE", "CREATE TABLE media_tool.users (id integer PRIMARY KEY, name text)"),
    )
).encode() + (b"--\n-- PostgreSQL database dump complete\n--\n")

Json = dict[str, Any]


@dataclass(frozen=True)
class File:
    """One file of an archive; ``tar`` changes its header, ``packed`` stands for its gzip block."""

    name: str
    content: bytes
    table: str | None = None
    collection: str | None = None
    tar: Callable[[tarfile.TarInfo], None] = lambda _: None
    packed: bytes | None = None
    before: bytes = b""
    """What lies between the file before and this one's header."""
    facts: Json = field(default_factory=dict)
    """What the manifest says of it instead."""


@dataclass(frozen=True)
class Draft:
    """An archive before it is written."""

    files: tuple[File, ...]
    kind: str = "raw"
    version: str = str(VERSION)
    folder: str | None = None
    manifest: Callable[[Json], Any] = lambda found: found
    raw_manifest: Callable[[], bytes] | None = None
    end: bytes | None = None
    footer: Callable[[int, int, int], tuple[int, int]] = lambda start, length, _size: (
        start,
        length,
    )

    def change(self, name: str, /, **changes: Any) -> "Draft":
        """The draft with one file changed."""
        files = tuple(replace(f, **changes) if f.name == name else f for f in self.files)
        return replace(self, files=files)

    def claim(self, name: str, /, **facts: Any) -> "Draft":
        """The draft whose manifest says something else of a file."""
        return self.change(name, facts=facts)


def raw(*, users: bytes = USER, teams: bytes = TEAM, schema: bytes | None = None) -> Draft:
    """A raw archive of two small tables."""
    return Draft(
        (
            File("teams.ndjson", teams, table="teams"),
            File("users.ndjson", users, table="users"),
            File("schema.sql", SCHEMA_SQL),
            File("schema.json", SCHEMA.to_json() if schema is None else schema),
        )
    )


def transformed(documents: bytes, metadata: bytes | None = None) -> Draft:
    """A transformed archive of one collection."""
    database = mongodb_database(VERSION)
    plain = {"options": {}, "indexes": [], "collectionName": "users", "type": "collection"}
    return Draft(
        (
            File(bson_member(database, "users"), documents, collection="users"),
            File(
                metadata_member(bson_member(database, "users")),
                json.dumps(plain).encode() if metadata is None else metadata,
            ),
        ),
        kind="transformed",
    )


def build(draft: Draft) -> bytes:
    """The bytes of an archive, as wrong as the draft is."""
    out, members, padding = io.BytesIO(), [], b""
    folder = draft.folder or draft.version
    for file in draft.files:
        info = tarfile.TarInfo(f"{folder}/{file.name}")
        info.size = len(file.content)
        file.tar(info)
        out.write(compress(padding + file.before + info.tobuf(tarfile.PAX_FORMAT)))
        packed = compress(file.content) if file.packed is None else file.packed
        members.append(_member(file, out.tell(), len(packed)))
        out.write(packed)
        padding = bytes(-len(file.content) % 512)
    said = draft.manifest(
        {
            "format": FORMAT,
            "kind": draft.kind,
            "version": draft.version,
            "members": members,
        }
    )
    data = draft.raw_manifest() if draft.raw_manifest else msgspec.json.encode(said)
    info = tarfile.TarInfo(f"{folder}/manifest.json")
    info.size = len(data)
    out.write(compress(padding + info.tobuf(tarfile.PAX_FORMAT)))
    start, packed = out.tell(), compress(data)
    out.write(packed)
    end = bytes(-len(data) % 512 + 1024) if draft.end is None else draft.end
    out.write(compress(end))
    out.write(footer(*draft.footer(start, len(packed), out.tell())))
    return out.getvalue()


def _member(file: File, offset: int, length: int) -> Json:
    rows = _rows(file)
    block = Block(offset, length, rows, len(file.content), sha256(file.content).hexdigest())
    found: Json = {
        "name": file.name,
        "rows": rows,
        "bytes": len(file.content),
        "blocks": [list(block)],
        "digest": digest_of([block]),
    }
    if file.table or file.collection:
        lines = file.content.splitlines() if file.table else [file.content]
        found["fingerprint"] = str(Fingerprint.of(lines))
        found["table" if file.table else "collection"] = file.table or file.collection
    return found | file.facts


def _rows(file: File) -> int:
    if file.table:
        return len(file.content.splitlines())
    return 1 if file.collection else 0


def _named(name: str) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.name = name

    return change


def _typed(kind: bytes, target: str = "") -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, target

    return change


def _sized(size: int) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.size = size

    return change


def _extended(info: tarfile.TarInfo) -> None:
    info.pax_headers = {"path": "../../etc/passwd"}


def _smuggled() -> bytes:
    info = tarfile.TarInfo("../../home/user/.bashrc")
    info.size = 512
    return info.tobuf() + b"x" * 512


def _block(index: int, value: int | str) -> Callable[[Json], Json]:
    """The manifest with one number of the block of ``users.ndjson`` changed."""

    def change(found: Json) -> Json:
        found["members"][1]["blocks"][0][index] = value
        return found

    return change


def _with(**changes: Any) -> Callable[[Json], Json]:
    return lambda found: found | changes


def _without(name: str) -> Callable[[Json], Json]:
    def change(found: Json) -> Json:
        return found | {"members": [m for m in found["members"] if m["name"] != name]}

    return change


def _renamed(name: str) -> Draft:
    """Manifest and tar header agree on a name that nobody should write to."""
    return raw().change("users.ndjson", name=name)


def _twice(draft: Draft) -> Draft:
    return replace(draft, files=(draft.files[0], *draft.files))


def _more(value: str, type_: str) -> dict[str, bytes]:
    """Users with one column more, and its value."""
    users = table("users", id="integer", name="text", more=type_)
    return {
        "users": f'{{"id":1,"name":"A","more":{value}}}\n'.encode(),
        "schema": Schema("media_tool", (TEAMS, users)).to_json(),
    }


def _plain_tar() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        info = tarfile.TarInfo(f"{VERSION}/users.ndjson")
        info.size = len(USER)
        tar.addfile(info, io.BytesIO(USER))
    return data.getvalue()


def _zip() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("users.ndjson", USER)
    return data.getvalue()


USER_TAR: dict[str, tuple[Draft, str]] = {
    "tar: an absolute name": (
        raw().change("users.ndjson", tar=_named("/etc/cron.d/x")),
        "/etc/cron.d/x",
    ),
    "tar: a name that leaves its folder": (
        raw().change("users.ndjson", tar=_named("../../.bashrc")),
        "../../.bashrc",
    ),
    "tar: a symbolic link": (
        raw().change("users.ndjson", tar=_typed(tarfile.SYMTYPE, "/etc")),
        "link or device",
    ),
    "tar: a hard link": (
        raw().change("users.ndjson", tar=_typed(tarfile.LNKTYPE, "/etc/shadow")),
        "link or device",
    ),
    "tar: a device": (raw().change("users.ndjson", tar=_typed(tarfile.CHRTYPE)), "link or device"),
    "tar: a pipe": (raw().change("users.ndjson", tar=_typed(tarfile.FIFOTYPE)), "link or device"),
    "tar: a directory": (
        raw().change("users.ndjson", tar=_typed(tarfile.DIRTYPE)),
        "link or device",
    ),
    "tar: a sparse file": (
        raw().change("users.ndjson", tar=_typed(tarfile.GNUTYPE_SPARSE)),
        "users.ndjson",
    ),
    "tar: a path in an extended header": (
        raw().change("users.ndjson", tar=_extended),
        "../../etc/passwd",
    ),
    "tar: a size of a terabyte": (
        raw().change("users.ndjson", tar=_sized(1 << 40)),
        f"{1 << 40} bytes",
    ),
    "tar: another version's folder": (replace(raw(), folder="20250622-143000"), "20250622-143000"),
    "tar: a file that the manifest does not name": (
        raw().change("users.ndjson", before=_smuggled()),
        "between its files|tar finds",
    ),
    "tar: something after the manifest": (
        replace(raw(), end=_smuggled() + bytes(1024)),
        "holds more than|after",
    ),
    "tar: no end": (replace(raw(), end=bytes(512)), "after its manifest"),
}

MANIFESTS: dict[str, tuple[Draft, str]] = {
    "a name that leaves its folder": (_renamed("../users.ndjson"), "../users.ndjson"),
    "an absolute name": (_renamed("/etc/passwd"), "/etc/passwd"),
    "a drive's name": (_renamed("c:users.ndjson"), "c:users.ndjson"),
    "a backslash": (_renamed("..\\users.ndjson"), "not a valid name of a file"),
    "a control character": (_renamed("users\x1b[2J.ndjson"), "not a valid name of a file"),
    "an endless name": (_renamed("u" * 5000), "not a valid name of a file"),
    "a second manifest": (_renamed("manifest.json"), "not a valid name of a file"),
    "a file twice": (_twice(raw()), "teams.ndjson is listed twice"),
    "a table twice": (raw().change("users.ndjson", table="teams"), "another file has too"),
    "a negative count": (raw().claim("users.ndjson", rows=-1), "users.ndjson has a negative count"),
    "an absurd count": (
        raw().claim("users.ndjson", rows=10**15),
        "users.ndjson has blocks that do",
    ),
    "a count of another kind": (raw().claim("users.ndjson", rows="many"), "cannot be read"),
    "a count beyond 64 bits": (raw().claim("users.ndjson", bytes=10**30), "users.ndjson|cannot be"),
    "an absurd size": (
        replace(raw().claim("users.ndjson", bytes=1 << 60), manifest=_block(3, 1 << 60)),
        f"claims {1 << 60} bytes",
    ),
    "more rows than bytes": (
        replace(raw().claim("users.ndjson", rows=1 << 50), manifest=_block(2, 1 << 50)),
        "claims",
    ),
    "blocks on top of each other": (replace(raw(), manifest=_block(0, 10)), "users.ndjson has a"),
    "a block outside": (replace(raw(), manifest=_block(0, 1 << 62)), "impossible offset"),
    "no fingerprint": (raw().claim("users.ndjson", fingerprint=None), "no fingerprint"),
    "no digest": (raw().claim("users.ndjson", digest=""), "does not match its blocks"),
    "a digest of other blocks": (
        raw().claim("users.ndjson", digest="0" * 64),
        "users.ndjson has a digest that does not match its blocks",
    ),
    "a block without a digest": (replace(raw(), manifest=_block(4, "")), "without a digest"),
    "format 1 without a SHA-256": (
        replace(raw(), manifest=_with(format="mediatool-archive/1")),
        "has no SHA-256",
    ),
    "an unnamed file": (replace(raw(), manifest=_without("teams.ndjson")), "tar finds|between"),
    "no such version": (replace(raw(), version="../../../etc"), "is not a version"),
    "another format": (replace(raw(), manifest=_with(format="x" * 9000)), "is not 'mediatool"),
    "another kind": (replace(raw(), manifest=_with(kind="malware")), "its manifest cannot be read"),
    "a list": (replace(raw(), manifest=lambda _: []), "its manifest cannot be read"),
    "100,000 levels": (
        replace(raw(), raw_manifest=lambda: b'{"facts":{"a":' + DEEP + b"}}"),
        "nested too deeply",
    ),
    "no UTF-8": (
        replace(raw(), raw_manifest=lambda: b'{"format":"\xff\xfe"}'),
        "manifest cannot be read",
    ),
    "a bomb": (replace(raw(), raw_manifest=lambda: bytes((1 << 28) + 2)), "holds more than"),
    "a footer that points outside": (
        replace(raw(), footer=lambda _s, length, size: (size + 1, length)),
        "points outside",
    ),
    "a footer of nothing": (replace(raw(), footer=lambda s, _l, _z: (s, 0)), "points outside"),
    "a footer beyond 64 bits": (
        replace(raw(), footer=lambda *_: (2**64 - 1, 2**64 - 1)),
        "points outside",
    ),
    "a footer to elsewhere": (replace(raw(), footer=lambda _s, n, _z: (3, n)), "not a whole gzip"),
    "megabytes of warnings": (
        replace(raw(), manifest=_with(warnings=["Ada Ashgrove"] * 200_000)),
        "at most 2097152 are read",
    ),
    "megabytes of exclusions": (
        replace(
            raw(), manifest=_with(exclusions=[{"table": "t", "reason": "r" * 3_000_000, "rows": 1}])
        ),
        "at most 2097152 are read",
    ),
    "facts without end": (
        replace(raw(), manifest=_with(facts={"a": [[]] * 4_000_000})),
        "bytes of facts; at most 8388608 are read",
    ),
    "a table's name without end": (raw().change("users.ndjson", table="u" * 5000), "is no name"),
    "no schema.json": (replace(raw(), files=raw().files[:-1]), "schema.json"),
}

CONTENT: dict[str, tuple[Draft, str]] = {
    "a block that unpacks to 64 MiB": (
        raw().change("users.ndjson", packed=compress(bytes(1 << 26))),
        "holds more than",
    ),
    "a block of two": (
        raw().change("users.ndjson", packed=compress(USER) + compress(USER)),
        "follow a gzip block",
    ),
    "a block that is none": (raw().change("users.ndjson", packed=b"\0" * 64), "gzip block"),
    "rows of another fingerprint": (
        raw().claim("users.ndjson", fingerprint="1:" + "0" * 32),
        "fingerprint",
    ),
    "a row without a column": (raw(users=b'{"id":1}\n'), "a row of users"),
    "a row with another column": (raw(users=b'{"id":1,"name":"A","x":1}\n'), "a row of users"),
    "a row that is no object": (raw(users=b"[1]\n"), "a row of users"),
    "a row that is no JSON": (raw(users=b'{"id":1,"name":"A"\n'), "a row of users"),
    "a row that is no UTF-8": (raw(users=b'{"id":1,"name":"\xff"}\n'), "a row of users"),
    "a row of 100,000 levels": (raw(users=b'{"id":1,"name":' + DEEP + b"}\n"), "a row of users"),
    "a value of another type": (raw(users=b'{"id":1,"name":{"a":1}}\n'), "a row of users"),
    "an amount that is a word": (raw(**_more('"abc"', "numeric")), "a row of users"),
    "a number that no double holds": (raw(**_more('{"n":1e400}', "jsonb")), "a row of users"),
    "an empty line": (raw(users=USER + b"\n"), "a row of users"),
    "a schema that is no JSON": (raw(schema=b"{"), "schema.json cannot be read"),
    "a schema of 100,000 levels": (raw(schema=b'{"x":' + DEEP + b"}"), "nested too deeply"),
    "a schema that lacks a table": (
        raw(schema=Schema("media_tool", (TEAMS,)).to_json()),
        "rows of users",
    ),
    "a schema that has names without end": (
        raw(schema=Schema("media_tool", (TEAMS, USERS, table("t" * 5000, id="x"))).to_json()),
        "has 5000 characters",
    ),
    "a schema with a table twice": (
        raw(schema=Schema("media_tool", (TEAMS, USERS, USERS)).to_json()),
        "users is listed twice",
    ),
    "a schema with half a foreign key": (
        raw(
            schema=Schema(
                "media_tool",
                (
                    TEAMS,
                    msgspec.structs.replace(
                        USERS,
                        foreign_keys=(ForeignKey("fk", ("id", "name"), "teams", ("id",)),),
                    ),
                ),
            ).to_json()
        ),
        "a foreign key of users has 2 columns for 1",
    ),
    "a schema with a column twice": (
        raw(
            schema=Schema(
                "media_tool",
                (TEAMS, msgspec.structs.replace(USERS, columns=USERS.columns * 2)),
            ).to_json()
        ),
        "column of users id is listed twice",
    ),
}

BYTES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no footer"),
    "zeros": (bytes(100_000), "no footer"),
    "a tar.gz of somebody else": (_plain_tar(), "no footer"),
    "a zip": (_zip(), "no footer"),
    "a footer alone": (footer(0, 10), "points outside"),
}

DOCUMENTS: dict[str, tuple[Draft, str]] = {
    "a document longer than its file": (transformed(b"\xff\xff\xff\x7f" + bytes(20)), "length"),
    "a document of a negative length": (transformed(b"\xff\xff\xff\xff" + bytes(20)), "length"),
    "a document of no length": (transformed(bytes(20)), "length"),
    "half a document": (transformed(bson.encode({"_id": 1, "a": "b" * 99})[:50]), "length"),
    "metadata that is no JSON": (transformed(bson.encode({"_id": 1}), b"{"), "metadata"),
    "metadata of 100,000 levels": (transformed(bson.encode({"_id": 1}), DEEP), "metadata"),
    "metadata that is a list": (transformed(bson.encode({"_id": 1}), b"[]"), "metadata"),
}

DRAFTS: dict[str, tuple[Draft, str]] = USER_TAR | MANIFESTS | CONTENT
"""Raw archives, each with what the message about it holds."""


def cuts(data: bytes, blocks: Sequence[int]) -> list[bytes]:
    """An archive cut before, at and after each of its gzip blocks' beginnings."""
    places = {place + step for place in blocks for step in (-1, 0, 1)}
    return [data[:place] for place in sorted(places) if 0 <= place < len(data)]
