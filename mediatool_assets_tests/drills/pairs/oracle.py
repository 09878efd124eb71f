"""Judges what a pair of commands left, with code of its own: nothing of the product is imported."""

import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson

from mediatool_assets_tests.drills.pairs.commands import (
    DOOMED,
    PINNED,
    UNFINISHED,
    VERSIONS,
    day_of,
)
from mediatool_assets_tests.drills.pairs.starter import Ended
from mediatool_assets_tests.drills.pairs.state import MARKER, REGISTRY, Database, World

_METADATA = re.compile(
    r"postgres-exports/metadata/(\d{4}-\d\d-\d\d)/((\d{4})(\d\d)(\d\d)-\d{6})\.json"
)
MARKS = "version-marks.json"
_KINDS = ("raw", "transformed", "dump")
_NOT_OURS = re.compile(r"\.restoring$|\.replaced$")


@dataclass
class Facts:
    """What is read out of one state of the servers."""

    world: World
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)
    registry: list[dict[str, Any]] = field(default_factory=list)
    marks: dict[str, Any] = field(default_factory=dict)

    @property
    def promotions(self) -> list[str]:
        """The promotions in force, oldest first."""
        found = self.marks.get("promotions", [])
        return [each["version"] for each in found if not each.get("withdrawn")]

    @property
    def protected(self) -> set[str]:
        """Versions that are pinned, promoted, or what ``rollback`` returns to."""
        return {*self.marks.get("pinned", {}), *self.promotions[-2:]}


def judge(before: World, after: World, ended: Sequence[Ended], names: Sequence[str]) -> list[str]:
    """Everything that is wrong after the commands ``names`` have ended; empty if nothing is."""
    facts, was = Facts(after), Facts(before)
    _read(was)
    _read(facts)
    return [
        *_ended(ended, names),
        *judge_state(before, after, is_pruned="prune" in names),
        *_nothing_gone(facts, was, names),
        *_kept_promises(facts, ended, names),
    ]


def judge_state(before: World, after: World, *, is_pruned: bool = False) -> list[str]:
    """What is wrong with a state that came after another one, whatever was done."""
    facts, was = Facts(after), Facts(before)
    _read(was)
    return [
        *_read(facts),
        *_whole(facts),
        *_written_once(before, after, is_pruned=is_pruned),
        *_registered(facts),
        *_tagged(facts),
        *_chained(facts),
        *_databases(facts, before),
        *_restorations(facts, before),
        *_protected(facts, was),
    ]


def _read(facts: Facts) -> list[str]:
    """Read the documents; what cannot be read."""
    problems = []
    objects = facts.world.objects
    for key, found in objects.items():
        match = _METADATA.fullmatch(key)
        if match is None:
            if key.startswith("postgres-exports/metadata/"):
                problems.append(f"{key} is among the metadata")
            continue
        version = match[2]
        metadata = json.loads(found.data)
        facts.listed[version] = metadata
        day = f"{match[3]}-{match[4]}-{match[5]}"
        if {metadata["export_date"], match[1], day} != {day} or metadata["timestamp"] != version:
            problems.append(f"{key} is of another version or day")
    facts.registry = json.loads(objects[REGISTRY].data) if REGISTRY in objects else []
    facts.marks = json.loads(objects[MARKS].data) if MARKS in objects else {}
    if facts.world.uploads:
        problems.append(f"uploads are left: {facts.world.uploads}")
    problems += [f"{key} is left" for key in objects if "/staging/" in key]
    return problems


def _ended(ended: Sequence[Ended], names: Sequence[str]) -> Iterator[str]:
    """Each ends with a documented code, and with a message where it is not 0."""
    for name, one in zip(names, ended, strict=True):
        said = [line for line in one.err.splitlines() if line.strip()]
        if one.code not in range(6):
            yield f"{name} ended with {one.code}: {one.err[-2000:]}"
        if "Traceback" in one.err or "Traceback" in one.out:
            yield f"{name} printed a traceback: {one.err[-2000:]}"
        is_silent = not any(
            line.startswith("mediatool: ") or '"exit_code"' in line for line in said
        )
        if one.code > 1 and is_silent and not (name.startswith("verify") and one.code == 4):
            yield f"{name} ended with {one.code} and no message: {one.err!r}"
        if sum(not line.startswith("warning:") for line in said) > 4:
            yield f"{name} said too much: {one.err!r}"


def _whole(facts: Facts) -> Iterator[str]:
    """Every version that is listed has its archives, each as the metadata describes it."""
    for version, metadata in facts.listed.items():
        rows: dict[str, Any] = {}
        for kind in _KINDS:
            said = metadata["exports"][kind]
            key = said["path"].split("/", 3)[3]
            found = facts.world.objects.get(key)
            if found is None:
                yield f"{version} is listed without {key}"
                continue
            if f"/{day_of(version)}/" not in key or version not in key:
                yield f"{version}: {key} is of another day"
            if (len(found.data), hashlib.sha256(found.data).hexdigest()) != (
                said["size_bytes"],
                said["sha256"],
            ):
                yield f"{version}: {key} is not what its metadata describes"
            rows[kind] = _contents(found.data)
        if len(rows) < len(_KINDS):
            continue
        counted = {name: len(found) for name, found in rows["raw"].items()}
        if counted != metadata["exports"]["raw"]["rows"]:
            yield f"{version}: its raw archive has {counted}"
        if rows["transformed"] != rows["dump"]:
            yield f"{version}: its dump has other documents than its transformed archive"


_READ: dict[bytes, dict[str, tuple[bytes, ...]]] = {}


def _contents(data: bytes) -> dict[str, tuple[bytes, ...]]:
    """The rows or documents of an archive by table or collection; raises where it is damaged."""
    digest = hashlib.sha256(data).digest()
    if digest not in _READ:
        found: dict[str, tuple[bytes, ...]] = {}
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
            for member in archive:
                file = archive.extractfile(member)
                content = file.read() if file is not None else b""
                name = member.name.rpartition("/")[2]
                if name.endswith(".ndjson"):
                    lines = content.splitlines()
                    assert all(isinstance(json.loads(line), dict) for line in lines)
                    found[name.removesuffix(".ndjson")] = tuple(sorted(lines))
                elif name.endswith(".bson"):
                    documents = bson.decode_all(content)
                    found[name.removesuffix(".bson")] = tuple(sorted(map(bson.encode, documents)))
        _READ[digest] = found
    return _READ[digest]


def _written_once(before: World, after: World, *, is_pruned: bool) -> Iterator[str]:
    """No archive and no metadata file changes; only ``prune`` removes one."""
    for key, was in before.objects.items():
        if not key.endswith((".tar.gz",)) and not _METADATA.fullmatch(key):
            continue
        now = after.objects.get(key)
        if now is None and not is_pruned:
            yield f"{key} is gone"
        if now is None and not any(version in key for version in (DOOMED, PINNED, UNFINISHED)):
            yield f"{key} is gone, though its version is no test version"
        if now is not None and now.data != was.data:
            yield f"{key} was written again with other bytes"


def _registered(facts: Facts) -> Iterator[str]:
    """The registry agrees with metadata and marks, and the local copy with it."""
    versions = [entry["version"] for entry in facts.registry]
    if versions != sorted(facts.listed):
        yield f"the registry has {versions}, and the metadata {sorted(facts.listed)}"
    if REGISTRY in facts.world.objects and facts.world.local != facts.world.objects[REGISTRY].data:
        yield "the local registry is not that of the bucket"
    promoted = facts.promotions[-1] if facts.promotions else None
    for entry in facts.registry:
        metadata = facts.listed.get(entry["version"])
        if metadata is None:
            continue
        notes = facts.marks.get("notes", {}).get(entry["version"], metadata["notes"])
        wanted = {
            "notes": notes,
            "purpose": metadata["purpose"],
            "database_name": f"mediatool_{entry['version']}",
            "source_postgres_db": metadata["databases_created"]["postgres"],
            "pinned": entry["version"] in facts.marks.get("pinned", {}),
            "promoted": entry["version"] == promoted,
        }
        found = {"pinned": False, "promoted": False} | entry
        odd = {name: found[name] for name, value in wanted.items() if found[name] != value}
        if odd:
            yield f"the registry says {odd} of {entry['version']}"


def _tagged(facts: Facts) -> Iterator[str]:
    """The bucket's rule deletes what is tagged: test versions, unless a mark protects them."""
    for version, metadata in facts.listed.items():
        expected = metadata["purpose"] == "testing" and version not in facts.protected
        for key, found in facts.world.objects.items():
            if version in key and (key.endswith(".tar.gz") or _METADATA.fullmatch(key)):
                if "sanitized" in key:
                    continue
                if bool(found.tags) != expected:
                    state = "tagged for deletion" if found.tags else "not tagged"
                    yield f"{key} is {state}, with {facts.protected} protected"


def _chained(facts: Facts) -> Iterator[str]:
    """The chain is numbered, each entry names the one before, and all that is listed is in it."""
    entries = sorted(
        (key, found.data)
        for key, found in facts.world.objects.items()
        if key.startswith("postgres-exports/chain/")
    )
    previous, last = "", dict[str, str]()
    for number, (key, data) in enumerate(entries, 1):
        statement = json.loads(json.loads(data)["statement"])
        if not key.endswith(f"{number:08}.json") or statement["number"] != number:
            yield f"{key} is not entry {number}"
        if statement["previous"] != previous:
            yield f"{key} does not follow the entry before it"
        previous = hashlib.sha256(data).hexdigest()
        last[statement["version"]] = statement["entry"]
    if entries:
        made = {version for version, entry in last.items() if entry == "version"}
        if made != facts.listed.keys():
            yield f"the chain has {sorted(made ^ facts.listed.keys())} in another state"


def _marker(database: Database) -> list[dict[str, Any]]:
    found = database.get(MARKER)
    return [bson.decode(each) for each in found.documents] if found is not None else []


def _databases(facts: Facts, before: World) -> Iterator[str]:
    """A MongoDB database is complete, with the documents of its archive; no load is left."""
    for name, database in facts.world.documents.items():
        markers = _marker(database)
        if len(markers) != 1 or not markers[0].get("complete") or "dropping" in markers[0]:
            yield f"{name} is not complete: {[str(m)[:200] for m in markers]}, {list(database)}"
            continue
        version = markers[0]["_id"]
        if name not in (f"mediatool_{version}", "scratch"):
            yield f"{name} has the marker of {version}"
        key = f"postgres-exports/transformed/{day_of(version)}/{version}-transformed.tar.gz"
        archive = facts.world.objects.get(key) or before.objects.get(key)
        found = {
            collection: tuple(sorted(each.documents))
            for collection, each in database.items()
            if collection != MARKER
        }
        if archive is None or found != _contents(archive.data):
            yield f"{name} has other documents than {key}"


def _restorations(facts: Facts, before: World) -> Iterator[str]:
    """A PostgreSQL database is complete, with the rows of its archive; no restore is left."""
    for name, restored in facts.world.restored.items():
        marker = restored.marker
        if _NOT_OURS.search(name) or not isinstance(marker, dict):
            yield f"{name} is not complete: its comment is {marker}"
            continue
        version = marker["version"]
        key = f"postgres-exports/raw/{day_of(version)}/{version}-raw.tar.gz"
        archive = facts.world.objects.get(key) or before.objects.get(key)
        counted = {table: len(rows) for table, rows in restored.rows.items()}
        wanted = {t: len(rows) for t, rows in _contents(archive.data).items()} if archive else {}
        if "tables" in marker:
            wanted = {t: n if t in marker["tables"] else 0 for t, n in wanted.items()}
        if counted != wanted:
            yield f"{name} has {counted}, its archive {wanted}"
        was = before.restored.get(name)
        if was is not None and was.rows != restored.rows:
            yield f"{name} has other rows than before"


def _protected(facts: Facts, was: Facts) -> Iterator[str]:
    """What a mark protects is there, with its databases."""
    for version in facts.protected:
        if version not in facts.listed:
            yield f"{version} is protected by a mark, and is not listed"
        if f"mediatool_{version}" not in facts.world.documents:
            yield f"{version} is protected by a mark, and its database is gone"
    for version in was.protected & facts.protected:
        if f"media_tool_{version}" not in facts.world.restored:
            yield f"{version} is protected by a mark, and media_tool_{version} is gone"


def _nothing_gone(facts: Facts, was: Facts, names: Sequence[str]) -> Iterator[str]:
    """Only ``prune`` removes a version, a test version at that, or a database."""
    for version, purpose in VERSIONS.items():
        is_free = purpose == "testing" and "prune" in names
        if version not in facts.listed and not is_free:
            yield f"{version} is not listed any more"
    if "prune" not in names:
        yield from (
            f"{name} is gone" for name in was.world.documents if name not in facts.world.documents
        )
        yield from (
            f"{name} is gone" for name in was.world.restored if name not in facts.world.restored
        )


def _kept_promises(facts: Facts, ended: Sequence[Ended], names: Sequence[str]) -> Iterator[str]:
    """What a command that ended with 0 says it did is so, unless the other one undid it."""

    def done(name: str) -> bool:
        return any(one.code == 0 for n, one in zip(names, ended, strict=True) if n == name)

    pinned = facts.marks.get("pinned", {})
    if done("keep") and "unkeep" not in names and DOOMED not in pinned:
        yield "keep ended with 0, and nothing is pinned"
    if done("unkeep the pinned") and PINNED in pinned:
        yield "unkeep ended with 0, and the version is pinned"
    if done("annotate") and facts.marks.get("notes", {}).get(DOOMED) != "annotated by a pair":
        yield "annotate ended with 0, and the notes are the old ones"
    if done("promote") and DOOMED not in facts.promotions and "rollback" not in names:
        yield "promote ended with 0, and another version is promoted"
    if done("first load") and "prune" not in names:
        version = [v for v in facts.world.documents if v.startswith("mediatool_")]
        if len(version) != len(facts.listed):
            yield f"a load ended with 0, and there are only {version}"
    yield from _made(facts, {n for n in names if n.startswith("export") and done(n)})


def _made(facts: Facts, exports: set[str]) -> Iterator[str]:
    """Each kind of export that ended with 0 has made a version, and no sound version has failed."""
    new = facts.listed.keys() - VERSIONS.keys()
    if len(new) < len(exports):
        yield f"{exports} ended with 0, and the new versions are {sorted(new)}"
    for version in new:
        rows = facts.listed[version]["exports"]["raw"]["rows"]
        if rows["accounts"] != 3 or rows["campaigns"] != 5:
            yield f"{version} has {rows}"
    for key, found in facts.world.objects.items():
        if "/verdicts/" in key and json.loads(found.data)["verdict"] == "failed":
            yield f"a sound version has failed: {key}: {found.data.decode()}"
